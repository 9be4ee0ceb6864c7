"""Which days go, and when."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.clock import DAY
from vedette.store.parts import Parts
from vedette.store.retention import HORIZON, Policy, Rule, day_of, due, forecast

NOW = 20_000 * DAY + DAY // 2
TODAY = day_of(NOW)


def days(tenant: str, *sizes: int) -> list[Parts]:
    """Give a tenant's days up to today; the last of `sizes` is today's."""
    return [
        Parts(tenant, day_of(NOW - back * DAY), size * 10, size, 1)
        for back, size in zip(reversed(range(len(sizes))), sizes, strict=True)
    ]


def gone(parts: list[Parts], policy: Policy) -> list[tuple[str, int, str]]:
    """Give (tenant, days ago, reason) of what is to go."""
    age = {day_of(NOW - back * DAY): back for back in range(HORIZON)}
    return [(drop.tenant, age[drop.day], drop.reason) for drop in due(parts, policy, today=TODAY)]


def test_a_day_is_a_day_of_utc() -> None:
    assert (day_of(0), day_of(DAY - 1), day_of(DAY)) == ("1970-01-01", "1970-01-01", "1970-01-02")


def test_without_limits_all_stays() -> None:
    assert gone(days("a", 5, 5, 5), Policy()) == []


def test_days_count_the_present_one() -> None:
    assert gone(days("a", 1, 1, 1, 1), Policy(default=Rule(days=2))) == [("a", 3, "days"), ("a", 2, "days")]


def test_a_tenant_has_its_own_rule() -> None:
    policy = Policy(default=Rule(days=1), tenants={"b": Rule(days=3)})
    assert gone(days("a", 1, 1) + days("b", 1, 1, 1, 1), policy) == [("b", 3, "days"), ("a", 1, "days")]


def test_bytes_take_the_oldest_of_that_tenant_only() -> None:
    policy = Policy(tenants={"a": Rule(size=10)})
    assert gone(days("a", 4, 4, 4) + days("b", 99, 99, 99, 99), policy) == [("a", 2, "bytes")]


def test_the_total_takes_the_oldest_of_all() -> None:
    policy = Policy(size=20)
    assert gone(days("a", 5, 5, 5) + days("b", 6, 6), policy) == [("a", 2, "total_bytes"), ("a", 1, "total_bytes")]


def test_what_days_take_counts_for_the_bytes() -> None:
    policy = Policy(default=Rule(days=2, size=8))
    assert gone(days("a", 9, 4, 4), policy) == [("a", 2, "days")]


@given(
    st.lists(st.integers(1, 50), max_size=12), st.lists(st.integers(1, 50), max_size=12),
    st.integers(0, 14), st.integers(0, 300), st.integers(0, 300),
)  # fmt: skip
def test_limits_hold_and_the_present_day_stays(a: list[int], b: list[int], keep: int, most: int, total: int) -> None:
    parts = days("a", *a) + days("b", *b)
    policy = Policy(default=Rule(days=keep, size=most), size=total)
    drops = {(drop.tenant, drop.day) for drop in due(parts, policy, today=TODAY)}
    left = [part for part in parts if (part.tenant, part.day) not in drops]
    assert all((part.tenant, part.day) not in drops for part in parts if part.day >= TODAY)
    assert due(left, policy, today=TODAY) == []
    for tenant in ("a", "b"):
        ended = [part for part in left if part.tenant == tenant and part.day < TODAY]
        assert not keep or all(part.day >= day_of(NOW - (keep - 1) * DAY) for part in ended)
        assert not most or not ended or sum(part.size for part in left if part.tenant == tenant) <= most
    assert not total or all(part.day >= TODAY for part in left) or sum(part.size for part in left) <= total


def test_the_forecast_tells_the_next_removal_and_the_full_disk() -> None:
    ahead = forecast(days("a", 10, 10, 10), Policy(default=Rule(days=5)), now=NOW, free=1000)
    assert ahead.rates == {"a": 10}
    in_days, drop = ahead.next_drop["a"]
    assert (in_days, drop.day, drop.reason) == (3, day_of(NOW - 2 * DAY), "days")
    assert ahead.full_in is None

    ahead = forecast(days("a", 10, 10, 10), Policy(), now=NOW, free=35)
    assert (ahead.next_drop, ahead.full_in) == ({}, 4)

    ahead = forecast(days("a", 10, 10, 10), Policy(size=45), now=NOW, free=35)
    assert (ahead.next_drop["a"][0], ahead.next_drop["a"][1].reason, ahead.full_in) == (2, "total_bytes", None)


def test_the_first_day_tells_a_rate_too() -> None:
    assert forecast(days("a", 10), Policy(), now=NOW, free=1000).rates == {"a": 20}
