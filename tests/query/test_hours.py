"""Counts from the table of hours are those of the events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.query import ast, hours, hunt, sql
from vedette.query.search import Question, Search
from vedette.query.statement import Statement, Window
from vedette.schema.access import Scope

HOUR = hours.HOUR


@given(st.integers(0, 50 * HOUR), st.integers(1, 50 * HOUR))
def test_pieces_cover_the_window_newest_first_and_whole_hours_are_whole(start: int, length: int) -> None:
    found = list(hours.pieces(Window(start, start + length)))
    assert (found[0][0].until, found[-1][0].since) == (start + length, start)
    assert all(later[0].since == earlier[0].until for later, earlier in pairwise(found))
    for part, whole in found:
        assert part.since < part.until
        assert not whole or part.since % HOUR == part.until % HOUR == 0
        assert whole or part.until - part.since < 2 * HOUR


@pytest.mark.parametrize(
    ("query", "known"),
    [
        ("event.type:os_log", True),
        ("event.type in (os_log, file_create) AND NOT host.id:*3", True),
        ("event.type:os_log user.name:root", False),
        ("event.type:os_log last 24h", False),
        ("root", False),
    ],
)
def test_only_types_and_hosts_are_known(query: str, now: int, *, known: bool) -> None:
    assert hours.answers(hunt.parse(query, now=now)) is known


@pytest.mark.parametrize(
    "query", ["", "event.type:os_log", "NOT event.type:process_st*", "host.id:*1 OR event.type:os_log"]
)
@pytest.mark.parametrize("bucket", [HOUR, 5 * HOUR])
def test_they_equal_the_events(
    query: str, bucket: int, asked: Callable[[Statement], list[Mapping[str, Any]]], scope: Scope, now: int
) -> None:
    statements: list[Statement] = []

    def ask(statement: Statement) -> list[tuple[Any, ...]]:
        statements.append(statement)
        return [tuple(row.values()) for row in asked(statement)]

    node = hunt.parse(query, now=now) if query else ast.EVERYTHING
    window = Window(now - 29 * HOUR - 7, now + 11)
    search = Search(ask, lambda: 0.0)
    found = search.histogram(Question(node, scope, window), bucket=bucket)
    count = search.count(Question(node, scope, window))
    assert any("FROM event_hour" in statement.sql for statement in statements)
    events = ask(sql.compile_histogram(node, scope, window, bucket=bucket))
    assert found.rows == events
    whole = ask(sql.compile_count(node, scope, window))[0]
    assert count.rows == [(whole[0], len(whole[1]))]
    assert count.rows[0][0] > 0
