"""The connection under a request: hands over the client certificate and keeps every bound.

uvicorn gives an application neither the certificate nor limits on heads, so its HTTP protocol is extended
here, by the calls that its own parser makes.
"""

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from vedette.central.ingest.peer import Peer, read_peer
from vedette.central.ingest.refusal import Refused
from vedette.central.ingest.routes import BODY_SECONDS
from vedette.runtime.errors import IdentityError

HEAD_BYTES = 32 * 1024
"""The most that the head of a request may have."""
HEAD_SECONDS = 10.0
"""From the connection, or from the first byte of a further request, to the end of the head."""
IDLE_SECONDS = 150
"""A connection without a request is closed; agents show a sign of life every 60 s."""
PIPELINED = 8
"""Requests sent ahead of their answers on one connection."""
AGENT_CONNECTIONS = 16
"""Connections of one agent at the same time."""


class Door(msgspec.Struct):
    """What all connections share: how many there may be, and who counts refusals."""

    connections: int
    refuse: Callable[[str, str], None]
    """Counts (reason, agent or "")."""
    agents: Counter[str] = msgspec.field(default_factory=Counter)


class AgentProtocol(HttpToolsProtocol):
    """One connection of an agent."""

    door: Door
    """Set by `bound_to`: uvicorn makes the protocol from its class alone."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.agent = ""
        self.deadline: float | None = None
        """Loop time at which `sweep` ends the connection."""
        self._in_head = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """TLS is up: read the certificate, once."""
        super().connection_made(transport)
        self.deadline = self.loop.time() + HEAD_SECONDS
        connection = transport.get_extra_info("ssl_object")
        der = None if connection is None else connection.getpeercert(binary_form=True)
        peer: Peer | None = None
        problem: IdentityError | None = None
        if der is not None:
            try:
                peer = read_peer(der)
            except IdentityError as error:
                problem = error
        self.app_state = {**self.app_state, "peer": peer, "problem": problem}
        if peer is not None:
            self.agent = peer.agent
            self.door.agents[self.agent] += 1
        too_many = len(self.connections) > self.door.connections
        if too_many or (self.agent and self.door.agents[self.agent] > AGENT_CONNECTIONS):
            self._end(Refused("connection_limit", retry_after=30))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self.deadline = None
        if self.agent:
            self.door.agents[self.agent] -= 1
            if self.door.agents[self.agent] <= 0:
                del self.door.agents[self.agent]

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count the bytes of a head not yet complete."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._end(Refused("request_oversized", f"the head may have {HEAD_BYTES} bytes"))

    def on_message_begin(self) -> None:
        """Give the head of a request its time."""
        super().on_message_begin()
        self.scope["state"]["connections"] = len(self.connections)
        self._in_head, self._head_bytes = True, 0
        self.deadline = self.loop.time() + HEAD_SECONDS
        if len(self.pipeline) > PIPELINED:
            self._end(Refused("request_broken", "too many requests ahead of their answers"))

    def on_headers_complete(self) -> None:
        """Give the body its time; a little more than the application does, which answers in words."""
        self._in_head = False
        self.deadline = self.loop.time() + BODY_SECONDS + HEAD_SECONDS
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Rest until the next request: idle time is uvicorn's."""
        self.deadline = None
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP."""
        self._end(Refused("request_broken", msg))

    def expire(self) -> None:
        """End a connection that took too long; called by `sweep`."""
        self.door.refuse("request_slow", self.agent)
        self.deadline = None
        self.transport.abort()

    def _end(self, refused: Refused) -> None:
        """Answer, where the peer can still read it, and close."""
        self.door.refuse(refused.reason, self.agent)
        if self.transport.is_closing():
            return
        body = refused.body()
        head = (
            f"HTTP/1.1 {refused.status} Refused\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n"
        )
        if refused.retry_after:
            head += f"retry-after: {refused.retry_after}\r\n"
        self.transport.write(head.encode() + b"\r\n" + body)
        self.transport.close()


def bound_to(door: Door) -> type[AgentProtocol]:
    """Give the protocol class for one server."""
    return type("AgentProtocol", (AgentProtocol,), {"door": door})


def sweep(connections: set[Any], now: float) -> None:
    """End every connection whose deadline (loop time) has passed."""
    for connection in [one for one in connections if one.deadline is not None and one.deadline <= now]:
        connection.expire()


def counted_handshakes(refuse: Callable[[str, str], None]) -> type[ssl.SSLObject]:
    """Give a TLS object that counts handshakes which fail: no connection, so no route, ever sees them."""

    class CountedHandshake(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLCertVerificationError:
                refuse("certificate_foreign", "")
                raise
            except ssl.SSLError:
                refuse("handshake_failed", "")
                raise

    return CountedHandshake
