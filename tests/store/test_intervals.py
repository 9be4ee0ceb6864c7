"""Interval sets against a plain set of numbers."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.store.intervals import Intervals, Overlap

RANGES = st.tuples(st.integers(0, 60), st.integers(0, 12)).map(lambda pair: (pair[0], pair[0] + pair[1]))
STEPS = st.lists(st.tuples(st.booleans(), RANGES), max_size=40)


def model(steps: list[tuple[bool, tuple[int, int]]]) -> tuple[Intervals, set[int]]:
    intervals, numbers = Intervals(), set[int]()
    for adds, (first, last) in steps:
        span = set(range(first, last + 1))
        if adds:
            intervals.add(first, last)
            numbers |= span
        else:
            intervals.remove(first, last)
            numbers -= span
    return intervals, numbers


@given(STEPS)
def test_holds_the_same_numbers_as_a_set(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    intervals, numbers = model(steps)
    assert {n for first, last in intervals.pairs() for n in range(first, last + 1)} == numbers
    assert intervals.total() == len(numbers)
    highest = intervals.highest()
    assert (None if highest is None else highest[1]) == max(numbers, default=None)


@given(STEPS)
def test_ranges_are_sorted_apart_and_joined(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    pairs = model(steps)[0].pairs()
    assert all(first <= last for first, last in pairs)
    assert all(before[1] + 1 < after[0] for before, after in itertools.pairwise(pairs))


@given(STEPS, RANGES)
def test_overlap_is_what_the_numbers_say(steps: list[tuple[bool, tuple[int, int]]], asked: tuple[int, int]) -> None:
    intervals, numbers = model(steps)
    span = set(range(asked[0], asked[1] + 1))
    expected = Overlap.NONE if not span & numbers else Overlap.WHOLE if span <= numbers else Overlap.PART
    assert intervals.overlap(*asked) is expected


@given(STEPS)
def test_pairs_rebuild_an_equal_set(steps: list[tuple[bool, tuple[int, int]]]) -> None:
    intervals = model(steps)[0]
    assert Intervals(intervals.pairs()) == intervals


def test_a_backward_range_is_no_range() -> None:
    with pytest.raises(ValueError, match=r"5\.\.4"):
        Intervals().add(5, 4)
    with pytest.raises(ValueError, match=r"5\.\.4"):
        Intervals().remove(5, 4)
