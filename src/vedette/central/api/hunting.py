"""Asking the event store for people: parse, bound, run, and complete process starts with their ends."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from vedette.central.api.problems import ProblemError
from vedette.central.api.shape import Event, Wanted, event_of
from vedette.central.api.work import Work
from vedette.query import ast, hunt, kata
from vedette.query.ast import Condition, Equals, Node, OneOf
from vedette.query.search import Answer, Question, Search
from vedette.query.statement import Limits, Window
from vedette.runtime.clock import DAY
from vedette.runtime.errors import StoreError
from vedette.schema.dictionary import FIELDS

LANGUAGES = {"hunt": hunt.parse, "kata": kata.parse}
ENDS = ("process.end_time", "process.exit_code", "process.exit_signal")
_JOIN_SECONDS = 5.0
_LONGEST_LOOK = 31 * DAY


def parse(text: str, language: str, *, now: int) -> Node:
    """Read a query; an empty one means every event. Raises QueryError where it cannot be understood."""
    if language not in LANGUAGES:
        raise ProblemError("invalid", 422, f"there is no language {language!r}; there are {', '.join(LANGUAGES)}")
    return LANGUAGES[language](text, now=now) if text.strip() else ast.EVERYTHING


@contextmanager
def searching(work: Work, seconds: float | None = None) -> Iterator[Search]:
    """Take one of the few places for searches. Raises ProblemError 429 when all are taken."""
    parts = work.parts
    longest = parts.limits.search_seconds
    if not parts.searching.acquire(timeout=2):
        raise ProblemError("busy", 429, "too many searches run now", retry_after=2)
    try:
        yield Search(parts.events, time.monotonic, Limits(seconds=min(seconds or longest, longest)))
    finally:
        parts.searching.release()


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
    since = min(event["event.time"] for event in starts.values())
    found = ends(work, list(starts), hosts=sorted({row["host.id"] for row in rows}), since=since)
    for entity, end in found.items():
        starts[entity].update({name: value for name, value in end.items() if wanted.has(name)})


def ends(work: Work, entities: Sequence[str], *, hosts: Sequence[str], since: int) -> dict[str, Event]:
    """Give end time, exit code and signal of those processes that have ended. Best effort within 5 s."""
    node = ast.all_of(
        Condition(FIELDS["event.type"], Equals("process_stop")),
        Condition(FIELDS["host.id"], OneOf(tuple(hosts))),
        Condition(FIELDS["process.entity_id"], OneOf(tuple(entities))),
    )
    question = Question(node, work.scope, Window(since, min(since + _LONGEST_LOOK, work.now + DAY)))
    columns = ("process.entity_id", "event.time", *ENDS)
    search = Search(work.parts.events, time.monotonic, Limits(seconds=_JOIN_SECONDS))
    try:
        answer = search.events(question, limit=min(len(entities) + 10, 9_000), columns=columns)
    except StoreError:
        return {}
    found: dict[str, Event] = {}
    for row in answer.rows:
        values = dict(zip(answer.columns, row, strict=True))
        end = {name: values[name] for name in ENDS if values[name] is not None}
        found[values["process.entity_id"]] = {"process.end_time": values["event.time"]} | end
    return found
