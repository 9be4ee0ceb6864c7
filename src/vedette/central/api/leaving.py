"""A caller that goes away while its answer is made: what runs for it in the event store is stopped.

uvicorn tells of it only to somebody who asks for the next message, and routes run in threads that cannot.
"""

import asyncio
import logging

from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from vedette.central.api.caller import SAFE_METHODS
from vedette.central.api.work import Work
from vedette.runtime.errors import StoreError

_LOG = logging.getLogger(__name__)


class Leaving:
    """Waits beside the application, from the end of the body on, for the caller to go."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        door = _Door(receive)
        if scope["method"] in SAFE_METHODS:
            await door.open()
        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(door, scope))
            try:
                await self._app(scope, door.receive, send)
            except Exception as error:  # noqa: BLE001 - raised again below: a group would wrap it
                failure = error
            finally:
                watching.cancel()
        if failure is not None:
            raise failure


class _Door:
    """The messages of a request; once the body is whole, only the watcher asks for more."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._whole, self._gone = asyncio.Event(), asyncio.Event()
        self._first: Message | None = None

    async def open(self) -> None:
        """Take the first message, where no application may ask for it: a question in the address has no body."""
        self._first = await self._next()

    async def receive(self) -> Message:
        """Give the application its next message."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._whole.is_set():
            await self._gone.wait()
            return {"type": "http.disconnect"}
        return await self._next()

    async def _next(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self._gone.set()
        if not message.get("more_body", False):
            self._whole.set()
        return message

    async def left(self) -> None:
        """Wait until the caller has gone, or has its answer."""
        await self._whole.wait()
        while not self._gone.is_set():
            if (await self._receive())["type"] == "http.disconnect":
                self._gone.set()


async def _watch(door: _Door, scope: Scope) -> None:
    await door.left()
    work = scope.get("state", {}).get("work")
    if not isinstance(work, Work):
        return
    try:
        await run_in_threadpool(work.ask.stop)
    except StoreError as error:
        _LOG.warning("what a caller that has gone had asked runs on: %s", error)
