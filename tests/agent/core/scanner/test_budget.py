"""What the scanner may cost, and how often it may report."""

from __future__ import annotations

import pytest

from vedette.agent.core.scanner.budget import CpuBudget, Quota


class Time:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_free_and_what_exceeds_it_is_waited_for() -> None:
    time = Time()
    budget = CpuBudget(share=0.25, burst=5.0, clock=time)
    assert budget.pause(4.9) == 0
    assert budget.pause(5.5) == pytest.approx(2.0)
    time.now += 2.0
    assert budget.pause(5.5) == 0


def test_a_quiet_time_earns_no_more_than_the_burst() -> None:
    time = Time()
    budget = CpuBudget(share=0.5, burst=1.0, clock=time)
    time.now += 1000
    assert budget.pause(1.5) == pytest.approx(1.0)


def test_over_time_the_share_is_what_is_used() -> None:
    time, used = Time(), 0.0
    budget = CpuBudget(share=0.2, burst=1.0, clock=time)
    for _ in range(1000):
        used += 0.1
        time.now += 0.1 + budget.pause(used)
    assert used / (time.now - 100.0) == pytest.approx(0.2, rel=0.02)


def test_a_quota_gives_its_burst_and_then_its_rate() -> None:
    time = Time()
    quota = Quota(rate=0.5, burst=3, clock=time)
    assert [quota.take() for _ in range(5)] == [True, True, True, False, False]
    time.now += 4
    assert [quota.take() for _ in range(3)] == [True, True, False]
