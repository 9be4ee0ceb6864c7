"""Ingest under hostile connections, over real TLS: what they hold is bounded, and honest agents are served."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
SLOW, SILENT, IDLE = 96, 500, 5_000


class Honest(threading.Thread):
    """An agent that sends a batch every 50 ms on one connection and notes how long receipts take."""

    def __init__(self, node: Any, agent: Any) -> None:
        super().__init__()
        self.node, self.agent = node, agent
        self.times: list[float] = []
        self.statuses: set[int] = set()
        self._enough = threading.Event()

    def run(self) -> None:
        connection = self.node.connect(self.agent.certificate)
        number = 0
        while not self._enough.wait(0.05):
            number += 1
            began = time.monotonic()
            answer = self.node.send(connection, "POST", "/agent/v1/batch", self.agent.batch(number, number))
            self.times.append(time.monotonic() - began)
            self.statuses.add(answer.status)
        connection.close()

    def finish(self) -> float:
        """Give the 95th percentile, seconds."""
        self._enough.set()
        self.join(30)
        assert self.statuses == {200}
        return sorted(self.times)[int(len(self.times) * 0.95)]


@pytest.fixture
def honest(node: Any, enrol: Callable[[], Any]) -> Iterator[Honest]:
    agent = Honest(node, enrol())
    agent.start()
    yield agent
    agent._enough.set()
    agent.join(30)


@pytest.fixture(autouse=True)
def many_files() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def memory(node: Any) -> int:
    """Bytes that ingest has in memory."""
    fields = Path(f"/proc/{node.process.pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


def cpu(node: Any) -> float:
    """Seconds that ingest has worked."""
    fields = Path(f"/proc/{node.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tls(node: Any, context: ssl.SSLContext) -> ssl.SSLSocket:
    plain = socket.create_connection(("127.0.0.1", node.port), timeout=30)
    return context.wrap_socket(plain, server_hostname="localhost")


def ended(connection: socket.socket) -> bool:
    """Whether the other side has closed it (what it said before does not count)."""
    connection.settimeout(0.001)
    try:
        while connection.recv(65_536):
            pass
    except (TimeoutError, ssl.SSLWantReadError):
        return False
    except OSError:
        pass
    return True


def test_heads_and_bodies_a_byte_at_a_time(node: Any, enrol: Callable[[], Any], honest: Honest) -> None:
    agents = [enrol() for _ in range(SLOW // 12)]
    heads: list[ssl.SSLSocket] = []
    bodies: list[ssl.SSLSocket] = []
    for agent in agents:
        context = node.context(agent.certificate)
        for number in range(12):
            connection = tls(node, context)
            (heads if number % 2 else bodies).append(connection)
    for connection in bodies:
        connection.sendall(b"POST /agent/v1/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n")
    before = memory(node)
    began = time.monotonic()
    head = iter(b"GET /agent/v1/ping HTTP/1.1\r\nx: " + b"y" * 100_000)
    while time.monotonic() - began < 13:
        byte = bytes([next(head)])
        for connection in [*heads, *bodies]:
            with contextlib.suppress(OSError):
                connection.send(byte)
        time.sleep(0.1)
    assert all(ended(connection) for connection in heads), "a head has 10 s, however steadily it comes"
    assert not any(ended(connection) for connection in bodies), "a body has 60 s"
    assert memory(node) - before < 16 << 20
    for connection in [*heads, *bodies]:
        connection.close()
    node.counted("request_slow", agents[0].id, at_least=6)
    assert honest.finish() < 1.0


def test_connections_that_never_begin_tls(node: Any, honest: Honest) -> None:
    before = memory(node)
    silent = [socket.create_connection(("127.0.0.1", node.port), timeout=30) for _ in range(SILENT)]
    for connection in silent[::2]:
        connection.sendall(b"\x16\x03\x01")  # the beginning of a handshake
    time.sleep(12)
    assert all(ended(connection) for connection in silent)
    for connection in silent:
        connection.close()
    assert memory(node) - before < 64 << 20
    assert honest.finish() < 1.0


def test_five_thousand_idle_connections(node: Any, honest: Honest) -> None:
    context = node.context()
    before = memory(node)
    held = []
    for _ in range(IDLE):
        connection = tls(node, context)
        connection.sendall(b"GET /agent/v1/ca HTTP/1.1\r\nhost: x\r\n\r\n")
        held.append(connection)
    for connection in held:
        assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
    each = (memory(node) - before) / IDLE
    worked, began = cpu(node), time.monotonic()
    served = len(honest.times)
    time.sleep(5)
    share = (cpu(node) - worked) / (time.monotonic() - began)
    print(f"{each / 1024:.0f} KiB a connection, {100 * share:.0f} % of a core with {IDLE} idle")
    assert not ended(held[0])
    assert len(honest.times) > served + 20
    for connection in held:
        connection.close()
    assert each < 64 << 10
    assert share < 0.5
    assert honest.finish() < 1.0


def test_large_bodies_from_many_agents_are_held_within_the_budget(
    node: Any, enrol: Callable[[], Any], honest: Honest
) -> None:
    """96 bodies of 4 MiB that stop before their last byte: 384 MiB announced, 256 MiB allowed."""
    agents = [enrol() for _ in range(SLOW // 12)]
    before = memory(node)
    held = []
    for agent in agents:
        context = node.context(agent.certificate)
        for _ in range(12):
            connection = tls(node, context)
            connection.sendall(b"POST /agent/v1/batch HTTP/1.1\r\nhost: x\r\ncontent-length: 4000000\r\n\r\n")
            with contextlib.suppress(OSError):
                connection.sendall(b"z" * 3_999_999)
            held.append(connection)
    assert memory(node) - before < 700 << 20
    for connection in held:
        connection.close()
    node.counted("overloaded", agents[-1].id)
    assert honest.finish() < 2.0
