"""A Central Node's directory, ingest as its own process, and agents that speak to it over real TLS."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from vedette.central.layout import Layout
from vedette.central.provision import provision
from vedette.central.settings import CentralSettings
from vedette.runtime.clock import now
from vedette.store.segment import Record, read_segment
from vedette.store.state import State, open_state, tokens
from vedette.wire.csr import make_csr, make_key
from vedette.wire.frame import frame
from vedette.wire.header import BatchHeader
from vedette.wire.tls import fingerprint

EPOCH = "1" * 16


class Answer(msgspec.Struct, frozen=True):
    """What came back."""

    status: int
    body: bytes
    headers: dict[str, str]

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        """The counted word of a refusal."""
        assert self.headers["content-type"] == "application/problem+json"
        problem = self.json()
        assert problem["status"] == self.status
        assert problem["title"]
        return str(problem["type"]).removeprefix("urn:vedette:problem:")


class Node:
    """A provisioned data directory, and its ingest while it runs."""

    def __init__(self, folder: Path, settings: CentralSettings | None = None) -> None:
        self.layout = Layout(folder)
        self.settings = settings or CentralSettings(spool_headroom=0)
        provision(self.layout, self.settings, now=now())
        self.state: State = open_state(self.layout.state_url)
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    def token(self, **wanted: Any) -> str:
        with self.state.write() as db:
            secret = tokens.create_enrolment(db, tokens.NewEnrolment(**wanted), now=now())
        return f"{secret}.{fingerprint(self.layout.ca_certificate.read_text())[:32]}"

    def start(self) -> None:
        ready = self.layout.ready("ingest")
        ready.unlink(missing_ok=True)
        settings = {f"VEDETTE_CENTRAL_{name.upper()}": str(value) for name, value in self._numbers().items()}
        command = [sys.executable, "-m", "vedette.central.ingest", "--data", str(self.layout.data)]
        self.process = subprocess.Popen(
            [*command, "--listen", f"127.0.0.1:{self.port}"], env={**os.environ, **settings}
        )
        deadline = time.monotonic() + 30
        while not ready.exists():
            assert self.process.poll() is None, "ingest ended at its start"
            assert time.monotonic() < deadline, "ingest did not get ready"
            time.sleep(0.02)
        self.port = int(ready.read_bytes())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(20)
        self.process = None
        return code

    def close(self) -> None:
        self.stop(signal.SIGKILL)
        self.state.close()

    def enrol(self, folder: Path, token: str | None = None) -> "Agent":
        return Agent(self, folder, token or self.token())

    def enrol_body(self, token: str, csr: str) -> bytes:
        return enrol_body(token, csr)

    def send(
        self, connection: http.client.HTTPSConnection, method: str, path: str, body: bytes | None = None
    ) -> Answer:
        return send(connection, method, path, body)

    def context(self, client: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=str(self.layout.ca_certificate))
        if client is not None:
            context.load_cert_chain(client)
        return context

    def connect(self, client: Path | None = None) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=30, context=self.context(client))

    def ask(self, method: str, path: str, body: bytes | None = None, *, client: Path | None = None) -> Answer:
        connection = self.connect(client)
        try:
            return send(connection, method, path, body)
        finally:
            connection.close()

    def records(self) -> list[Record]:
        """Everything in sealed segments."""
        return [record for path in sorted(self.layout.spool.glob("*.seg")) for record in read_segment(path)]

    def refusals(self) -> dict[tuple[str, str], int]:
        from sqlalchemy import text

        with self.state.read() as db:
            return {
                (row.reason, row.agent): row.times
                for row in db.execute(text("SELECT reason, agent, count AS times FROM refusal"))
            }

    def counted(self, reason: str, agent: str = "", *, at_least: int = 1) -> int:
        """Wait until a refusal stands in the state."""
        found: int = wait_until(lambda: self.refusals().get((reason, agent), 0), lambda count: count >= at_least)
        return found

    def _numbers(self) -> dict[str, int]:
        return {"spool_headroom": self.settings.spool_headroom, "connections": self.settings.connections}


class Agent:
    """An enrolled agent: its identity and a certificate on disk."""

    def __init__(self, node: Node, folder: Path, token: str) -> None:
        self.node, self.folder = node, folder
        folder.mkdir(parents=True, exist_ok=True)
        key = make_key()
        answer = node.ask("POST", "/agent/v1/enrol", enrol_body(token, make_csr(key)))
        assert answer.status == 200, answer.body
        self.reply = answer.json()
        self.id: str = self.reply["agent"]
        self.certificate = self.write("1.pem", key, self.reply["certificate"])

    def write(self, name: str, key: bytes, certificate: str) -> Path:
        path = self.folder / name
        path.write_bytes(key + certificate.encode())
        return path

    def ask(self, method: str, path: str, body: bytes | None = None) -> Answer:
        return self.node.ask(method, path, body, client=self.certificate)

    def batch(self, first: int, last: int, **changes: Any) -> bytes:
        return batch(self.id, first, last, **changes)

    def send(self, first: int, last: int, **changes: Any) -> Answer:
        return self.ask("POST", "/agent/v1/batch", self.batch(first, last, **changes))


def batch(agent: str, first: int, last: int, *, size: int = 100, **changes: Any) -> bytes:
    header = BatchHeader(
        agent=agent, epoch=EPOCH, first=first, last=last, count=last - first + 1, sent=now(), version="0.1"
    )
    return frame(msgspec.structs.replace(header, **changes), b"z" * size)


def enrol_body(token: str, csr: str, hostname: str = "ws1") -> bytes:
    return json.dumps({"token": token, "csr": csr, "hostname": hostname, "os": {"name": "Debian"}}).encode()


def send(connection: http.client.HTTPSConnection, method: str, path: str, body: bytes | None = None) -> Answer:
    connection.request(method, path, body=body)
    response = connection.getresponse()
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, response.read(), headers)


def wait_until(look: Callable[[], Any], good: Callable[[Any], bool], seconds: float = 15) -> Any:
    """Look until what is seen is good; gives it."""
    deadline = time.monotonic() + seconds
    while not good(seen := look()):
        assert time.monotonic() < deadline, f"still {seen!r}"
        time.sleep(0.05)
    return seen


@contextmanager
def running(folder: Path, settings: CentralSettings | None = None) -> Iterator[Node]:
    node = Node(folder, settings)
    try:
        node.start()
        yield node
    finally:
        node.close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Run ingest once for all tests of a module that do not stop it."""
    with running(tmp_path_factory.mktemp("node") / "data") as node:
        yield node


@pytest.fixture
def own_node(tmp_path: Path) -> Iterator[Node]:
    """Run an ingest that the test may stop and kill."""
    with running(tmp_path / "data") as node:
        yield node


@pytest.fixture
def enrol(node: Node, tmp_path: Path) -> Callable[[], Agent]:
    """Enrol further agents at `node`."""
    count = iter(range(1000))
    return lambda: Agent(node, tmp_path / f"agent-{next(count)}", node.token())


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    """Give `wait_for(look, good)`: looks until what is seen is good, and gives it."""
    return wait_until


@pytest.fixture
def running_node() -> Callable[..., Any]:
    """Give `running_node(folder, settings)`: a context manager of a node whose ingest runs."""
    return running


@pytest.fixture
def prepared_node(tmp_path: Path) -> Iterator[Node]:
    """Give a provisioned directory without a running ingest."""
    node = Node(tmp_path / "data")
    yield node
    node.close()


@pytest.fixture
def node_at() -> Iterator[Callable[[Path], Node]]:
    """Give `node_at(folder)`: a view of a Central Node that runs there already."""
    seen: list[Node] = []

    def look(folder: Path) -> Node:
        node = Node(folder)
        node.port = int(node.layout.ready("ingest").read_bytes())
        seen.append(node)
        return node

    yield look
    for node in seen:
        node.state.close()
