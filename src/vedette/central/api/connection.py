"""The connection under a request: a head and a body must come within their time and size (slow-loris).

uvicorn bounds idle connections only, so its HTTP protocol is extended by the calls that its own parser makes.
"""

import asyncio
import logging
from collections import Counter
from typing import Any, ClassVar

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

HEAD_SECONDS = 10.0
"""From the connection, or from the first byte of a further request, to the end of the head."""
BODY_SECONDS = 60.0
"""From the end of the head to the end of the body."""
HEAD_BYTES = 32 * 1024
ADDRESS_CONNECTIONS = 100
"""Connections from one address at the same time."""

_LOG = logging.getLogger(__name__)


class BoundedProtocol(HttpToolsProtocol):
    """One connection of a caller; what takes too long or too much is closed without an answer."""

    per_address: ClassVar[Counter[str]] = Counter()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._deadline: asyncio.TimerHandle | None = None
        self._in_head = False
        self._head_bytes = 0
        self._address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        """TLS is up: the first head has its time."""
        super().connection_made(transport)
        self._address = str((transport.get_extra_info("peername") or ("",))[0])
        self.per_address[self._address] += 1
        self._within(HEAD_SECONDS)
        if self.per_address[self._address] > ADDRESS_CONNECTIONS:
            self._end("too many connections")

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        super().connection_lost(exc)
        self._within(None)
        self.per_address[self._address] -= 1
        if self.per_address[self._address] <= 0:
            del self.per_address[self._address]

    def data_received(self, data: bytes) -> None:
        """Parse what came, and count the bytes of a head that is not yet complete."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._end("head too large")

    def on_message_begin(self) -> None:
        """Give the head of a request its time."""
        super().on_message_begin()
        self._in_head, self._head_bytes = True, 0
        self._within(HEAD_SECONDS)

    def on_headers_complete(self) -> None:
        """Give the body its time."""
        self._in_head = False
        self._within(BODY_SECONDS)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """The request is here; how long the answer takes is the application's, and idle time is uvicorn's."""
        self._within(None)
        super().on_message_complete()

    def _within(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._end, "too slow")

    def _end(self, reason: str) -> None:
        _LOG.warning("connection closed reason=%r address=%s", reason, self._address)
        self.transport.abort()
