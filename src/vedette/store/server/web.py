"""The ClickHouse HTTP interface as an ASGI application: reading requests, sending results, stopping queries."""

import asyncio
import hmac
import json
import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from concurrent.futures import Future
from typing import Any, TypeVar

from vedette.runtime.errors import AccessDenied, StoreError
from vedette.store.event_table import DATABASE
from vedette.store.server import allowed
from vedette.store.server.engine import STREAMED_FORMATS, Engine, EngineError, Lane
from vedette.store.server.guard import READS, Statement, Verb, check
from vedette.store.server.request import BODY_LIMIT, Request, password, read

log = logging.getLogger(__name__)
T = TypeVar("T")
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

WAIT_FOR_LANE = 30.0
"""Seconds that a statement waits for a free connection before 503."""

WAITING_LIMIT = 64
"""Statements that may wait at once."""

# ClickHouse numbers (src/Common/ErrorCodes.cpp) -> HTTP status, as its own HTTPHandler maps them.
_STATUS = {
    **dict.fromkeys((6, 27, 38, 41, 43, 46, 47, 53, 62, 115, 117, 456, 457, 36, 42, 70, 72, 73), 400),
    **dict.fromkeys((60, 81, 16), 404),
    **dict.fromkeys((164, 291, 392, 497), 403),
    516: 401,
    159: 408,
    160: 408,
    202: 503,
    394: 499,
}
_TAG = re.compile("[0-9a-f]{32}")

DENIED, UNAUTHENTICATED, MALFORMED, BUSY, TOO_LARGE = 497, 516, 36, 202, 161


class Refusal(Exception):  # noqa: N818 - an answer, as a fault is
    """An answer other than a result; `code` is the ClickHouse number, `status` the HTTP one."""

    def __init__(self, code: int, message: str, *, status: int | None = None) -> None:
        self.code, self.message = code, message
        self.status = status or _STATUS.get(code, 500)
        super().__init__(message)


class Application:
    """Serves one engine to callers that know the password."""

    def __init__(self, engine: Engine, secret: str) -> None:
        self._engine, self._secret = engine, secret
        self._free: dict[bool, asyncio.Queue[Lane]] = {}
        self._waiting = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                for writes, lanes in ((False, self._engine.readers), (True, self._engine.writers)):
                    self._free[writes] = asyncio.Queue()
                    for lane in lanes:
                        self._free[writes].put_nowait(lane)
            else:
                await asyncio.to_thread(self._engine.close)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        answer = Answer(send)
        try:
            if scope["path"] == "/ping":
                await answer.whole(b"Ok.\n")
                return
            headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
            query = scope["query_string"].decode("latin-1")
            self._authenticate(password(headers, query))
            request = _parse(query, await _body(receive, headers), headers)
            answer.query_id = request.query_id or secrets.token_hex(16)
            await self._answer(request, receive, answer)
        except Refusal as refusal:
            await answer.refuse(refusal)
        except EngineError as error:
            await answer.refuse(Refusal(error.code, str(error)))
        except (OSError, StoreError) as error:
            log.exception("request failed")
            await answer.refuse(Refusal(0, f"the store failed: {error}"))

    def _authenticate(self, given: str) -> None:
        if not hmac.compare_digest(given.encode(), self._secret.encode()):
            raise Refusal(UNAUTHENTICATED, "Authentication failed: the store's password is wrong or missing")

    async def _answer(self, request: Request, receive: Receive, answer: "Answer") -> None:
        statement = self._checked(request)
        if statement.verb is Verb.KILL:
            await asyncio.wrap_future(self._kill(statement.text))
            await answer.whole(b"")
            return
        lane = await self._lane(writes=statement.verb not in READS)
        # What is to be stopped from outside names itself.
        tag = request.query_id if _TAG.fullmatch(request.query_id) else secrets.token_hex(16)
        watch = asyncio.create_task(self._stop_when_gone(receive, tag))
        try:
            await self._perform(lane, statement, request, answer, tag=tag)
        finally:
            watch.cancel()
            self._free[statement.verb not in READS].put_nowait(lane)

    def _checked(self, request: Request) -> Statement:
        if request.database.strip("_") not in {"", "default", DATABASE}:
            raise Refusal(81, f"Database {request.database[:60]} does not exist")
        try:
            statement = check(request.statement, self._engine.table_functions)
        except AccessDenied as error:
            raise Refusal(DENIED, f"Code: {DENIED}. DB::Exception: {error}. (ACCESS_DENIED)") from error
        form = statement.format or request.format
        if form not in allowed.FORMATS:
            raise Refusal(73, f"Code: 73. DB::Exception: Unknown format {form[:60]}. (UNKNOWN_FORMAT)")
        if request.settings.get("readonly", "0") != "0" and statement.verb not in READS:
            raise Refusal(164, "Code: 164. DB::Exception: the query is readonly but would change data. (READONLY)")
        return statement

    async def _lane(self, *, writes: bool) -> Lane:
        if self._waiting >= WAITING_LIMIT:
            raise Refusal(BUSY, "the store has too many statements waiting; try again")
        self._waiting += 1
        try:
            return await asyncio.wait_for(self._free[writes].get(), WAIT_FOR_LANE)
        except TimeoutError:
            raise Refusal(BUSY, f"no connection became free in {WAIT_FOR_LANE:.0f} s; try again") from None
        finally:
            self._waiting -= 1

    async def _perform(self, lane: Lane, statement: Statement, request: Request, answer: "Answer", *, tag: str) -> None:
        connection = lane.connection
        settings = {name: value for name, value in request.settings.items() if name != "readonly"}
        form = statement.format or request.format
        do = Work(lane, lambda: self._kill(tag))
        if statement.verb is Verb.INSERT:
            rows = await do(lambda: connection.insert(statement.text, form=form, data=request.data, settings=settings))
            await answer.whole(b"", summary={"written_rows": str(rows)})
        elif statement.verb is not Verb.SELECT or form not in STREAMED_FORMATS:
            result = await do(
                lambda: connection.execute(
                    statement.text, form=form, parameters=request.parameters, settings=settings, tag=tag
                )
            )
            await answer.whole(result, form=form)
        else:
            blocks = connection.stream(
                statement.text, form=form, parameters=request.parameters, settings=settings, tag=tag
            )
            try:
                await _send_blocks(do, blocks, answer, form)
            finally:
                await do(blocks.close)

    async def _stop_when_gone(self, receive: Receive, tag: str) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._kill(tag)

    def _kill(self, tag: str) -> "Future[None]":
        control = self._engine.control
        return control.pool.submit(control.connection.kill, tag)


class Work:
    """Runs calls on a lane's thread; cancelled, it stops the statement and gives its end: a lane is never shared."""

    def __init__(self, lane: Lane, stop: Callable[[], object]) -> None:
        self._pool, self._stop = lane.pool, stop

    async def __call__(self, call: Callable[[], T]) -> T:
        """Run `call` and give what it gives."""
        task = asyncio.wrap_future(self._pool.submit(call))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._stop()
            await asyncio.wait([task])
            return task.result()


async def _send_blocks(do: Work, blocks: Iterator[bytes], answer: "Answer", form: str) -> None:
    block = await do(lambda: next(blocks, None))  # errors before the first block get their own status
    await answer.begin(form)
    try:
        while block is not None:
            await answer.block(block)
            block = await do(lambda: next(blocks, None))
    except EngineError as error:
        await answer.break_off(str(error))
        return
    await answer.end()


def _parse(query: str, body: bytes, headers: dict[str, str]) -> Request:
    try:
        encoding, kind = headers.get("content-encoding", ""), headers.get("content-type", "")
        return read(query, body, encoding=encoding, content_type=kind)
    except AccessDenied as error:
        raise Refusal(DENIED, f"Code: {DENIED}. DB::Exception: {error}. (ACCESS_DENIED)") from error
    except (ValueError, OSError, EOFError, RuntimeError) as error:
        raise Refusal(MALFORMED, f"Code: {MALFORMED}. DB::Exception: malformed request: {error}") from error


async def _body(receive: Receive, headers: dict[str, str]) -> bytes:
    size, parts = 0, []
    declared = headers.get("content-length", "0")
    more = True
    while more:
        if size > BODY_LIMIT or (declared.isascii() and declared.isdigit() and int(declared) > BODY_LIMIT):
            raise Refusal(TOO_LARGE, f"the body is larger than {BODY_LIMIT} bytes", status=413)
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refusal(MALFORMED, "the caller went away", status=499)
        part = message.get("body", b"")
        size += len(part)
        parts.append(part)
        more = message.get("more_body", False)
    return b"".join(parts)


class Answer:
    """One HTTP response in the form that ClickHouse clients read."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._begun = False
        self._tag = secrets.token_hex(8)
        self.query_id = ""

    async def _start(self, status: int, headers: dict[str, str]) -> None:
        self._begun = True
        own = {
            "x-clickhouse-query-id": self.query_id,
            "x-clickhouse-timezone": "UTC",
            "x-clickhouse-server-display-name": "vedette",
            "content-type": "application/octet-stream",
        }
        pairs = [(name.encode(), value.encode("latin-1", "replace")) for name, value in (own | headers).items()]
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def whole(self, body: bytes, *, form: str = "TabSeparated", summary: dict[str, str] | None = None) -> None:
        """Send a result that is complete."""
        headers = {"content-length": str(len(body)), "x-clickhouse-format": form}
        await self._start(200, headers | {"x-clickhouse-summary": json.dumps(summary or {})})
        await self._send({"type": "http.response.body", "body": body})

    async def begin(self, form: str) -> None:
        """Begin a result that comes block by block."""
        headers = {"x-clickhouse-format": form, "x-clickhouse-summary": "{}"}
        await self._start(200, headers | {"x-clickhouse-exception-tag": self._tag})

    async def block(self, data: bytes) -> None:
        """Send one block."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End the result."""
        await self._send({"type": "http.response.body", "body": b""})

    async def break_off(self, message: str) -> None:
        """Say in the body that the result is not complete (ClickHouse's form since 25.11)."""
        text = message.encode()
        frame = f"\r\n__exception__\r\n{self._tag}\r\n".encode() + text + b"\n"
        frame += f"{len(text) + 1} {self._tag}\r\n__exception__\r\n".encode()
        await self._send({"type": "http.response.body", "body": frame})

    async def refuse(self, refusal: Refusal) -> None:
        """Send an error, unless a result has begun."""
        if self._begun:
            return
        body = refusal.message.encode() + b"\n"
        headers = {"content-length": str(len(body)), "x-clickhouse-exception-code": str(refusal.code)}
        if refusal.status == 503:
            headers["retry-after"] = "1"
        await self._start(refusal.status, headers)
        await self._send({"type": "http.response.body", "body": body})
