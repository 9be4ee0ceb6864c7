"""What the tests of the agent's core share: a clock that stands, events, a Central Node that is a list."""

import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from vedette.agent.core.buffer import Buffer
from vedette.agent.core.passing import Boot
from vedette.central.pki import ensure_authority, ensure_server_certificate
from vedette.runtime.clock import DAY, now
from vedette.schema.entities import Process
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStop


class StandingClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 20_000 * DAY
        self.booted, self.boots = self.now - DAY, 1

    def __call__(self) -> int:
        return self.now

    def move(self, micros: int) -> None:
        self.now += micros

    def jump(self, micros: int) -> None:
        """Set the clock, while no time passes."""
        self.now += micros
        self.booted += micros

    def reboot(self, off: int = 0) -> None:
        """Be off for so long."""
        self.now += off
        self.booted, self.boots = self.now, self.boots + 1

    def boot(self) -> Boot:
        return Boot(f"boot {self.boots}", self.now - self.booted)


@pytest.fixture
def clock() -> StandingClock:
    return StandingClock()


@pytest.fixture
def events() -> Callable[[int], list[Event]]:
    """Give `events(count)`: as many events of one process."""
    process = Process(pid=7, command_line="x")
    return lambda count: [ProcessStop(time=1_000_000 + number, process=process) for number in range(count)]


@pytest.fixture
def open_buffer(tmp_path: Path, clock: StandingClock) -> Iterator[Callable[..., Buffer]]:
    """Give `open_buffer(**limits)`: the buffer at one path; all are let go at the end."""
    opened: list[Buffer] = []

    def make(**limits: Any) -> Buffer:
        buffer = Buffer(tmp_path / "buffer.sqlite", clock, boot=clock.boot, **limits)
        opened.append(buffer)
        return buffer

    yield make
    for buffer in opened:
        buffer._db.connection.close()


class Answer(NamedTuple):
    """What the played server says to one request."""

    status: int
    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})


class Asked(NamedTuple):
    """What it was asked."""

    method: str
    path: str
    body: bytes
    client: bytes | None
    """DER of the client's certificate."""


class TlsServer:
    """A real TLS server whose answers a test writes: `answers[path]` is taken from the front, the last one stays."""

    def __init__(self, folder: Path, *, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.authority = ensure_authority(folder / "ca-key.pem", folder / "ca.pem", now=now())
        ensure_server_certificate(folder / "server.pem", self.authority, [], now=now())
        self.answers: dict[str, list[Answer]] = {}
        self.asked: list[Asked] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = version
        context.load_cert_chain(folder / "server.pem")
        context.load_verify_locations(folder / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
        context.verify_flags |= 0x200000  # an expired certificate may come in to renew
        played = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                connection: Any = self.connection
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                played.asked.append(Asked(self.command, self.path, body, connection.getpeercert(binary_form=True)))
                left = played.answers.get(self.path) or [Answer(404, b"{}")]
                answer = left.pop(0) if len(left) > 1 else left[0]
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            do_POST = do_GET  # noqa: N815 - the standard library's name

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def get_request(self) -> tuple[Any, Any]:
                connection, address = self.socket.accept()
                connection.settimeout(10)
                return context.wrap_socket(connection, server_side=True), address

            def handle_error(self, *_: Any) -> None:
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"https://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    def answer(self, path: str, *answers: Answer) -> None:
        self.answers[path] = list(answers)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., TlsServer]]:
    """Give `start_server(name, **options)`."""
    started: list[TlsServer] = []

    def make(name: str = "central", **options: Any) -> TlsServer:
        started.append(TlsServer(tmp_path / name, **options))
        return started[-1]

    yield make
    for server in started:
        server.close()


@pytest.fixture
def answer() -> type[Answer]:
    return Answer
