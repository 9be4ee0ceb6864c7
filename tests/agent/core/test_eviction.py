"""When there is no room: what is worth least goes first, exactly counted, and the rest arrives as before."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from vedette.agent.core.buffer import AGED, OVERFLOWED, Batch, Buffer, Facts
from vedette.agent.core.eviction import BULK, Row, slimmed, whole
from vedette.runtime.clock import DAY
from vedette.schema.entities import ChangedFile, Detect, Process
from vedette.schema.events import EVENT_TYPES, tag
from vedette.schema.events.base import Event
from vedette.schema.events.files import FileChange
from vedette.schema.events.process import ProcessStop
from vedette.schema.events.protection import EppDetect
from vedette.wire.batch import BatchHeader, decode, frame, rows

Open = Callable[..., Buffer]


def mixed(start: int, count: int = 300) -> list[Event]:
    """Give events of three types, each with a time and a name of its own; half of them are file changes."""
    found: list[Event] = []
    for number in range(start, start + count):
        if number % 2:
            found.append(FileChange(time=number, file=ChangedFile(path=f"/bulk/{number * 7919}")))
        elif number % 50 == 0:
            found.append(EppDetect(time=number, detect=Detect(object_name=f"bad {number}")))
        else:
            found.append(ProcessStop(time=number, process=Process(command_line=f"work {number * 104729}")))
    return found


def content(batch: Batch) -> list[dict[str, Any]]:
    header = BatchHeader(agent="a" * 32, epoch="b" * 16, first=batch.first, last=batch.last, count=batch.count, sent=1)
    return rows(decode(frame(header, batch.payload)))  # the decoder checks that each number is there once


def everything(buffer: Buffer) -> list[dict[str, Any]]:
    found = []
    while (batch := buffer.pick()) is not None:
        found += content(batch)
    return found


def test_bulk_types_are_event_types() -> None:
    assert {tag(kind) for kind in EVENT_TYPES} >= BULK


def test_bulk_events_go_first_and_all_others_stay(open_buffer: Open) -> None:
    buffer = open_buffer()
    for start in range(0, 3000, 300):
        buffer.append(mixed(start), Facts())
    full = buffer.stats()
    buffer.quota = full.bytes - 1
    gone = buffer.expire()
    assert gone == buffer.stats().overflowed["file_change"] == 150  # of the oldest batch
    buffer.quota = full.bytes * 2 // 3
    buffer.expire()
    stats = buffer.stats()
    assert stats.bytes <= buffer.quota
    assert stats.overflowed.keys() == {"file_change"}
    assert stats.events == 3000 - stats.overflowed["file_change"] == 3000 - stats.expired
    found = everything(buffer)
    times = Counter(row["event.type"] for row in found)
    assert times["process_stop"] + times["epp_detect"] == 1500
    assert len({row["event.sequence"] for row in found}) == len(found) == stats.events
    others = [row["event.time"] for row in found if row["event.type"] != "file_change"]
    assert others == sorted(others) == list(range(0, 3000, 2))
    bulk = [row["event.time"] for row in found if row["event.type"] == "file_change"]
    assert bulk == list(range(3000 - 2 * len(bulk) + 1, 3000, 2))  # the oldest went


def test_only_when_no_bulk_is_left_do_whole_batches_go_the_oldest_first(open_buffer: Open) -> None:
    buffer = open_buffer()
    for start in range(0, 3000, 300):
        buffer.append(mixed(start), Facts())
    buffer.quota = buffer.stats().bytes // 5
    buffer.expire()
    stats = buffer.stats()
    assert stats.overflowed["file_change"] == 1500
    assert stats.overflowed["process_stop"] > 0
    assert sum(stats.overflowed.values()) == stats.expired == 3000 - stats.events
    times = [row["event.time"] for row in everything(buffer)]
    assert times == list(range(3000 - 2 * len(times), 3000, 2))


def test_a_batch_that_may_have_been_sent_keeps_its_boundaries(open_buffer: Open) -> None:
    buffer = open_buffer()
    for start in (0, 300, 600):
        buffer.append(mixed(start), Facts())
    sent = buffer.pick()
    assert sent is not None
    buffer.release(sent.first)
    buffer.quota = buffer.stats().bytes - 10
    buffer.expire()
    again = buffer.pick()
    assert again is not None
    assert (again.first, again.last, again.payload) == (sent.first, sent.last, sent.payload)
    shrunk = buffer.pick()
    assert shrunk is not None
    assert (shrunk.first, shrunk.last) == (301, 450)


def test_after_a_restart_what_was_kept_online_may_have_been_sent_and_what_was_kept_offline_not(
    open_buffer: Open,
) -> None:
    buffer = open_buffer()
    buffer.append(mixed(0), Facts())
    buffer.append(mixed(300), Facts(), offline=True)
    buffer.close()
    buffer = open_buffer(quota=1)
    buffer.quota = buffer.stats().bytes - 10
    buffer.expire()
    assert [(batch.first, batch.last) for batch in [buffer.pick(), buffer.pick()] if batch] == [(1, 300), (301, 450)]


def test_what_left_is_told_by_type_and_counts_survive(open_buffer: Open, clock: Any) -> None:
    buffer = open_buffer()
    buffer.append(mixed(0), Facts())
    clock.move(2 * DAY)
    buffer.append(mixed(300), Facts())
    buffer.quota = buffer.stats().bytes - 10
    buffer.expire()
    (gap,) = buffer.take_gaps()
    assert (gap.reason, gap.event_type, gap.count, gap.first, gap.last) == (OVERFLOWED, "file_change", 150, 151, 300)
    assert (gap.start, gap.end) == (1, 299)
    clock.move(20 * DAY)
    buffer.expire()
    gaps = {gap.event_type: gap for gap in buffer.take_gaps()}
    assert {name: gap.count for name, gap in gaps.items()} == {"process_stop": 144, "epp_detect": 6}
    assert {gap.reason for gap in gaps.values()} == {AGED}
    buffer.close()
    stats = open_buffer().stats()
    assert (stats.aged, stats.overflowed) == ({"process_stop": 144, "epp_detect": 6}, {"file_change": 150})
    assert stats.expired == 300


def test_a_rotten_batch_is_let_go_and_counted(open_buffer: Open, clock: Any) -> None:
    buffer = open_buffer()
    buffer.append(mixed(0), Facts())
    buffer._db.connection.execute("UPDATE batch SET payload = x'00'")
    buffer.quota = 0
    clock.move(22 * DAY)
    buffer.expire()
    assert buffer.stats().aged == {"buffer_corrupt": 300}


def test_slimming_a_batch_of_others_gains_nothing_and_one_of_bulk_alone_goes() -> None:
    from vedette.wire.batch import Builder

    others = Builder([ProcessStop(time=1, process=Process(pid=1))]).encode(5)
    bulk = Builder([FileChange(time=1, file=ChangedFile(path="x"))]).encode(5)
    assert slimmed(Row(5, 5, len(others)), others) is None
    assert slimmed(Row(5, 5, 3), b"odd") is None
    removal = slimmed(Row(5, 5, len(bulk)), bulk)
    assert removal is not None
    assert (removal.left, removal.events, removal.freed) == (None, 1, len(bulk))
    assert whole(Row(5, 5, len(bulk)), bulk).gone == removal.gone


@pytest.mark.parametrize("deed", ["settle", "new epoch", "join"])
def test_eviction_goes_with_all_else(open_buffer: Open, deed: str) -> None:
    buffer = open_buffer()
    for start in range(0, 6000, 100):
        buffer.append(mixed(start, 100), Facts(), offline=True)
    buffer.quota = buffer.stats().bytes * 9 // 10
    buffer.expire()
    waiting = buffer.stats().events
    if deed == "settle":
        assert buffer.settle([(1, 10_000)]) == waiting
        assert (buffer.stats().batches, buffer.stats().bytes) == (0, 0)
        return
    if deed == "new epoch":
        buffer.begin_epoch()
        assert (buffer.stats().next, buffer.stats().overflowed) == (waiting + 1, {})
    else:
        assert buffer.join() > 16
    found = everything(buffer)
    assert len({row["event.sequence"] for row in found}) == len(found) == waiting
