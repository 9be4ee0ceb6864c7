"""Joining the batches of an agent that is offline."""

import random
from collections.abc import Callable
from typing import Any

from vedette.agent.core.buffer import Buffer, Facts
from vedette.agent.core.joining import Piece, runs
from vedette.runtime.clock import DAY, MINUTE, SECOND
from vedette.schema.entities import Host
from vedette.schema.events.base import Event

Make = Callable[[int], list[Event]]


def pieces(count: int, **changes: Any) -> list[Piece]:
    return [Piece(first=n, last=n, kept=n * SECOND, size=100, host=1)._replace(**changes) for n in range(1, count + 1)]


def spans(found: list[list[Piece]]) -> list[tuple[int, int]]:
    return [(run[0].first, run[-1].last) for run in found]


def test_neighbours_are_joined_up_to_ten_minutes() -> None:
    assert spans(runs(pieces(1000))) == [(1, 601), (602, 1000)]


def test_a_run_is_bounded_in_bytes() -> None:
    assert spans(runs(pieces(100, size=20_000))) == [(1, 26), (27, 52), (53, 78), (79, 100)]


def test_other_host_facts_and_gaps_end_a_run() -> None:
    some = pieces(100)
    some[50] = some[50]._replace(host=2)
    del some[20]
    assert spans(runs(some)) == [(1, 20), (22, 50), (52, 100)]


def test_few_batches_are_left_alone() -> None:
    assert runs(pieces(15)) == []
    assert runs([]) == []


def test_only_what_was_never_sent_is_joined(open_buffer: Callable[..., Buffer], events: Make) -> None:
    buffer = open_buffer()
    for offline in (False, True, False):
        for _ in range(20):
            buffer.append(events(2), Facts(), offline=offline)
    assert buffer.join() == 19
    stats = buffer.stats()
    assert (stats.batches, stats.events) == (41, 120)
    assert buffer.join() == 0


def test_once_online_nothing_is_joined(open_buffer: Callable[..., Buffer], events: Make) -> None:
    buffer = open_buffer()
    for _ in range(20):
        buffer.append(events(2), Facts(), offline=True)
    buffer.online()
    assert buffer.join() == 0


def test_a_batch_that_was_picked_is_never_joined(open_buffer: Callable[..., Buffer], events: Make) -> None:
    buffer = open_buffer()
    for _ in range(40):
        buffer.append(events(1), Facts(), offline=True)
    batch = buffer.pick()
    assert batch is not None
    buffer.release(batch.first)
    buffer.join()
    again = buffer.pick()
    assert again is not None
    assert (again.last, again.payload) == (batch.last, batch.payload)


def test_21_days_offline_stay_small_and_arrive_whole(
    open_buffer: Callable[..., Buffer], events: Make, clock: Any
) -> None:
    """3,000 events an hour for six hours, then the rest of the 21 days."""
    buffer, draw = open_buffer(), random.Random(1)
    made = 0
    for minute in range(6 * 60):
        for _ in range(3):
            count = draw.randint(8, 25)
            buffer.append(events(count), Facts(Host(name="ws1")), offline=True)
            made += count
        clock.move(MINUTE)
        if minute % 10 == 9:
            buffer.join()
    clock.move(20 * DAY)
    assert buffer.expire() == 0
    stats = buffer.stats()
    assert stats.events == made
    assert stats.batches == 36
    covered = 0
    while (batch := buffer.pick()) is not None:
        assert batch.first == covered + 1
        covered = batch.last
        buffer.settle([(batch.first, batch.last)])
    assert covered == made
