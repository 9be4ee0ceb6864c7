"""The ledger: absolute values from ingest, increments from segments, each segment once."""

from contextlib import suppress

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.schema.access import Scope
from vedette.store.state import State, ledger

COUNTS = st.builds(
    ledger.StreamCount,
    agent=st.just("a"),
    epoch=st.sampled_from(["e1", "e2"]),
    stored=st.integers(0, 1000),
    dead_letter=st.integers(0, 10),
    unknown_fields=st.integers(0, 10),
    clock_corrected=st.integers(0, 10),
)


class UndoError(Exception):
    """Rolls back what one example wrote."""


RECEIVED = ledger.StreamReceived(agent="a", epoch="e1", ranges=[(0, 3), (6, 6)], sent_last=99, duplicates=2, expired=1)
UNIDENTIFIED = Scope(tenants=frozenset({""}), rights=frozenset({"ledger.read"}))  # type: ignore[arg-type]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 5), st.lists(COUNTS, max_size=3)), max_size=12))
def test_each_segment_counts_once_in_any_order(state: State, calls: list[tuple[int, list[ledger.StreamCount]]]) -> None:
    expected: dict[int, list[ledger.StreamCount]] = {}
    with suppress(UndoError), state.write() as db:
        for number, counts in calls:
            first = number not in expected
            assert ledger.settle_segment(db, number, counts) is first
            if first:
                expected[number] = counts
        lines = {line.epoch: line for line in ledger.streams(db, UNIDENTIFIED, ["a"])}
        every = [count for counts in expected.values() for count in counts]
        assert set(lines) == {count.epoch for count in every}
        for field in ("stored", "dead_letter", "unknown_fields", "clock_corrected"):
            for epoch, line in lines.items():
                counted = [getattr(count, field) for count in every if count.epoch == epoch]
                assert getattr(line, field) == sum(counted)
        raise UndoError


def test_ingest_values_are_absolute_and_leave_the_segments_alone(state: State) -> None:
    with state.write() as db:
        ledger.settle_segment(db, 1, [ledger.StreamCount(agent="a", epoch="e1", stored=4)])
        for _ in range(2):
            ledger.record_streams(db, [RECEIVED], now=5)
        ledger.record_streams(db, [], now=5)
        line = ledger.streams(db, UNIDENTIFIED, ["a"])[0]
    assert (line.received, line.duplicates, line.expired, line.stored) == (5, 2, 1, 4)
    assert line.ranges == [(0, 3), (6, 6)]
    assert (line.first_seen, line.updated, line.sent_last) == (5, 5, 99)


def test_what_ingest_has_not_seen_since_its_start_stays(state: State) -> None:
    told = msgspec.structs.replace(RECEIVED, drops={"file_change": 7}, spool_events=3, spool_oldest=2)
    untold = ledger.StreamReceived(agent="a", epoch="e1", ranges=((0, 9),), duplicates=3)
    with state.write() as db:
        ledger.record_streams(db, [untold], now=4)
        ledger.record_streams(db, [told], now=5)
        ledger.record_streams(db, [untold], now=6)
        line = ledger.streams(db, UNIDENTIFIED, ["a"])[0]
        assert (line.received, line.duplicates, line.sent_last, line.expired) == (10, 3, 99, 1)
        assert (line.drops, line.spool_events, line.spool_oldest) == ({"file_change": 7}, 3, 2)
        ledger.record_streams(db, [msgspec.structs.replace(untold, spool_events=0)], now=7)
        assert ledger.streams(db, UNIDENTIFIED, ["a"])[0].spool_oldest is None


def test_forgotten_segments_are_those_below(state: State) -> None:
    with state.write() as db:
        for number in (1, 2, 3):
            ledger.settle_segment(db, number, [])
        assert ledger.forget_segments(db, 3) == 2
        assert ledger.settled(db, [1, 2, 3, 4]) == {3}
