"""Rows of shards become those of one answer: the same as if one store had had them all."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from vedette.query.merge import Fold, Merge, Noting, Row, Rows, merged

PAIRS = st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3)), max_size=30)


@given(st.lists(PAIRS, max_size=4), st.integers(1, 10))
def test_ordered_rows_of_shards_are_ordered_rows_of_all(shards: list[list[tuple[int, int]]], limit: int) -> None:
    newest = [sorted(rows, reverse=True)[:limit] for rows in shards]
    everything = sorted((row for rows in shards for row in rows), reverse=True)
    assert merged(newest, Merge(order=((0, True), (1, True)), limit=limit)) == everything[:limit]


@given(st.lists(PAIRS, max_size=4))
def test_sums_by_key_are_the_sums_of_all(shards: list[list[tuple[int, int]]]) -> None:
    counted = [list(Counter(key for key, _ in rows).items()) for rows in shards]
    everything = Counter(key for rows in shards for key, _ in rows)
    order = sorted(everything.items(), key=lambda pair: (-pair[1], pair[0]))
    assert merged(counted, Merge(fold=("key", "sum"), order=((1, True), (0, False)))) == order


def test_each_fold() -> None:
    fold: tuple[Fold, ...] = ("key", "sum", "min", "max", "union", "first")
    found: list[list[Row]] = [[("a", 1, 5, 5, ["x"], 1)], [], [("b", 1, 1, 1, [], 2), ("a", 2, 3, 9, ["y", "x"], None)]]
    assert merged(found, Merge(fold=fold)) == [("a", 3, 3, 9, ["x", "y"], 1), ("b", 1, 1, 1, [], 2)]


def test_what_is_preferred_comes_first_whatever_the_order() -> None:
    found = [[("stop", 9)], [("start", 1), ("start", 2)]]
    assert merged(found, Merge(prefer=(0, "start"), order=((1, True),), limit=2)) == [("start", 2), ("start", 1)]


def test_what_is_missing_is_noted_over_all_statements() -> None:
    answers = iter([Rows([(1,)], missing=("b",)), [(2,)], Rows(missing=("a", "b"), cut=True)])
    asking = Noting(lambda _: next(answers))
    assert [asking(None), asking(None), asking(None)] == [[(1,)], [(2,)], []]
    assert (asking.missing, asking.cut) == (("a", "b"), True)
