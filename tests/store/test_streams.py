"""What is durable of each stream, through commits, crashes and damage."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.runtime.errors import StoreError
from vedette.store import streams as module
from vedette.store.streams import Placement, StreamKey, Streams

ONE = StreamKey("a" * 32, "1" * 16)
TWO = StreamKey("a" * 32, "2" * 16)
OTHER = StreamKey("b" * 32, "1" * 16)


def state(streams: Streams) -> dict[StreamKey, tuple[tuple[tuple[int, int], ...], int]]:
    return {key: (streams.state(key).ranges, streams.state(key).duplicates) for key in streams}


def test_a_batch_is_new_once_then_a_duplicate(tmp_path: Path) -> None:
    streams = Streams(tmp_path)
    assert streams.place(ONE, 1, 10) is Placement.NEW
    streams.add(ONE, 1, 10)
    assert streams.place(ONE, 1, 10) is Placement.DUPLICATE
    assert streams.place(ONE, 3, 4) is Placement.DUPLICATE
    assert streams.place(ONE, 11, 20) is Placement.NEW


def test_changed_boundaries_are_an_overlap(tmp_path: Path) -> None:
    streams = Streams(tmp_path)
    streams.add(ONE, 5, 10)
    assert streams.place(ONE, 1, 5) is Placement.OVERLAP
    assert streams.place(ONE, 10, 11) is Placement.OVERLAP
    assert streams.place(ONE, 1, 20) is Placement.OVERLAP


def test_live_events_may_overtake_a_backlog(tmp_path: Path) -> None:
    streams = Streams(tmp_path)
    streams.add(ONE, 100, 110)
    assert streams.place(ONE, 1, 99) is Placement.NEW
    streams.add(ONE, 1, 99)
    assert streams.state(ONE).ranges == ((1, 110),)


def test_epochs_and_agents_are_apart(tmp_path: Path) -> None:
    streams = Streams(tmp_path)
    streams.add(ONE, 1, 10)
    assert streams.place(TWO, 1, 10) is Placement.NEW
    assert streams.place(OTHER, 1, 10) is Placement.NEW


def test_committed_ranges_survive_and_uncommitted_do_not(tmp_path: Path) -> None:
    streams = Streams(tmp_path)
    streams.add(ONE, 1, 10)
    streams.count_duplicate(ONE, 10)
    assert [stream.key for stream in streams.commit(7)] == [ONE]
    streams.add(ONE, 11, 20)
    again = Streams(tmp_path)
    assert state(again) == {ONE: (((1, 10),), 10)}
    assert again.segment == 7


def test_taking_back_leaves_no_trace(tmp_path: Path) -> None:
    streams = Streams(tmp_path)
    streams.add(ONE, 1, 10)
    streams.commit(0)
    streams.add(ONE, 11, 20)
    streams.take_back(ONE, 11, 20)
    assert streams.place(ONE, 11, 20) is Placement.NEW
    streams.commit(1)
    assert state(Streams(tmp_path)) == {ONE: (((1, 10),), 0)}


def test_too_many_pieces_are_refused_for_that_agent_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGENT_RANGES", 3)
    streams = Streams(tmp_path)
    for first in (1, 11, 21):
        streams.add(ONE, first, first + 5)
    assert streams.place(TWO, 31, 32) is Placement.SCATTERED
    assert streams.place(ONE, 1, 2) is Placement.DUPLICATE
    assert streams.place(OTHER, 31, 32) is Placement.NEW


def test_a_long_log_becomes_a_snapshot_with_the_same_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_BYTES", 500)
    streams = Streams(tmp_path)
    for number in range(40):
        streams.add(ONE, number * 10, number * 10 + 4)
        streams.add(OTHER, number * 5 + 1, number * 5 + 5)
        streams.commit(number)
    assert (tmp_path / "streams").exists()
    again = Streams(tmp_path)
    assert state(again) == state(streams)
    assert again.segment == 39


def test_a_snapshot_that_cannot_be_written_stops_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "LOG_BYTES", 10)
    monkeypatch.setattr(module, "write_atomic", full)
    streams = Streams(tmp_path)
    streams.add(ONE, 1, 10)
    assert [stream.key for stream in streams.commit(0)] == [ONE]
    assert state(Streams(tmp_path)) == state(streams)


def test_a_damaged_snapshot_stops_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOG_BYTES", 0)
    streams = Streams(tmp_path)
    streams.add(ONE, 1, 10)
    streams.commit(0)
    snapshot = tmp_path / "streams"
    data = bytearray(snapshot.read_bytes())
    data[-1] ^= 1
    snapshot.write_bytes(data)
    with pytest.raises(StoreError, match="damaged"):
        Streams(tmp_path)


@settings(max_examples=60, deadline=None)
@given(cut=st.integers(0, 400), junk=st.binary(max_size=40))
def test_a_torn_log_keeps_every_whole_entry(tmp_path_factory: pytest.TempPathFactory, cut: int, junk: bytes) -> None:
    folder = tmp_path_factory.mktemp("streams")
    streams = Streams(folder)
    ends = []
    for number in range(4):
        streams.add(ONE, number * 10, number * 10 + 9)
        streams.commit(number)
        ends.append((folder / "streams.log").stat().st_size)
    log = folder / "streams.log"
    data = log.read_bytes()
    cut = min(cut, len(data))
    log.write_bytes(data[:cut] + (junk if cut < len(data) else b""))
    again = Streams(folder)
    whole = sum(end <= cut for end in ends)
    assert again.segment >= whole - 1
    if whole:
        assert again.place(ONE, 0, whole * 10 - 1) is Placement.DUPLICATE
    again.add(OTHER, 1, 2)
    again.commit(9)
    assert Streams(folder).place(OTHER, 1, 2) is Placement.DUPLICATE


@settings(max_examples=60, deadline=None)
@given(
    steps=st.lists(
        st.tuples(st.sampled_from([ONE, TWO, OTHER]), st.integers(0, 30), st.integers(0, 5), st.booleans()),
        max_size=30,
    )
)
def test_what_was_committed_is_what_is_loaded(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[StreamKey, int, int, bool]]
) -> None:
    folder = tmp_path_factory.mktemp("streams")
    streams = Streams(folder)
    for number, (key, first, length, commits) in enumerate(steps):
        if streams.place(key, first, first + length) is Placement.NEW:
            streams.add(key, first, first + length)
        if commits:
            streams.commit(number)
    streams.commit(len(steps))
    assert state(Streams(folder)) == state(streams)
