"""Exports: all matching events as a stream, page by page, however many there are; noted at its begin and its end."""

import asyncio
import logging
import time
from collections.abc import Callable, Generator, Iterator, MutableMapping
from itertools import chain
from typing import Any

import anyio
import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from vedette.central.api import export_formats
from vedette.central.api.hunting import completed, place
from vedette.central.api.problems import ProblemError
from vedette.central.api.shape import Wanted
from vedette.central.api.work import Work
from vedette.query.search import Answer, Question, Search
from vedette.query.statement import Limits

PAGE = 5_000
"""Rows of one page: of events with all columns about 10 MB here."""
_ANSWER = 32 * 2**20
"""Bytes of a page in the store's form; where rows are larger there are fewer of them on a page."""
_LOG = logging.getLogger(__name__)


class Export(msgspec.Struct, frozen=True):
    """What is exported, and how it is written."""

    question: Question
    wanted: Wanted
    format: str


def response(work: Work, what: Export, *, target: str, detail: dict[str, str]) -> StreamingResponse:
    """Begin an export. Raises ProblemError 429 when too many run; what fails before the first page is a problem."""
    if not work.parts.exporting.acquire(blocking=False):
        raise ProblemError("busy", 429, "too many exports run now", retry_after=30)
    try:
        with work.parts.state.write() as db:
            work.note(db, target, outcome="begun", detail=detail)
        kind = export_formats.FORMATS[what.format]
        pieces = _noted(work, kind.write(pages(work, what), what.wanted), target=target, detail=detail)
        first = next(pieces, b"")
    except BaseException:
        work.parts.exporting.release()
        raise
    return _Stream(work, first, pieces, media_type=kind.media)


def pages(work: Work, what: Export) -> Iterator[Answer]:
    """Give all rows, a page at a time; each page has the time of one search.

    Raises ProblemError when a limit ends it early: the receiver sees a stream that was cut.
    """
    cursor, size, reached = None, PAGE, what.question.window.until
    limits = work.parts.limits
    bounds = Limits(seconds=limits.export_seconds, memory=limits.search_memory, answer=_ANSWER)
    while True:
        with place(work):
            search = Search(work.ask, time.monotonic, bounds)
            answer = search.events(what.question, limit=size, cursor=cursor, columns=what.wanted.columns)
            if answer.missing:
                away = ", ".join(answer.missing)
                raise ProblemError("limit", 503, f"the export lacks the events of {away}, which did not answer")
            answer = msgspec.structs.replace(answer, rows=completed(work, answer, what.wanted))
        if answer.reason and not answer.rows and answer.reached >= reached:
            if answer.reason != "memory" or size == 1:
                raise ProblemError("limit", 503, f"the export met the limit of {answer.reason}; narrow the query")
            size = max(1, size // 8)
            continue
        yield answer  # a slow reader keeps no place from other searches
        if answer.cursor is None:
            return
        cursor, size, reached = answer.cursor, min(PAGE, size * 2), answer.reached


def _noted(
    work: Work, written: Iterator[tuple[bytes, int]], *, target: str, detail: dict[str, str]
) -> Generator[bytes, None, None]:
    """Give the bytes, and note how it ended: before the last ones go, so that no whole export is without its entry."""
    rows, size, outcome = 0, 0, "failed"
    try:
        for data, count in written:
            rows, size = rows + count, size + len(data)
            yield data
        outcome = "done"
    finally:
        work.now = work.parts.clock()
        with work.parts.state.write() as db:
            work.note(db, target, outcome=outcome, detail=detail | {"rows": str(rows), "bytes": str(size)})


class _Stream(StreamingResponse):
    """The response of an export: ends with its reader, and does not wait for one that takes nothing."""

    def __init__(self, work: Work, first: bytes, pieces: Generator[bytes, None, None], *, media_type: str) -> None:
        super().__init__(chain((first,), pieces), media_type=media_type)
        self._parts, self._pieces = work.parts, pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""

        async def in_time(message: MutableMapping[str, Any]) -> None:
            async with asyncio.timeout(self._parts.limits.stalled_seconds):
                await send(message)

        try:
            await super().__call__(scope, receive, in_time)
        finally:
            with anyio.CancelScope(shield=True):
                await run_in_threadpool(_end, self._pieces.close, self._parts.exporting.release)


def _end(close: Callable[[], None], release: Callable[[], None]) -> None:
    try:
        close()
    finally:
        release()
