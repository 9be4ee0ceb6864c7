"""Hunting in events: search, count, histogram, top values, export, explain."""

from typing import Annotated, Any

import msgspec
from fastapi import Response
from pydantic import Field

from vedette.central.api import export
from vedette.central.api.bodies import Body
from vedette.central.api.hunting import events_of, left_out, parse, place, searching
from vedette.central.api.period import window
from vedette.central.api.routes import Routes
from vedette.central.api.shape import Wanted
from vedette.central.api.work import InWork, Work
from vedette.query import ast, explain, sql
from vedette.query.advice import advise
from vedette.query.search import Answer, Question
from vedette.query.statement import MAX_ROWS, Window
from vedette.runtime.clock import DAY
from vedette.schema.access import Right

routes = Routes("events")

Moment = int | Annotated[str, Field(max_length=64)] | None
_NEWEST_DAYS = 400


class Asked(Body):
    """What to look for, and when. An empty query means every event.

    `since` and `until`: microseconds UTC, or text such as `24h`, `now-2h`, `today`, `2026-11-24T10:00:00Z`.
    By default the last 24 hours. `seconds` bounds the search's time.
    """

    query: Annotated[str, Field(max_length=ast.MAX_TEXT)] = ""
    language: Annotated[str, Field(max_length=16)] = "hunt"
    since: Moment = None
    until: Moment = None
    seconds: Annotated[float, Field(gt=0, le=300)] | None = None


class AskedEvents(Asked):
    """A search. `columns`: any names of fields; empty = all that are known of each event."""

    limit: Annotated[int, Field(ge=1, le=MAX_ROWS)] = 100
    cursor: Annotated[str, Field(max_length=1000)] = ""
    columns: Annotated[list[str], Field(default_factory=list, max_length=100)]


class AskedHistogram(Asked):
    """A histogram; `bucket` in microseconds, absent = about 60 buckets."""

    bucket: Annotated[int, Field(ge=1_000)] | None = None


class AskedTop(Asked):
    """The most frequent values of the field `field`."""

    field: Annotated[str, Field(min_length=1, max_length=200)]
    limit: Annotated[int, Field(ge=1, le=1_000)] = 20


class AskedValues(Body):
    """Values of the field `field` that begin with `prefix`, in the time given; by default the last 24 hours."""

    field: Annotated[str, Field(min_length=1, max_length=200)]
    prefix: Annotated[str, Field(max_length=500)] = ""
    since: Moment = None
    until: Moment = None
    limit: Annotated[int, Field(ge=1, le=1_000)] = 20


class AskedExport(Asked):
    """An export: every event that matches, newest first. `columns` as in a search; without them all columns."""

    format: Annotated[str, Field(pattern="^(jsonl|csv|parquet)$")] = "jsonl"
    columns: Annotated[list[str], Field(default_factory=list, max_length=100)]


class Partial(msgspec.Struct, frozen=True, kw_only=True):
    """How much of what was asked an answer covers: every event in [reached, until) was looked at.

    `complete` is false when a limit ended the search before `since`; `reason` is then `time`, `rows` or
    `memory` (`values`: the most frequent values were chosen from too few). It is false, too, when nodes of the event
    store did not answer: they are in `missing`, and their events are not in this. `elapsed` in microseconds.
    `hints`: why the query will hardly find what was meant.
    """

    complete: bool
    reason: str
    reached: int
    since: int
    until: int
    elapsed: int
    hints: tuple[str, ...]
    missing: tuple[str, ...] = ()


class FoundEvents(Partial, frozen=True, kw_only=True):
    """Events, newest first; `cursor` gives the next ones, null = there are no more.

    `newest`: when nothing matches, the newest event of all that the caller may see.
    """

    events: list[dict[str, Any]]
    cursor: str | None
    newest: dict[str, Any] | None = None


class FoundCount(Partial, frozen=True, kw_only=True):
    """How many events match, and of how many hosts (at most 20,000 are told apart)."""

    count: int
    hosts: int


class FoundHistogram(Partial, frozen=True, kw_only=True):
    """Events per bucket: [start of the bucket, events], oldest first, without empty ones."""

    bucket: int
    counts: list[tuple[int, int]]


class TopValue(msgspec.Struct, frozen=True, kw_only=True):
    """One value: events, hosts, first and last time."""

    value: str
    count: int
    hosts: int
    first: int
    last: int


class FoundTop(Partial, frozen=True, kw_only=True):
    """The most frequent values first."""

    values: list[TopValue]


class SeenValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value and how many events had it, as far as was looked."""

    value: str
    count: int


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """What the query was understood as, and the SQL that answers it; values are bound, not in the text."""

    understood: str
    hints: tuple[str, ...]
    sql: str
    parameters: dict[str, Any]


@routes.ask("/events/search", needs=Right.EVENTS_READ, answers=FoundEvents)
def search_events(work: InWork, body: AskedEvents) -> FoundEvents:
    """Find events."""
    question = _question(work, body)
    wanted = Wanted(body.columns, work.scope)
    with searching(work, body.seconds) as search:
        answer = search.events(question, limit=body.limit, cursor=body.cursor or None, columns=wanted.columns)
        events = events_of(work, answer, wanted)
    newest = None if events or body.cursor else _newest(work)
    return FoundEvents(events=events, cursor=answer.cursor, newest=newest, **_partial(work, question, answer))


@routes.ask("/events/count", needs=Right.EVENTS_READ, answers=FoundCount)
def count_events(work: InWork, body: Asked) -> FoundCount:
    """Count events."""
    question = _question(work, body)
    with searching(work, body.seconds) as search:
        answer = search.count(question)
    count, hosts = answer.rows[0]
    return FoundCount(count=count, hosts=hosts, **_partial(work, question, answer))


@routes.ask("/events/histogram", needs=Right.EVENTS_READ, answers=FoundHistogram)
def histogram_events(work: InWork, body: AskedHistogram) -> FoundHistogram:
    """Count events over time."""
    question = _question(work, body)
    length = question.window.until - question.window.since
    bucket = body.bucket or max(1_000_000, length // 60)
    with searching(work, body.seconds) as search:
        answer = search.histogram(question, bucket=bucket)
    counts = [(int(start), int(count)) for start, count in answer.rows]
    return FoundHistogram(bucket=bucket, counts=counts, **_partial(work, question, answer))


@routes.ask("/events/top", needs=Right.EVENTS_READ, answers=FoundTop)
def top_values(work: InWork, body: AskedTop) -> FoundTop:
    """Give the most frequent values of a field in the events that match."""
    question = _question(work, body)
    with searching(work, body.seconds) as search:
        answer = search.top(question, name=body.field, limit=body.limit)
    values = [
        TopValue(value=str(value), count=count, hosts=hosts, first=first, last=last)
        for value, count, hosts, first, last in answer.rows
    ]
    return FoundTop(values=values, **_partial(work, question, answer))


@routes.ask("/events/values", needs=Right.EVENTS_READ, answers=list[SeenValue])
def seen_values(work: InWork, body: AskedValues) -> list[SeenValue]:
    """Complete a value that is being typed. Best effort within a second."""
    period = window(body.since, body.until, now=work.now)
    statement = sql.compile_values(body.field, body.prefix, work.scope, period, limit=body.limit)
    with place(work):
        return [SeenValue(value=str(value), count=count) for value, count in work.ask(statement)]


@routes.ask("/events/explain", needs=Right.EVENTS_READ, answers=Explained)
def explain_query(work: InWork, body: Asked) -> Explained:
    """Show what a query is understood as, without running it."""
    question = _question(work, body)
    statement = sql.compile_events(question.node, question.scope, question.window, limit=1)
    understood = explain.describe(question.node)
    return Explained(
        understood=understood,
        hints=(*left_out(body.query, body.language), *advise(question.node)),
        sql=statement.sql,
        parameters=dict(statement.parameters),
    )


@routes.change("POST", "/events/export", needs=Right.EVENTS_EXPORT, action="events.export", answers=dict[str, Any])
def export_events(work: InWork, body: AskedExport) -> Response:
    """Stream every event that matches. What a limit cuts off breaks the stream: half an export never looks whole."""
    question = _question(work, body)
    wanted = Wanted(body.columns, work.scope)
    detail = {"format": body.format, "language": body.language, "columns": ", ".join(body.columns)[:500]}
    detail |= {"since": str(question.window.since), "until": str(question.window.until)}
    return export.response(work, export.Export(question, wanted, body.format), target=body.query, detail=detail)


def _question(work: Work, body: Asked) -> Question:
    node = parse(body.query, body.language, now=work.now)
    return Question(node, work.scope, window(body.since, body.until, now=work.now))


def _newest(work: Work) -> dict[str, Any] | None:
    """Find the newest event of all, so that somebody who finds nothing learns whether anything arrives."""
    question = Question(ast.EVERYTHING, work.scope, Window(work.now - _NEWEST_DAYS * DAY, work.now + DAY))
    wanted = Wanted(["event.time", "event.type", "host.name", "host.id"], work.scope)
    with searching(work, 2) as search:
        answer = search.events(question, limit=1, columns=wanted.columns)
    found = events_of(work, answer, wanted)
    return found[0] if found else None


def _partial(work: Work, question: Question, answer: Answer) -> dict[str, Any]:
    return {
        "complete": answer.complete,
        "reason": answer.reason,
        "reached": answer.reached,
        "since": question.window.since,
        "until": question.window.until,
        "elapsed": work.parts.clock() - work.now,
        "hints": advise(question.node),
        "missing": answer.missing,
    }
