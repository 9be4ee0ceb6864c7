"""Alerts as they are raised and changed: server-sent events.

Another process writes alerts, so each stream asks the state once a second. Of a change that commits late, with an
earlier time than one that was told, `LOOK_BACK` is asked again, and what was told of it is left out. A stream ends
after `LONGEST_SECONDS` and the browser comes back by itself: who has lost the right to listen is not told for longer.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Annotated

import msgspec
from fastapi import Header
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from vedette.central.api.problems import ProblemError
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork, Work
from vedette.runtime.clock import SECOND
from vedette.runtime.errors import StoreError
from vedette.schema.access import Right
from vedette.schema.alerts import Alert
from vedette.store.state import alerts

routes = Routes("alerts")

LOOK_SECONDS = 1.0
LONGEST_SECONDS = 600.0
QUIET_SECONDS = 15.0
"""Between signs of life while nothing happens."""
LOOK_BACK = 10 * SECOND
MOST = 500
"""Alerts of one look; more come with the next."""

Look = Callable[[int], list[Alert]]


@routes.get("/alerts/stream", needs=Right.ALERTS_READ, answers=str)
def alert_stream(work: InWork, last_event_id: Annotated[str, Header(max_length=40)] = "") -> StreamingResponse:
    """Tell of each alert that is raised, joined or moved from now on, or since the header Last-Event-ID."""
    since = int(last_event_id) if last_event_id.isascii() and last_event_id.isdecimal() else work.now
    if not work.parts.streaming.acquire(blocking=False):
        raise ProblemError("busy", 503, "too many listen already", retry_after=30)
    return _Released(_told(work, min(since, 2**62)), release=work.parts.streaming.release)


class _Released(StreamingResponse):
    """A stream that gives its place back, however it ends."""

    def __init__(self, content: AsyncIterator[bytes], *, release: Callable[[], None]) -> None:
        super().__init__(content, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})
        self._release = release

    async def __call__(self, scope: object, receive: object, send: object) -> None:
        """Serve it."""
        try:
            await super().__call__(scope, receive, send)  # type: ignore[arg-type]
        finally:
            self._release()


async def _told(work: Work, since: int) -> AsyncIterator[bytes]:
    def look(at: int) -> list[Alert]:
        with work.read() as db:
            return alerts.changed(db, work.scope, since=at, limit=MOST)

    changes = Changes(since)
    end, spoke = time.monotonic() + LONGEST_SECONDS, time.monotonic()
    yield b"retry: 2000\n\n"
    while time.monotonic() < end:
        try:
            found = changes.news(await run_in_threadpool(look, changes.ask))
        except StoreError:
            return  # the receiver comes back
        if found or time.monotonic() - spoke > QUIET_SECONDS:
            spoke = time.monotonic()
            yield b"".join(map(as_event, found)) or b": quiet\n\n"
        if len(found) < MOST:
            await asyncio.sleep(LOOK_SECONDS)


def as_event(alert: Alert) -> bytes:
    """Write an alert as a server-sent event; its id is the time of its change."""
    return b"id: %d\nevent: alert\ndata: %b\n\n" % (alert.changed, msgspec.json.encode(alert))


class Changes:
    """Tells what is new of what was found since `ask`."""

    def __init__(self, since: int) -> None:
        self._reached = since
        self._told: dict[str, int] = {}
        self.ask = since

    def news(self, found: list[Alert]) -> list[Alert]:
        """Give those that were not told in this state, and move on."""
        new = [alert for alert in found if self._told.get(alert.id) != alert.changed]
        self._told.update({alert.id: alert.changed for alert in new})
        if found:
            self._reached = max(self._reached, found[-1].changed)
        # A full look must move on, or it would see the same again.
        self.ask = self._reached if len(found) >= MOST else max(self.ask, self._reached - LOOK_BACK)
        self._told = {name: at for name, at in self._told.items() if at >= self.ask}
        return new
