"""Searches within a budget: slices, partial answers, and going on from them."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.query import ast, hunt
from vedette.query.search import FIRST_SLICE, Question, Search, slices
from vedette.query.statement import Limits, Statement, Window
from vedette.runtime.errors import StoreError
from vedette.schema.access import Scope

NOW = 1_795_000_000_000_000
HOUR = 3_600_000_000
DAY = 24 * HOUR
WINDOW = Window(NOW - 3 * DAY, NOW + HOUR)


class LimitError(StoreError):
    """What the event store raises when the engine's limits are met."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(f"code {code}")


class Clock:
    """Seconds that pass only when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@given(st.integers(0, 400 * DAY), st.integers(1, 60 * DAY))
def test_slices_cover_the_window_once_newest_first(start: int, length: int) -> None:
    window = Window(start, start + length)
    found = list(slices(window))
    assert found[0].until == window.until
    assert found[-1].since == window.since
    assert all(later.since == earlier.until for later, earlier in pairwise(found))
    assert all(part.since < part.until for part in found)
    assert len(found) <= 10
    assert all(part.since % DAY == 0 or part.since == window.since for part in found[1:])
    assert found[0].until - found[0].since <= FIRST_SLICE


def test_an_empty_window_has_no_slices(scope: Scope) -> None:
    assert list(slices(Window(5, 5))) == []
    answer = Search(lambda _statement: [], Clock()).events(Question(ast.EVERYTHING, scope, Window(5, 5)), limit=1)
    assert (answer.rows, answer.complete, answer.cursor) == ([], True, None)


def test_pages_give_every_matching_row_once(store: Any, scope: Scope) -> None:
    node = hunt.parse("process.pid:* or user.name:root", now=NOW)
    whole = Search(store.ask, Clock()).events(Question(node, scope, WINDOW), limit=1000, columns=("event.type",))
    assert whole.complete
    assert whole.cursor is None
    assert whole.reached == WINDOW.since
    rows, cursor = [], None
    for _ in range(50):
        page = Search(store.ask, Clock()).events(
            Question(node, scope, WINDOW), limit=23, cursor=cursor, columns=("event.type",)
        )
        rows += page.rows
        cursor = page.cursor
        if not cursor:
            break
    assert rows == whole.rows
    assert len(rows) > 100


def test_a_full_page_stops_before_older_slices(store: Any, scope: Scope) -> None:
    asked: list[Statement] = []

    def ask(statement: Statement) -> list[tuple[Any, ...]]:
        asked.append(statement)
        return store.ask(statement)  # type: ignore[no-any-return]

    Search(ask, Clock()).events(Question(ast.EVERYTHING, scope, WINDOW), limit=1)
    assert len(asked) < len(list(slices(WINDOW)))


@pytest.mark.parametrize(("code", "reason"), [(159, "time"), (241, "memory"), (158, "rows")])
def test_a_limit_gives_what_was_found_until_then_and_where_to_go_on(
    store: Any, scope: Scope, code: int, reason: str
) -> None:
    question = Question(ast.EVERYTHING, scope, WINDOW)
    whole = Search(store.ask, Clock()).events(question, limit=1000)
    failing_from = NOW - DAY

    def ask(statement: Statement) -> list[tuple[Any, ...]]:
        since, _until = (value for value in statement.parameters.values() if isinstance(value, int) and value > 10**12)
        if since < failing_from:
            raise LimitError(code)
        return store.ask(statement)  # type: ignore[no-any-return]

    answer = Search(ask, Clock()).events(question, limit=1000)
    assert (answer.complete, answer.reason) == (False, reason)
    assert answer.rows == [row for row in whole.rows if row[0] >= answer.reached]
    assert answer.cursor
    rest = Search(store.ask, Clock()).events(question, limit=1000, cursor=answer.cursor)
    assert answer.rows + rest.rows == whole.rows


def test_a_slice_that_is_too_much_is_halved(store: Any, scope: Scope) -> None:
    question = Question(ast.EVERYTHING, scope, WINDOW)

    def ask(statement: Statement) -> list[tuple[Any, ...]]:
        since, until = (value for value in statement.parameters.values() if isinstance(value, int) and value > 10**12)
        if until - since > 8 * HOUR:
            raise LimitError(241)
        return store.ask(statement)  # type: ignore[no-any-return]

    whole = Search(store.ask, Clock())
    assert Search(ask, Clock()).count(question) == whole.count(question)
    assert Search(ask, Clock()).histogram(question, bucket=HOUR) == whole.histogram(question, bucket=HOUR)
    top = Search(ask, Clock()).top(question, name="user.name")
    assert (top.complete, top.reason) == (False, "memory")
    assert top.rows
    assert top.reached > WINDOW.since


def test_the_budget_is_one_for_all_slices(scope: Scope) -> None:
    clock = Clock()
    given_seconds: list[float] = []

    def ask(statement: Statement) -> list[tuple[Any, ...]]:
        given_seconds.append(float(statement.settings["max_execution_time"]))
        clock.now += 4
        return []

    answer = Search(ask, clock, Limits(seconds=10)).events(Question(ast.EVERYTHING, scope, WINDOW), limit=5)
    assert given_seconds == [10, 3, 1]  # all for an hour; half of what is left for what could be halved
    assert (answer.complete, answer.reason) == (False, "time")
    assert WINDOW.since < answer.reached < WINDOW.until


def test_another_failure_of_the_store_is_not_hidden(scope: Scope) -> None:
    def ask(_statement: Statement) -> list[tuple[Any, ...]]:
        raise LimitError(60)

    with pytest.raises(StoreError):
        Search(ask, Clock()).count(Question(ast.EVERYTHING, scope, WINDOW))


def test_count_and_histogram_cover_all_slices(store: Any, scope: Scope) -> None:
    question = Question(hunt.parse("user.name:root", now=NOW), scope, WINDOW)
    rows = [row for row in store.rows if row["tenant"] == "default" and row["user.name"] == "root"]
    counted = Search(store.ask, Clock()).count(question)
    assert counted.rows == [(len(rows), len({row["host.id"] for row in rows}))]
    histogram = Search(store.ask, Clock()).histogram(question, bucket=HOUR)
    assert sum(count for _start, count in histogram.rows) == len(rows)
    assert histogram.rows == sorted(histogram.rows)


def test_the_querys_own_times_narrow_what_is_asked(scope: Scope) -> None:
    windows: list[tuple[int, int]] = []

    def ask(statement: Statement) -> list[tuple[Any, ...]]:
        windows.append((int(str(statement.parameters["p1"])), int(str(statement.parameters["p2"]))))
        return []

    node = hunt.parse("last 2h and user.name:root and event.time<now-10m", now=NOW)
    answer = Search(ask, Clock()).events(Question(node, scope, WINDOW), limit=5)
    assert windows[0][1] == NOW - HOUR // 6
    assert windows[-1][0] == NOW - 2 * HOUR
    assert answer.complete
    never = hunt.parse("event.time>now and event.time<now-1h", now=NOW)
    assert Search(ask, Clock()).events(Question(never, scope, WINDOW), limit=5).complete
