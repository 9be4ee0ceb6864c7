"""Who may send how much, on a clock that is moved: calm agents always, backlogs in turn, as fast as is stored."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.central.ingest.pace import (
    BACKLOG_AGE,
    CALM_BURST,
    CALM_RATE,
    DEEP,
    LEAST_DEPTH,
    LONGEST_TURN,
    DrainMeter,
    Pace,
)
from vedette.central.ingest.refusal import Refused
from vedette.runtime.clock import MINUTE, SECOND
from vedette.store.spool import Backlog
from vedette.wire.header import BatchHeader

NOW = 1_800_000_000_000_000
STORED = 30_000
"""Events a second that the pipeline of these tests takes."""


def header(count: int, *, agent: int = 1, backlog: bool = False) -> BatchHeader:
    return BatchHeader(
        agent=f"{agent:032x}", epoch="1" * 16, first=1, last=count, count=count, sent=NOW,
        spool_oldest=NOW - BACKLOG_AGE - 1 if backlog else NOW - SECOND,
    )  # fmt: skip


class Node:
    """A spool that empties at STORED events a second, and its pace."""

    def __init__(self, waiting: int = 0) -> None:
        self.time, self.waiting, self.drained = 0, waiting, 0
        self.pace = Pace(lambda: self.time)
        self.look()

    def look(self) -> None:
        segments = self.waiting // 20_000
        self.pace.look(Backlog(segments=segments, events=self.waiting, size=0, drained=self.drained))

    def pass_second(self) -> None:
        self.time += SECOND
        taken = min(self.waiting, STORED)
        self.waiting -= taken
        self.drained += taken
        self.look()

    def send(self, batch: BatchHeader) -> int:
        """Give the rate, or minus the seconds to wait."""
        try:
            rate = self.pace.admit(batch)
        except Refused as refused:
            return -refused.retry_after
        self.waiting += batch.count
        return rate


def test_while_little_waits_everybody_may_send() -> None:
    node = Node()
    assert node.send(header(1_000, backlog=True)) == 0
    assert node.send(header(5_000)) == 0


def test_what_is_stored_is_shared_among_those_with_a_backlog() -> None:
    node = Node(LEAST_DEPTH - 300)
    for _ in range(200):
        node.send(header(1, agent=1))  # calm: has no share
    rates = [node.send(header(1, agent=agent, backlog=True)) for agent in range(2, 6)]
    assert rates == [25_000, 12_500, 8_333, 6_250]
    for _ in range(2 * MINUTE // SECOND):
        node.time += SECOND
        node.drained += 20_000  # and as many come anew
        node.look()
    assert node.send(header(1, agent=9, backlog=True)) == 25_000


def test_a_calm_agent_gets_in_however_many_come_back_and_no_further_than_it_may() -> None:
    node = Node(DEEP - 2 * CALM_BURST)
    assert node.send(header(100, agent=2, backlog=True)) < 0
    assert node.send(header(CALM_BURST)) == 0
    assert node.send(header(1)) < 0
    node.time += 2 * SECOND
    assert node.send(header(CALM_RATE)) == 0
    assert node.send(header(0)) == 0


def test_when_all_is_lost_nobody_is_calm() -> None:
    assert Node(DEEP).send(header(1)) < 0


def test_a_sign_of_life_is_never_refused() -> None:
    assert Node(2 * DEEP).send(header(0, backlog=True)) >= 0


def test_ten_thousand_agents_come_back_and_what_is_new_waits_a_few_seconds() -> None:
    """Each has 3 batches of 1,000 events and obeys; turns and rates keep the pipeline busy and the spool flat."""
    node = Node()
    left = dict.fromkeys(range(10_000), 3)
    due = dict.fromkeys(left, 0)
    refused = deepest = idle = 0
    for second in range(2_000):
        for agent in [agent for agent in left if due[agent] <= second]:
            answer = node.send(header(1_000, agent=agent, backlog=True))
            if answer < 0:
                refused += 1
                due[agent] = second - answer
                continue
            left[agent] -= 1
            due[agent] = second + (1_000 // answer if answer else 0)
            if not left[agent]:
                del left[agent]
        assert node.send(header(10, agent=50_000 + second)) == 0
        deepest = max(deepest, node.waiting)
        idle += node.waiting < STORED
        node.pass_second()
        if not left:
            break
    assert not left
    assert deepest < 3 * STORED, "what is new is stored within 3 s"
    assert second < 1_000 * 1.5, "10,000 x 3,000 events need 1,000 s"
    assert refused < 10 * 10_000


@given(st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 20)), max_size=200))
def test_turns_are_never_far_and_backlogs_never_deep(sent: list[tuple[int, int]]) -> None:
    node = Node(LEAST_DEPTH)
    for count, agent in sent:
        before = node.pace.waiting
        answer = node.send(header(count, agent=agent, backlog=True))
        assert answer >= -LONGEST_TURN
        assert node.pace.waiting <= max(before, node.pace.depth + count)


def test_the_meter_finds_a_steady_rate_while_there_is_work_and_keeps_it() -> None:
    meter = DrainMeter()
    for second in range(60):
        meter.see(second * 50_000, second * SECOND, busy=True)
    assert 49_000 < meter.rate < 50_001
    found = meter.rate
    for second in range(60, 120):
        meter.see(60 * 50_000, second * SECOND, busy=False)
    assert meter.rate == found


def test_the_meter_takes_two_looks_at_the_same_time() -> None:
    meter = DrainMeter()
    meter.see(0, 5, busy=True)
    before = meter.rate
    assert meter.see(100, 5, busy=True) == pytest.approx(before)
