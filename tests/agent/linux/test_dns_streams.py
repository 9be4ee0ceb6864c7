"""Messages out of TCP streams."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux.dns_streams import MOST, DnsStreams

KEY = (1, False)
START = 2**32 - 5
"""Sequence numbers begin again at 0."""


def _wire(messages: list[bytes]) -> bytes:
    return b"".join(len(message).to_bytes(2) + message for message in messages)


@given(st.lists(st.binary(max_size=40), max_size=6), st.lists(st.integers(1, 30), max_size=20))
def test_messages_come_whole_however_the_stream_is_cut(messages: list[bytes], sizes: list[int]) -> None:
    streams, wire, found, at = DnsStreams(), _wire(messages), [], 0
    for size in [*sizes, len(wire)]:
        part = wire[at : at + size]
        if part:
            found += streams.add(KEY, (START + at) % 2**32, part, length=len(part))
            assert streams.add(KEY, (START + at) % 2**32, part, length=len(part)) == []  # sent again
        at += len(part)
    assert found == messages
    assert streams.broken == 0


def test_a_message_longer_than_a_record_is_cut_and_ends_the_stream() -> None:
    streams = DnsStreams()
    assert streams.add(KEY, 0, _wire([b"x" * 100])[:50], length=102) == [b"x" * 48]
    assert streams.add(KEY, 102, _wire([b"next"]), length=6) == []
    assert streams.broken == 1


def test_a_missing_part_ends_the_stream_and_is_counted() -> None:
    streams = DnsStreams()
    assert streams.add(KEY, 0, _wire([b"one"]), length=5) == [b"one"]
    assert streams.add(KEY, 9, _wire([b"three"]), length=7) == []
    assert streams.broken == 1


def test_only_so_many_streams_are_followed() -> None:
    streams = DnsStreams()
    for cookie in range(MOST + 10):
        streams.add((cookie, False), 0, b"\0", length=1)
    assert len(streams) == MOST
