"""Who may send how much, on a clock that is moved: calm agents always, backlogs in turn, as fast as is stored."""

import random
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.central.ingest.line import LONGEST_TURN
from vedette.central.ingest.pace import (
    BACKLOG_AGE,
    CALM_BURST,
    CALM_RATE,
    DEEP,
    LEAST_DEPTH,
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


def header(count: int, *, agent: int = 1, backlog: bool = False, more: int = 0) -> BatchHeader:
    return BatchHeader(
        agent=f"{agent:032x}", epoch="1" * 16, first=1, last=count, count=count, sent=NOW,
        spool_oldest=NOW - BACKLOG_AGE - 1 if backlog else NOW - SECOND, spool_events=count + more,
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


class Return:
    """Agents that return at once from an outage, each with some batches of 1,000 events; a simulation by seconds."""

    def __init__(self, agents: int, batches: int, *, impatient: int = 0, gone: int = 0) -> None:
        """`impatient` of them ask every second whatever they are told; `gone` never come again after a refusal."""
        self.node, self.chance = Node(), random.Random(agents)
        self.left = dict.fromkeys(range(agents), batches)
        self.due: dict[int, float] = {agent: self.chance.uniform(0, 10) for agent in self.left}
        self.impatient, self.gone = set(range(impatient)), set(range(impatient, impatient + gone))
        self.done: dict[int, int] = {}
        self.refusals = dict.fromkeys(self.left, 0)
        self.in_a_row = dict.fromkeys(self.left, 0)
        self.most_in_a_row = self.deepest = self.second = 0

    def run(self) -> None:
        """Let time pass until all have sent everything; a calm agent speaks each second and is never refused."""
        while self.left:
            assert self.second < 5_000, f"{len(self.left)} have not finished"
            present = [agent for agent in self.left if self.due[agent] <= self.second]
            self.chance.shuffle(present)
            for agent in present:
                self._send(agent)
            assert self.node.send(header(10, agent=50_000 + self.second)) == 0
            self.deepest = max(self.deepest, self.node.waiting)
            self.node.pass_second()
            self.second += 1

    def _send(self, agent: int) -> None:
        more = 1_000 * (self.left[agent] - 1)
        answer = self.node.send(header(1_000, agent=agent, backlog=True, more=more))
        if answer < 0:
            self._refused(agent, -answer)
            return
        self.in_a_row[agent] = 0
        self.left[agent] -= 1
        self.due[agent] = self.second + (1_000 / answer if answer else 0)
        if not self.left[agent]:
            self.done[agent] = self.second
            del self.left[agent]

    def _refused(self, agent: int, asked: int) -> None:
        if agent in self.gone:
            del self.left[agent]
            return
        self.refusals[agent] += 1
        self.in_a_row[agent] += 1
        if agent in self.impatient:
            self.due[agent] = self.second + 1
        else:
            self.most_in_a_row = max(self.most_in_a_row, self.in_a_row[agent])
            self.due[agent] = self.second + asked * self.chance.uniform(1, 1.2)  # as agents do

    def spread(self, agents: Iterable[int]) -> tuple[int, int]:
        """Give when the first tenth of these had finished, and the last."""
        ended = sorted(self.done[agent] for agent in agents)
        return ended[len(ended) // 10], ended[-1]


def test_ten_thousand_agents_return_at_once_and_none_starves() -> None:
    back = Return(10_000, 3)
    back.run()
    assert back.deepest < 3 * STORED, "what is new is stored within 3 s"
    assert back.second < 1_000 * 1.25, "10,000 x 3,000 events need 1,000 s"
    assert back.most_in_a_row <= 10
    assert sum(back.refusals.values()) < 4 * 30_000
    early, last = back.spread(back.done)
    assert last < 2 * early, "all go forward alike"


def test_who_asks_every_second_gains_nothing_and_takes_nothing_from_others() -> None:
    back = Return(3_000, 5, impatient=300)
    back.run()
    impatient = back.spread(range(300))
    patient = back.spread(range(300, 3_000))
    assert impatient[0] > 0.7 * patient[0]
    assert back.most_in_a_row <= 10


def test_those_who_never_come_again_hold_up_nobody() -> None:
    back = Return(3_000, 5, gone=600)
    back.run()
    assert len(back.done) >= 2_400
    assert back.second < 1.5 * len(back.done) * 5_000 / STORED
    assert back.most_in_a_row <= 10


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
        meter.see(59 * 50_000, second * SECOND, busy=False)
    assert meter.rate == found


def test_a_pipeline_that_is_soon_done_shows_that_it_can_do_more() -> None:
    meter = DrainMeter()
    for second in range(60):
        meter.see(second * 50_000, second * SECOND, busy=False)
    assert 49_000 < meter.rate < 50_001


def test_the_meter_takes_two_looks_at_the_same_time() -> None:
    meter = DrainMeter()
    meter.see(0, 5, busy=True)
    before = meter.rate
    assert meter.see(100, 5, busy=True) == pytest.approx(before)
