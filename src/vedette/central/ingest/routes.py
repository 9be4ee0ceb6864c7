"""The routes that agents call. A raw ASGI application: identity first, then the body, then the receipt."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec

from vedette.central.ingest.bookkeeping import Bookkeeping
from vedette.central.ingest.committer import Committer
from vedette.central.ingest.directory import Directory
from vedette.central.ingest.pace import Pace
from vedette.central.ingest.peer import Peer
from vedette.central.ingest.refusal import Refused
from vedette.central.ingest.release_routes import RELEASES, ReleaseRoutes
from vedette.central.ingest.state_link import StateLink
from vedette.runtime.clock import Clock
from vedette.runtime.errors import IdentityError, StoreError, WireError
from vedette.schema.fields import Micros
from vedette.schema.signed import PinnedKeys
from vedette.store.spool import Outcome, Record
from vedette.store.state.agents import AgentIdentity
from vedette.store.streams import StreamKey
from vedette.wire import limits
from vedette.wire.csr import read_csr
from vedette.wire.frame import read_header
from vedette.wire.header import BatchHeader
from vedette.wire.messages import (
    EnrolReply,
    EnrolRequest,
    Receipt,
    RenewReply,
    RenewRequest,
    TaskList,
    decode_message,
    encode_message,
)
from vedette.wire.token import read_token, token_digest

BODY_SECONDS = 60.0
"""From the head of a request to the end of its body."""
BODIES_BYTES = 256 << 20
"""Batches in memory at the same time: being read, or waiting for the disk."""
DRAIN_BYTES = 4 * limits.FRAME_BYTES
"""A body too large is read to its end up to here, so that the client gets to read the answer."""
RETRY_SECONDS = 30
CROWD = 1_000
LARGE_BYTES = 256 * 1024
"""A connection that carried so much keeps up to 0.7 MiB of buffers; in a crowd it is closed after the answer."""

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_LOG = logging.getLogger(__name__)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with a body."""

    body: bytes
    kind: bytes = b"application/json"
    close: bool = False


class Budget:
    """Bytes that may be held at the same time."""

    def __init__(self, size: int) -> None:
        self._free = size

    def take(self, size: int) -> None:
        """Take `size` bytes. Raises Refused when there are not so many."""
        if size > self._free:
            raise Refused("overloaded", retry_after=2, close=True)
        self._free -= size

    def give(self, size: int) -> None:
        """Give bytes back."""
        self._free += size


class Request:
    """One request: who sends it, and its body once `read` has been called.

    What was read counts against `budget` until `release`.
    """

    def __init__(self, scope: Scope, receive: Receive, budget: Budget) -> None:
        self._receive, self._budget = receive, budget
        self._held = 0
        self.path: str = scope["path"]
        self.method: str = scope["method"]
        self.address: str = scope["client"][0] if scope.get("client") else ""
        self.peer: Peer | None = scope["state"].get("peer")
        self.problem: IdentityError | None = scope["state"].get("problem")
        self.crowded: bool = scope["state"].get("connections", 0) > CROWD
        self.length = _content_length(scope["headers"])

    def release(self) -> None:
        """Give the budget back what the body took."""
        self._budget.give(self._held)
        self._held = 0

    async def read(self, limit: int) -> bytes:
        """Read the body. Raises Refused: too large, too slow, or the client went away."""
        if self.length is not None and self.length > DRAIN_BYTES:
            raise _oversized(limit, close=True)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                return await self._read(limit)
        except TimeoutError as error:
            raise Refused("request_slow", f"no whole body in {BODY_SECONDS:.0f} s", close=True) from error

    async def _read(self, limit: int) -> bytes:
        parts: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await self._receive()
            if message["type"] != "http.request":
                raise Refused("request_broken", "the connection ended before the body", close=True)
            part = message.get("body", b"")
            size += len(part)
            if size > DRAIN_BYTES:
                raise _oversized(limit, close=True)
            if size <= limit:
                self._budget.take(len(part))
                self._held += len(part)
                parts.append(part)
            more = message.get("more_body", False)
        if size > limit:
            raise _oversized(limit, close=False)
        return b"".join(parts)


class AgentRoutes:
    """Everything that the agents' port answers."""

    def __init__(  # noqa: PLR0913 - the parts of ingest meet here
        self,
        *,
        directory: Directory,
        state: StateLink,
        committer: Committer,
        book: Bookkeeping,
        pace: Pace,
        ca: str,
        settings_key: str,
        keys: PinnedKeys,
        releases: ReleaseRoutes,
        clock: Clock,
    ) -> None:
        self._directory, self._state, self._committer, self._book = directory, state, committer, book
        self._pace, self._ca, self._settings_key, self._clock = pace, ca, settings_key, clock
        self._keys, self._releases = keys, releases
        self._budget = Budget(BODIES_BYTES)
        self._routes: dict[tuple[str, str], Callable[[Request], Awaitable[Reply]]] = {
            ("POST", "/agent/v1/batch"): self._batch,
            ("GET", "/agent/v1/settings"): self._settings,
            ("GET", "/agent/v1/tasks"): self._tasks,
            ("GET", "/agent/v1/ping"): self._ping,
            ("POST", "/agent/v1/renew"): self._renew,
            ("POST", "/agent/v1/enrol"): self._enrol,
            ("GET", "/agent/v1/ca"): self._authority,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive, self._budget)
        try:
            reply = await self._answer(request)
        except Refused as refused:
            agent = "" if request.peer is None else request.peer.agent
            self._book.refuse(refused.reason, agent)
            await _send_refusal(send, refused)
        else:
            headers = [(b"content-type", reply.kind)]
            if reply.close:
                headers.append((b"connection", b"close"))
            await _send(send, 200, reply.body, headers)
        finally:
            request.release()

    async def _answer(self, request: Request) -> Reply:
        """Give the answer; every error of a caller becomes Refused with its reason."""
        route = self._routes.get((request.method, request.path))
        if request.method == "GET" and request.path.startswith(RELEASES):
            route = self._release
        if route is None:
            raise Refused("route_unknown", f"{request.method} {request.path[:200]}")
        try:
            return await route(request)
        except IdentityError as error:
            raise Refused(error.reason, str(error)) from error
        except WireError as error:
            reason = "batch_broken" if request.path.endswith("/batch") else "request_broken"
            raise Refused(reason, str(error)) from error
        except StoreError as error:
            _LOG.error("the state database refused: %s", error)
            raise Refused("state_unavailable", retry_after=RETRY_SECONDS) from error

    async def _batch(self, request: Request) -> Reply:
        identity = await self._identify(request)
        frame = await request.read(limits.FRAME_BYTES)
        header = read_header(frame)
        if header.agent != identity.id:
            raise Refused("batch_of_another_agent", f"the batch says {header.agent}, the certificate {identity.id}")
        self._book.admit(StreamKey(header.agent, header.epoch))
        now = self._clock()
        rate = self._pace.admit(header)
        outcome = await self._committer.put(_record(header, frame, now)) if header.count else Outcome.STORED
        self._book.hear(header, outcome, address=request.address, at=now)
        if outcome not in {Outcome.STORED, Outcome.DUPLICATE}:
            raise _refused(outcome, header)
        ranges = [(header.first, header.last)] if header.count else await self._last_range(header)
        version = self._directory.settings_version(identity)
        receipt = Receipt(
            ranges=ranges,
            duplicate=outcome is Outcome.DUPLICATE,
            time=now,
            settings_version=version,
            rate=rate,
            tasks=self._directory.tasks(identity, now=now),
        )
        close = request.crowded and len(frame) > LARGE_BYTES
        return Reply(body=encode_message(receipt), close=close)

    async def _last_range(self, header: BatchHeader) -> list[tuple[int, int]]:
        """Answer a sign of life: a host that was put back to an older state sees that its numbers are taken."""
        key = StreamKey(header.agent, header.epoch)
        highest = self._book.highest(key) or await self._state.highest(key)
        return [] if highest is None else [highest]

    async def _settings(self, request: Request) -> Reply:
        document = self._directory.settings(await self._identify(request))
        if document is None:
            raise Refused("settings_missing")
        return Reply(body=encode_message(document))

    async def _tasks(self, request: Request) -> Reply:
        identity = await self._identify(request)
        return Reply(body=encode_message(TaskList(tasks=await self._state.hand_over(identity))))

    async def _release(self, request: Request) -> Reply:
        await self._identify(request)
        body, kind = await self._releases.answer(request.path.removeprefix(RELEASES))
        return Reply(body=body, kind=kind)

    async def _ping(self, request: Request) -> Reply:
        identity = await self._identify(request)
        return Reply(body=msgspec.json.encode({"agent": identity.id}))

    async def _renew(self, request: Request) -> Reply:
        identity = await self._identify(request, renewing=True)
        message = decode_message(RenewRequest, await request.read(limits.MESSAGE_BYTES))
        certificate = await self._state.renew(identity, read_csr(message.csr))
        _LOG.info("renewed the certificate of agent %s", identity.id)
        return Reply(body=encode_message(RenewReply(certificate=certificate.pem)))

    async def _enrol(self, request: Request) -> Reply:
        message = decode_message(EnrolRequest, await request.read(limits.MESSAGE_BYTES))
        read_token(message.token)
        public = read_csr(message.csr)
        identity, certificate = await self._state.enrol(
            public, token_digest(message.token), hostname=message.hostname, os=message.os.name or ""
        )
        _LOG.info("enrolled agent %s tenant=%s host=%r", identity.id, identity.tenant, message.hostname)
        reply = EnrolReply(
            agent=identity.id,
            certificate=certificate.pem,
            ca=self._ca,
            settings_key=self._settings_key,
            tenant=identity.tenant,
            group=identity.group,
            keys=self._keys,
        )
        return Reply(body=encode_message(reply))

    async def _authority(self, _request: Request) -> Reply:
        """Give the CA to a host that will check it against the fingerprint in its token."""
        return Reply(body=self._ca.encode(), kind=b"application/x-pem-file")

    async def _identify(self, request: Request, *, renewing: bool = False) -> AgentIdentity:
        """Give the caller's identity; the first use of a renewed certificate ends the one before."""
        if request.problem is not None:
            raise request.problem
        peer = request.peer
        try:
            identity = self._directory.identify(peer, now=self._clock(), renewing=renewing)
        except IdentityError as error:
            if not self._state.may_be_news(error):
                raise
            await self._state.refresh()
            identity = self._directory.identify(peer, now=self._clock(), renewing=renewing)
        if peer is not None and peer.serial == identity.next_serial:
            await self._state.promote(identity, peer.ends)
        return identity


def _record(header: BatchHeader, frame: bytes, received: Micros) -> Record:
    return Record(
        agent=header.agent,
        epoch=header.epoch,
        first=header.first,
        last=header.last,
        count=header.count,
        received=received,
        body=frame,
    )


def _refused(outcome: Outcome, header: BatchHeader) -> Refused:
    if outcome is Outcome.OVERLAP:
        return Refused("batch_overlap", f"a part of {header.first}..{header.last} is here already")
    if outcome is Outcome.SCATTERED:
        return Refused("batch_scattered")
    return Refused("spool_full", retry_after=RETRY_SECONDS)


def _oversized(limit: int, *, close: bool) -> Refused:
    return Refused("request_oversized", f"the body may have {limit} bytes", close=close)


def _content_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    value = next((value for name, value in headers if name == b"content-length"), None)
    return int(value) if value is not None and value.isdigit() else None


async def _send_refusal(send: Send, refused: Refused) -> None:
    headers = [(b"content-type", b"application/problem+json")]
    if refused.retry_after:
        headers.append((b"retry-after", str(refused.retry_after).encode()))
    if refused.close:
        headers.append((b"connection", b"close"))
    await _send(send, refused.status, refused.body(), headers)


async def _send(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
