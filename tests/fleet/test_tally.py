"""Percentiles of what was measured."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.fleet.tally import spread


def test_nothing_measured_is_unknown_and_not_zero() -> None:
    assert spread([]).p95 is None
    assert spread([]).count == 0


def test_of_a_hundred_values() -> None:
    found = spread(float(value) for value in range(100))
    assert (found.count, found.p50, found.p95, found.p99, found.highest) == (100, 50.0, 95.0, 99.0, 99.0)


@given(st.lists(st.floats(0, 1e6), min_size=1))
def test_they_are_ordered_and_within_what_was_seen(values: list[float]) -> None:
    found = spread(values)
    told = [found.p50, found.p95, found.p99, found.highest]
    assert all(one is not None for one in told)
    known = [one for one in told if one is not None]
    assert known == sorted(known)
    assert known[-1] == round(max(values), 4)
