"""Asking the event store for people: parse, bound, run, and complete process starts with their ends."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager

from vedette.central.api.problems import ProblemError
from vedette.central.api.shape import Event, Wanted, event_of
from vedette.central.api.work import Work
from vedette.query import ast, hunt, kata
from vedette.query.ast import Node
from vedette.query.ioc import asking
from vedette.query.search import Answer, Ask, Rows, Search
from vedette.query.statement import Limits, Statement, within
from vedette.query.tree import ENDS, compile_ends
from vedette.runtime.errors import StoreError

LANGUAGES = {"hunt": hunt.parse, "kata": kata.parse, "ioc": asking.parse}
_JOIN = Limits(seconds=5.0)
_LOG = logging.getLogger(__name__)


def parse(text: str, language: str, *, now: int) -> Node:
    """Read a query; an empty one means every event. Raises QueryError where it cannot be understood."""
    if language not in LANGUAGES:
        raise ProblemError("invalid", 422, f"there is no language {language!r}; there are {', '.join(LANGUAGES)}")
    return LANGUAGES[language](text, now=now) if text.strip() else ast.EVERYTHING


def left_out(text: str, language: str) -> tuple[str, ...]:
    """Say which parts of an IOC no event is matched by; other languages refuse what they cannot ask."""
    return asking.left_out(text) if language == "ioc" else ()


@contextmanager
def searching(work: Work, seconds: float | None = None) -> Iterator[Search]:
    """Take one of the few places for searches. Raises ProblemError 429 when all are taken."""
    limits = work.parts.limits
    allowed = Limits(seconds=min(seconds or limits.search_seconds, limits.search_seconds), memory=limits.search_memory)
    with place(work):
        yield Search(work.ask, time.monotonic, allowed)


@contextmanager
def limited(work: Work) -> Iterator[Ask]:
    """Take a place, and give what runs statements within the time of one search together."""
    deadline = time.monotonic() + work.parts.limits.search_seconds
    memory = work.parts.limits.search_memory

    def ask(statement: Statement) -> Rows:
        left = Limits(seconds=max(0.01, deadline - time.monotonic()), memory=memory)
        return work.ask(within(statement, left))

    with place(work):
        yield ask


@contextmanager
def place(work: Work) -> Iterator[None]:
    """Take one of the few places for searches."""
    if not work.parts.searching.acquire(timeout=2):
        raise ProblemError("busy", 429, "too many searches run now", retry_after=2)
    try:
        yield
    finally:
        work.parts.searching.release()


def events_of(work: Work, answer: Answer, wanted: Wanted) -> list[Event]:
    """Give the rows of an answer as events, process starts with when and how they ended."""
    return [event_of(answer.columns, row, wanted) for row in completed(work, answer, wanted)]


def completed(work: Work, answer: Answer, wanted: Wanted) -> Rows:
    """Give the rows of an answer, those of process starts with when and how the process ended."""
    place_of = {name: position for position, name in enumerate(answer.columns)}
    identity, kind = place_of.get("process.entity_id"), place_of["event.type"]
    if identity is None or not any(wanted.has(name) for name in ENDS):
        return answer.rows
    starts = {
        row[identity]: number
        for number, row in enumerate(answer.rows)
        if row[kind] == "process_start" and row[identity]
    }
    if not starts:
        return answer.rows
    hosts = {row[place_of["host.id"]] for row in answer.rows}
    rows = list(answer.rows)
    for end in _ends(work, tuple(starts), host_id=hosts.pop() if len(hosts) == 1 else None):
        number = starts[end.pop("process.entity_id")]
        row = list(rows[number])
        for name, value in end.items():
            if value is not None and wanted.has(name):
                row[place_of[name]] = value
        rows[number] = tuple(row)
    return rows


def _ends(work: Work, entity_ids: tuple[str, ...], *, host_id: str | None) -> Iterator[Event]:
    statement = compile_ends(entity_ids, work.scope, host_id=host_id)
    try:
        found = work.ask(within(statement, _JOIN))
    except StoreError as error:
        _LOG.warning("process ends are left out: %s", error)
        return
    for row in found:
        yield dict(zip(statement.columns, row, strict=True))
