"""Messages of the proc connector, read with bytes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux.proc_connector import EXIT, Message, parse

RECORDED = bytes.fromhex(
    "4c00000003000000 0100000000000000 0100000001000000 0100000000000000 28000000"
    "00000080 00000000 0880d82f41020000 be6e0000 be6e0000 00010000 11000000 ba650000ba650000"
)


def test_the_end_of_a_process_is_read() -> None:
    message = parse(RECORDED)
    assert message == Message(EXIT, 0, 1, 0x241_2FD8_8008, (0x6EBE, 0x6EBE, 256, 17))


def test_messages_of_others_are_none() -> None:
    assert parse(RECORDED[:16] + b"\2" + RECORDED[17:]) is None


@given(st.binary(max_size=120))
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    parse(data)
