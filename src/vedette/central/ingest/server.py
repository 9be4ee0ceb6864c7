"""Listening for agents: TLS 1.3 with the deployment's CA, connections swept, an orderly end."""

import asyncio
import logging
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import uvicorn
from uvicorn.server import ServerState

from vedette.central.ingest.protocol import IDLE_SECONDS, AgentProtocol, Door, bound_to, counted_handshakes, sweep
from vedette.central.ingest.routes import AgentRoutes

HANDSHAKE_SECONDS = 10.0
CLOSE_SECONDS = 2.0
BACKLOG = 2048

_NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME: an expired certificate gets through the handshake, so that it can renew."""

_LOG = logging.getLogger(__name__)


def server_context(certificate: Path, ca: Path, refuse: Callable[[str, str], None]) -> ssl.SSLContext:
    """Make the TLS context: 1.3 only; a client certificate must be of `ca`, having none is up to the route."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_cert_chain(certificate)
    context.load_verify_locations(ca)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.verify_flags |= _NO_CHECK_TIME
    context.num_tickets = 0  # each connection shows its certificate anew
    context.sslobject_class = counted_handshakes(refuse)
    return context


def bind(host: str, port: int) -> socket.socket:
    """Bind the listening socket. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.setblocking(False)  # noqa: FBT003 - the standard library's signature
    except BaseException:
        listener.close()
        raise
    return listener


class Listener:
    """The agents' port. `start`, then `sweep` in a task, then `stop`."""

    def __init__(self, routes: AgentRoutes, context: ssl.SSLContext, door: Door) -> None:
        self._context = context
        self._config = uvicorn.Config(
            routes,
            lifespan="off",
            ws="none",
            interface="asgi3",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            access_log=False,
            log_config=None,
            timeout_keep_alive=IDLE_SECONDS,
        )
        self._config.load()
        self._state = ServerState()
        self._protocol = bound_to(door)
        self._server: asyncio.Server | None = None

    async def start(self, listener: socket.socket) -> None:
        """Accept connections on `listener`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connect,
            sock=listener,
            ssl=self._context,
            backlog=BACKLOG,
            ssl_handshake_timeout=HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=CLOSE_SECONDS,
        )

    async def sweep(self) -> None:
        """End connections whose time is up, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(1)
            sweep(self._state.connections, loop.time())

    async def stop(self) -> None:
        """Accept no more, let requests that run get their answers, then close."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=CLOSE_SECONDS)
        for connection in list(self._state.connections):
            connection.transport.abort()

    def _connect(self) -> AgentProtocol:
        return self._protocol(config=self._config, server_state=self._state, app_state={})
