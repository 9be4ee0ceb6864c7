"""Asking the event store for people: parse, bound, run, and complete process starts with their ends."""

import logging
import time
from collections.abc import Iterator, Sequence
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
    longest = work.parts.limits.search_seconds
    with place(work):
        yield Search(work.parts.events, time.monotonic, Limits(seconds=min(seconds or longest, longest)))


@contextmanager
def limited(work: Work) -> Iterator[Ask]:
    """Take a place, and give what runs statements within the time of one search together."""
    deadline = time.monotonic() + work.parts.limits.search_seconds

    def ask(statement: Statement) -> Rows:
        return work.parts.events(within(statement, Limits(seconds=max(0.01, deadline - time.monotonic()))))

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
    events = [event_of(answer.columns, row, wanted) for row in answer.rows]
    if any(wanted.has(name) for name in ENDS):
        _join_ends(work, events, [dict(zip(answer.columns, row, strict=True)) for row in answer.rows], wanted)
    return events


def _join_ends(work: Work, events: Sequence[Event], rows: Sequence[Event], wanted: Wanted) -> None:
    starts = {
        row["process.entity_id"]: event
        for row, event in zip(rows, events, strict=True)
        if row["event.type"] == "process_start" and row.get("process.entity_id")
    }
    if not starts:
        return
    hosts = {row["host.id"] for row in rows}
    statement = compile_ends(tuple(starts), work.scope, host_id=hosts.pop() if len(hosts) == 1 else None)
    try:
        found = work.parts.events(within(statement, _JOIN))
    except StoreError as error:
        _LOG.warning("process ends are left out: %s", error)
        return
    for row in found:
        end = dict(zip(statement.columns, row, strict=True))
        entity = end.pop("process.entity_id")
        starts[entity].update({name: value for name, value in end.items() if value is not None and wanted.has(name)})
