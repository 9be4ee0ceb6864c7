"""The decision how hard to save: never without need, always enough where something can be saved, never flapping."""

import msgspec
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from vedette.agent.core.budget import (
    BYTES_BURST,
    CPU_BURST,
    DEBT,
    FILL,
    HIGHEST,
    HOLD,
    Budget,
    Limits,
    Reading,
    spent,
)
from vedette.runtime.clock import DAY, SECOND
from vedette.schema.policies import Settings

LIMITS = Limits(cpu=0.1, rss=200 << 20, bytes_per_day=48 << 20)
START = Reading(at=1000.0, cpu=50.0, rss=100 << 20, bytes=7)
A_SECOND = LIMITS.bytes_per_day / (DAY / SECOND)
costs = st.floats(min_value=0, max_value=4)
readings = st.tuples(st.floats(min_value=0, max_value=90), costs, st.integers(0, 400 << 20), st.integers(0, 1 << 22))


def after(budget: Budget, *, seconds: float = 1.0, cpu: float = 0.0, size: float = 0, rss: int = 100 << 20) -> Budget:
    last = budget.last
    reading = Reading(at=last.at + seconds, cpu=last.cpu + cpu, rss=rss, bytes=last.bytes + int(size))
    return spent(budget, reading, LIMITS)


@given(st.lists(readings, max_size=60))
def test_whatever_is_read_the_level_and_the_purses_stay_within_bounds(
    steps: list[tuple[float, float, int, int]],
) -> None:
    budget = Budget(last=START)
    for seconds, cpu, rss, size in steps:
        budget = after(budget, seconds=seconds, cpu=cpu, rss=rss, size=size)
        assert 0 <= budget.level <= HIGHEST
        assert (budget.because == "") == (budget.level == 0)
        assert all(DEBT <= purse.left <= 1 for purse in budget.purses.values())
        assert set(budget.exceeded) <= set(budget.purses)


@given(st.lists(st.tuples(st.floats(0.5, 10), st.floats(0, FILL)), max_size=200))
def test_who_stays_below_nine_tenths_of_the_budget_is_never_throttled(steps: list[tuple[float, float]]) -> None:
    budget = Budget(last=START)
    for seconds, share in steps:
        budget = after(budget, seconds=seconds, cpu=share * LIMITS.cpu * seconds, size=share * A_SECOND * seconds)
        assert budget.level == 0


@given(st.lists(readings, min_size=1, max_size=60))
def test_a_level_falls_by_one_and_not_before_it_has_lasted(steps: list[tuple[float, float, int, int]]) -> None:
    budget = Budget(last=START)
    for seconds, cpu, rss, size in steps:
        before, budget = budget, after(budget, seconds=seconds, cpu=cpu, rss=rss, size=size)
        for name, purse in budget.purses.items():
            former = before.purses[name]
            assert purse.level >= former.level - 1
            if purse.level < former.level:
                assert budget.last.at - former.since >= HOLD


@given(st.lists(st.floats(0.02, 0.3), min_size=5, max_size=5).map(lambda demands: sorted(demands, reverse=True)))
def test_a_storm_costs_the_budget_and_no_more_when_levels_can_save(demands: list[float]) -> None:
    """A host whose agent would cost `demands[level]` a second: over ten minutes it takes what it may, and a burst."""
    demands[HIGHEST] = min(demands[HIGHEST], 0.08)
    budget, used, seconds = Budget(last=START), 0.0, 600
    for _ in range(seconds):
        cost = demands[budget.level]
        used += cost
        budget = after(budget, cpu=cost)
    assert used <= LIMITS.cpu * (seconds * FILL + (1 - DEBT) * CPU_BURST)


def test_a_burst_after_quiet_costs_nothing_and_a_steady_excess_is_held() -> None:
    budget = after(Budget(last=START), cpu=2.5)
    assert (budget.level, budget.because) == (0, "")
    levels = []
    for _ in range(12):
        budget = after(budget, cpu=1.0)
        levels.append(budget.level)
    assert levels == sorted(levels)
    assert (budget.level, budget.because, budget.exceeded) == (HIGHEST, "cpu", ("cpu",))


def test_memory_is_throttled_before_its_limit_and_exceeded_above_it() -> None:
    levels = [after(Budget(last=START), rss=percent * 2 << 20).level for percent in (80, 84, 87, 91, 95, 98, 101)]
    assert levels == [0, 0, 1, 2, 3, 4, 4]
    budget = after(Budget(last=START), rss=201 << 20)
    assert (budget.because, budget.exceeded) == ("rss", ("rss",))


def test_a_count_that_goes_back_is_no_gain() -> None:
    budget = after(Budget(last=START), cpu=3.0)
    again = after(budget, cpu=-3.0, size=-5)
    assert again.purses["cpu"].left <= budget.purses["cpu"].left + FILL / CPU_BURST + 1e-9


def test_twenty_one_days_at_the_default_budget_fit_into_the_default_buffer() -> None:
    settings = Settings()
    burst = settings.budget_bytes_per_day * BYTES_BURST / (DAY / SECOND)
    most = settings.buffer_days * settings.budget_bytes_per_day * FILL + (1 - DEBT) * burst
    assert settings.buffer_days == 21
    assert most <= settings.buffer_bytes


@hypothesis_settings(deadline=None, max_examples=20)  # each is two days, minute by minute
@given(st.integers(1, 500), st.integers(0, 200))
def test_bytes_of_twenty_one_days_stay_below_the_budget(demand: int, least: int) -> None:
    """Minutes of an agent that makes `demand` bytes a second unthrottled, and `least` at the highest level."""
    limits = Limits(cpu=1.0, rss=1 << 30, bytes_per_day=16_000_000)
    rate = limits.bytes_per_day / (DAY / SECOND)
    least = min(least, int(rate * FILL))
    budget, days = Budget(last=START), 2
    for _ in range(days * 1440):
        share = (HIGHEST - budget.level) / HIGHEST
        last = budget.last
        made = int(60 * (least + (demand - least) * share)) if demand > least else 60 * demand
        budget = spent(budget, msgspec.structs.replace(last, at=last.at + 60, bytes=last.bytes + made), limits)
    assert budget.last.bytes - START.bytes <= limits.bytes_per_day * (days * FILL + 1.5 / 8) + 60


def test_limits_come_from_the_settings() -> None:
    settings = Settings(budget_cpu_percent=25, budget_rss_bytes=300 << 20, budget_bytes_per_day=10 << 20)
    assert Limits.of(settings) == Limits(cpu=0.25, rss=300 << 20, bytes_per_day=10 << 20)
    assert Limits.of(Settings()) == LIMITS
