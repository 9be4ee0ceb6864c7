"""Answers within a budget: a search asks for one slice of time after another, newest first, and says how far it came.

A statement answers wholly or fails (see `sql`), so that what a search gives is always the whole answer for the time
[reached, until): a partial answer is a complete answer of a shorter time, and its cursor goes on from there.
"""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from vedette.query import ast, hours, sql
from vedette.query.ast import Node
from vedette.query.merge import Noting
from vedette.query.moments import DAY
from vedette.query.statement import (
    LIMIT_CODES,
    Cursor,
    Limits,
    Statement,
    Window,
    decode_cursor,
    encode_cursor,
    within,
)
from vedette.runtime.errors import StoreError
from vedette.schema.access import Scope

Rows = list[tuple[Any, ...]]
Ask = Callable[[Statement], Rows]
"""Runs a statement; a `StoreError` whose `code` is one of `LIMIT_CODES` means "more than the limits allow"."""

Asked = Callable[[Window], tuple[Rows | None, str]]
"""Gives the rows of a window, or None and the limit that was met."""
Part = tuple[Window, Rows | None, str]

FIRST_SLICE = DAY // 24
NARROWEST = 1_000_000
"""Microseconds of the first slice where events are dense."""
WIDE = 40
"""Columns from which on it pays to look first whether there is anything."""
_SMALLEST = DAY // 24


class Answer(Struct, frozen=True, kw_only=True):
    """Rows, and how much of what was asked they cover."""

    columns: tuple[str, ...]
    rows: Rows
    complete: bool
    """False if a limit ended the search before `since`, or shards are missing.

    `reason` is the limit: "time", "rows", "memory", or "values": the most frequent were chosen from too few.
    """
    reason: str
    reached: int
    """Every event in [reached, until) was looked at, microseconds UTC."""
    cursor: str | None = None
    """Where to go on; None if there is nothing more."""
    missing: tuple[str, ...] = ()
    """Shards of the event store that did not answer: their events are not in this."""


class Question(Struct, frozen=True):
    """What is searched, for whom, and when."""

    node: Node
    scope: Scope
    window: Window

    def narrowed(self) -> Window:
        """Give the part of the window that the query's own times leave."""
        bounds = ast.time_bounds(self.node)
        since, until = self.window.since, self.window.until
        since = max(since, bounds.low) if bounds.low is not None else since
        until = min(until, bounds.high + 1) if bounds.high is not None else until
        return Window(min(since, until), until)


def slices(window: Window, first: int = FIRST_SLICE) -> Iterator[Window]:
    """Cut `window` into slices, newest first: an hour, the rest of that day (UTC), a day, two, four, ...

    Before the hour come narrower ones, each four times the one before, where `first` is less.
    """
    until, days = window.until, 0
    width = max(NARROWEST, min(first or FIRST_SLICE, FIRST_SLICE))
    while width < FIRST_SLICE and until > window.since:
        start = max(until - width, window.since)
        yield Window(start, until)
        until, width = start, width * 4
    width = FIRST_SLICE
    while until > window.since:
        start = until - width if not days else (until - 1) // DAY * DAY - (days - 1) * DAY
        if not days and until - window.since > FIRST_SLICE:
            start = max(start, (until - 1) // DAY * DAY)
        start = max(start, window.since)
        yield Window(start, until)
        until, days = start, days * 2 if days else 1


class _Newest(Struct, frozen=True):
    """The newest rows of a slice of time, before they are asked for."""

    question: Question
    limit: int
    after: Cursor | None
    columns: tuple[str, ...]

    def keys(self) -> Statement:
        return self._statement(self.question.window, sql.KEY)

    def rows(self, window: Window) -> Statement:
        return self._statement(window, self.columns)

    def _statement(self, window: Window, columns: tuple[str, ...]) -> Statement:
        node, scope = self.question.node, self.question.scope
        return sql.compile_events(node, scope, window, limit=self.limit, after=self.after, columns=columns)


class Search:
    """Asks the store within `limits` for all statements of one answer together; `clock` gives seconds, monotonic."""

    def __init__(self, ask: Ask, clock: Callable[[], float], limits: Limits | None = None) -> None:
        self._asking, self._clock = Noting(ask), clock
        self._limits = limits or Limits()
        self._deadline = clock() + self._limits.seconds

    def events(
        self, question: Question, *, limit: int, cursor: str | None = None, columns: tuple[str, ...] = ()
    ) -> Answer:
        """Newest events that match, at most `limit`, from `cursor` on. Key columns come first in each row."""
        after = decode_cursor(cursor) if cursor else None
        window = question.narrowed()
        if after:
            window = Window(window.since, min(window.until, after.time + 1))
        rows: Rows = []
        names: tuple[str, ...] = sql.event_columns(question.scope, columns)

        def newest(part: Window) -> tuple[Rows | None, str]:
            asked = _Newest(Question(question.node, question.scope, part), limit + 1 - len(rows), after, columns)
            return self._newest(asked, wide=len(names) > WIDE)

        reached, reason = window.until, ""
        first = after.width if after else FIRST_SLICE
        for part, found, problem in self._walk(window, newest, first=first):
            reason = problem
            if found is None:
                break
            reached = part.since
            rows += found
            if len(rows) > limit:
                break
        return self._told(_page(names, rows, limit=limit, until=window.until, reached=reached, reason=reason))

    def count(self, question: Question) -> Answer:
        """One row: number of matching events, and of their hosts (exact up to 20,000)."""
        total, hosts = 0, set[str]()
        reached, reason = question.window.until, ""

        def counted(part: Window) -> tuple[Rows | None, str]:
            return self._try(sql.compile_count(question.node, question.scope, part), part)

        def by_hour(part: Window) -> tuple[Rows | None, str]:
            return self._try(hours.compile_count(question.node, question.scope, part), part)

        for part, found, problem in self._count(question, counted, by_hour):
            reason = problem
            if found is None:
                break
            reached = part.since
            total += found[0][0]
            hosts |= set(found[0][1])
        rows: Rows = [(total, len(hosts))]
        return self._told(
            Answer(columns=("count", "hosts"), rows=rows, complete=not reason, reason=reason, reached=reached)
        )

    def histogram(self, question: Question, *, bucket: int) -> Answer:
        """Rows (start of a bucket of `bucket` microseconds, events in it), oldest first; empty ones are left out."""
        sql.check_buckets(question.window, bucket)
        counts: dict[int, int] = {}
        reached, reason = question.window.until, ""

        def counted(part: Window) -> tuple[Rows | None, str]:
            return self._try(sql.compile_histogram(question.node, question.scope, part, bucket=bucket), part)

        def by_hour(part: Window) -> tuple[Rows | None, str]:
            return self._try(hours.compile_histogram(question.node, question.scope, part, bucket=bucket), part)

        for part, found, problem in self._count(question, counted, by_hour if bucket % hours.HOUR == 0 else None):
            reason = problem
            if found is None:
                break
            reached = part.since
            for start, events in found:
                counts[start] = counts.get(start, 0) + events
        rows: Rows = sorted(counts.items())
        return self._told(
            Answer(columns=("bucket", "count"), rows=rows, complete=not reason, reason=reason, reached=reached)
        )

    def top(self, question: Question, *, name: str, limit: int = 20) -> Answer:
        """Most frequent values of a field; where that is too much, those of the newest half of the time, and so on."""
        window, reason = question.narrowed(), ""
        while True:
            statement = sql.compile_top(question.node, question.scope, window, name=name, limit=limit)
            found, problem = self._try(statement, window)
            reason = problem or reason
            if found is not None or not self._divisible(window):
                break
            window = _halves(window)[1]
        reached = window.since if found is not None else window.until
        reason = reason or ("values" if self._asking.cut else "")
        return self._told(
            Answer(columns=statement.columns, rows=found or [], complete=not reason, reason=reason, reached=reached)
        )

    def _told(self, answer: Answer) -> Answer:
        """Say in the answer which shards did not answer."""
        missing = self._asking.missing
        return msgspec.structs.replace(answer, complete=answer.complete and not missing, missing=missing)

    def _count(self, question: Question, counted: Asked, by_hour: Asked | None) -> Iterator[Part]:
        """Walk over slices of events, and over whole hours at once where the table of hours knows the answer."""
        window = question.narrowed()
        if by_hour is None or not hours.answers(question.node):
            yield from self._walk(window, counted)
            return
        for piece, whole in hours.pieces(window):
            found = by_hour(piece)[0] if whole else None
            if found is not None:
                yield piece, found, ""
                continue
            for part, found, problem in self._walk(piece, counted):
                yield part, found, problem
            if found is None:
                return

    def _walk(
        self, window: Window, asked: Callable[[Window], tuple[Rows | None, str]], first: int = FIRST_SLICE
    ) -> Iterator[tuple[Window, Rows | None, str]]:
        """Slices with their rows; the last one with None and the reason where a limit ends it."""
        waiting = slices(window, first)
        halves: list[Window] = []
        while part := halves.pop() if halves else next(waiting, None):
            found, problem = asked(part)
            if found is None and self._divisible(part):
                halves += _halves(part)
                continue
            yield part, found, problem
            if found is None:
                return

    def _newest(self, asked: "_Newest", *, wide: bool) -> tuple[Rows | None, str]:
        """Newest rows of a slice. Planning to read 236 columns costs 40 ms, the key alone 10 ms: so first the keys."""
        window = asked.question.window
        if wide:
            keys, problem = self._try(asked.keys(), window)
            if not keys:
                return keys, problem
            window = Window(keys[-1][0], keys[0][0] + 1)
        return self._try(asked.rows(window), window)

    def _divisible(self, window: Window) -> bool:
        return window.until - window.since > _SMALLEST and self._clock() < self._deadline

    def _try(self, statement: Statement, window: Window) -> tuple[Rows | None, str]:
        """Rows, or None and the limit that was met; a long window gets half of the time, the rest is for its halves."""
        left = self._deadline - self._clock()
        if left <= 0:
            return None, "time"
        seconds = left / 2 if self._divisible(window) else left
        limits = msgspec.structs.replace(self._limits, seconds=seconds)
        try:
            return self._asking(msgspec.structs.replace(within(statement, limits), partial=True)), ""
        except StoreError as error:
            reason = LIMIT_CODES.get(getattr(error, "code", 0))
            if reason is None:
                raise
            return None, reason


def _halves(window: Window) -> tuple[Window, Window]:
    """Older and newer half."""
    middle = window.until - (window.until - window.since) // 2
    return Window(window.since, middle), Window(middle, window.until)


def _page(names: tuple[str, ...], rows: Rows, *, limit: int, until: int, reached: int, reason: str) -> Answer:
    more = len(rows) > limit
    rows = rows[:limit]
    cursor = None
    if more and rows:
        time, host, epoch, sequence = rows[-1][:4]
        cursor = Cursor(time, host, epoch, sequence, min(2 * (until - time), FIRST_SLICE))
        reached = max(reached, time)
    elif reason:
        cursor = Cursor(reached, "", "", 0)
    return Answer(
        columns=names,
        rows=rows,
        complete=not reason,
        reason=reason,
        reached=reached,
        cursor=encode_cursor(cursor) if cursor else None,
    )
