"""A segment's records become rows, dead letters and counts; nothing is lost without a count."""

from collections.abc import Callable
from struct import pack
from typing import Any

from vedette.central.pipeline.prepare import dead_counts, prepare
from vedette.runtime.clock import DAY
from vedette.store.segment import Record
from vedette.store.state.ledger import StreamCount
from vedette.store.state.ledger_days import DayCount

AGENT, OTHER, EPOCH, RECEIVED = "a" * 32, "b" * 32, "e" * 16, 1_790_000_000_000_000
TENANTS = {AGENT: "default", OTHER: "second"}
Make = Callable[..., Record]
Content = Callable[[dict[str, dict[str, Any]]], bytes]


def numbers(*values: int) -> tuple[bytes, bytes]:
    return pack(f"<{len(values)}q", *values), b""


def counted(agent: str, first: int, last: int, *, dead_letter: int = 0) -> StreamCount:
    """Give the counts of a stream of which first..last were stored, all of one day."""
    day = DayCount(day="2026-09-21", stored=last - first + 1, first=first, last=last)
    return StreamCount(
        agent=agent, epoch=EPOCH, stored=day.stored, dead_letter=dead_letter, received=RECEIVED, days=(day,)
    )


def test_days_are_counted_apart(make_record: Make, make_content: Content) -> None:
    """Events of one batch, of three days, not in order."""
    times = [RECEIVED - back * DAY for back in (1, 0, 1, 2)]
    content = {
        "process_stop": {"n": 4, "columns": {"event.sequence": numbers(11, 12, 13, 14), "event.time": numbers(*times)}}
    }
    made = prepare([make_record(11, 4, payload=make_content(content))], TENANTS)
    assert not made.letters
    assert made.counts[0].days == (
        DayCount(day="2026-09-19", stored=1, first=14, last=14),
        DayCount(day="2026-09-20", stored=2, first=11, last=13),
        DayCount(day="2026-09-21", stored=1, first=12, last=12),
    )


def test_batches_of_several_agents_are_joined_and_counted(make_record: Make) -> None:
    made = prepare([make_record(1, 2), make_record(3, 1), make_record(1, 3, agent=OTHER)], TENANTS)
    assert made.batch.rows == 6
    assert not made.letters
    assert made.counts == (
        counted(AGENT, 1, 3),
        counted(OTHER, 1, 3),
    )
    tenants = made.batch.dictionaries["tenant"]
    assert [tenants.values[index] for index in tenants.indices] == ["default"] * 3 + ["second"] * 3


def test_a_broken_batch_is_kept_whole_and_the_others_are_stored(make_record: Make) -> None:
    broken = make_record(1, 5, payload=b"no zstd")
    made = prepare([broken, make_record(6, 1)], TENANTS)
    (letter,) = made.letters
    assert letter.record == broken
    assert letter.reason.startswith("broken: ")
    assert made.counts == (counted(AGENT, 6, 6, dead_letter=5),)


def test_an_unknown_type_is_kept_and_the_known_ones_are_stored(make_record: Make, make_content: Content) -> None:
    types = {
        "process_start": {"n": 1, "columns": {"event.sequence": numbers(1)}},
        "from_the_future": {"n": 2, "columns": {"event.sequence": numbers(2, 3)}},
    }
    made = prepare([make_record(1, 3, payload=make_content(types))], TENANTS)
    assert made.batch.rows == 1
    (letter,) = made.letters
    assert (letter.types, letter.events) == (("from_the_future",), 2)
    (count,) = made.counts
    assert (count.stored, count.dead_letter) == (1, 2)


def test_unknown_fields_and_wrong_times_are_counted(make_record: Make, make_content: Content) -> None:
    columns = {"event.sequence": numbers(1, 2), "event.time": numbers(5, 6), "new": (["x", None], b"\0\1")}
    types = {"process_start": {"n": 2, "columns": columns}}
    (count,) = prepare([make_record(1, 2, payload=make_content(types))], TENANTS).counts
    assert (count.stored, count.unknown_fields, count.clock_corrected) == (2, 1, 2)


def test_who_lies_in_the_header_is_not_believed(make_record: Make) -> None:
    made = prepare([make_record(1, 2, agent=OTHER), make_record(1, 2, epoch="f" * 16)], {OTHER: "second"})
    assert [letter.reason for letter in made.letters] == ["unknown agent"]
    lies = make_record(1, 2)
    made = prepare(
        [Record(**{name: getattr(lies, name) for name in lies.__struct_fields__} | {"agent": OTHER})], TENANTS
    )
    assert [letter.reason for letter in made.letters] == ["the batch's header is not that of its record"]
    assert made.batch.rows == 0


def test_a_segment_set_aside_counts_every_event_as_dead(make_record: Make) -> None:
    records = [make_record(1, 2), make_record(3, 4), make_record(1, 1, agent=OTHER)]
    assert dead_counts(records) == (
        StreamCount(agent=AGENT, epoch=EPOCH, dead_letter=6, received=RECEIVED),
        StreamCount(agent=OTHER, epoch=EPOCH, dead_letter=1, received=RECEIVED),
    )


def test_an_empty_segment_gives_nothing() -> None:
    made = prepare([], TENANTS)
    assert (made.batch.rows, made.letters, made.counts) == (0, (), ())
