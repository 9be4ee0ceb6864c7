"""kill -9 and full disks: nothing acknowledged is lost, nothing is kept twice, and the disk says 503 first."""

import contextlib
import http.client
import random
import signal
import subprocess
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from vedette.central.settings import CentralSettings


def numbers(node: Any) -> list[int]:
    return [int(path.stem) for path in sorted(node.layout.spool.glob("*.seg"))]


def test_a_receipt_holds_after_a_restart(own_node: Any, tmp_path: Path) -> None:
    agent = own_node.enrol(tmp_path / "agent")
    assert agent.send(1, 10).json()["ranges"] == [[1, 10]]
    assert own_node.stop(signal.SIGKILL) == -signal.SIGKILL
    own_node.start()
    assert agent.send(1, 10).json()["ranges"] == [[1, 10]]
    assert own_node.stop() == 0
    assert [(record.first, record.last) for record in own_node.records()] == [(1, 10)]


def test_the_ledger_is_made_good_after_a_crash(own_node: Any, tmp_path: Path, wait_for: Any) -> None:
    from sqlalchemy import text

    agent = own_node.enrol(tmp_path / "agent")
    agent.send(1, 10)
    own_node.stop(signal.SIGKILL)
    own_node.start()

    def received() -> int:
        with own_node.state.read() as db:
            found: int = db.execute(text("SELECT COALESCE(sum(received), 0) FROM stream")).scalar_one()
        return found

    wait_for(received, (10).__eq__)


def test_a_stop_gives_open_requests_their_answers(own_node: Any, tmp_path: Path) -> None:
    agent = own_node.enrol(tmp_path / "agent")
    connection = own_node.connect(agent.certificate)
    own_node.send(connection, "POST", "/agent/v1/batch", agent.batch(1, 10))
    assert own_node.stop() == 0
    assert [(record.first, record.last) for record in own_node.records()] == [(1, 10)]
    assert list(own_node.layout.spool.glob("*.open")) == []
    connection.close()


class Sender(threading.Thread):
    """An agent in miniature: gap-free numbers, the same batch until its receipt."""

    def __init__(self, agent: Any, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.agent, self.stop = agent, stop
        self.acknowledged = 0
        self.retries = 0

    def run(self) -> None:
        connection = self.agent.node.connect(self.agent.certificate)
        while not self.stop.is_set():
            first, last = self.acknowledged + 1, self.acknowledged + 10
            try:
                answer = self.agent.node.send(
                    connection, "POST", "/agent/v1/batch", self.agent.batch(first, last, size=first % 3000)
                )
            except (OSError, http.client.HTTPException):
                connection.close()
                connection = self.agent.node.connect(self.agent.certificate)
                self.retries += 1
                self.stop.wait(0.05)
                continue
            if answer.status == 503:  # a full spool, as nothing stores what it holds
                self.stop.wait(0.05)
                continue
            assert answer.status == 200, answer.body
            self.acknowledged = last
        connection.close()


def test_kill_9_of_ingest_while_agents_send(own_node: Any, tmp_path: Path) -> None:
    agents = [own_node.enrol(tmp_path / f"agent-{number}") for number in range(3)]
    stop = threading.Event()
    senders = [Sender(agent, stop) for agent in agents]
    for sender in senders:
        sender.start()
    dice = random.Random(7)
    used: list[int] = []
    taken: Counter[tuple[str, int]] = Counter()

    def take() -> None:
        """As the pipeline does: read a sealed segment, then remove it."""
        from vedette.store.segment import read_segment

        for path in sorted(own_node.layout.spool.glob("*.seg")):
            used.append(int(path.stem))
            taken.update(
                (record.agent, number)
                for record in read_segment(path)
                for number in range(record.first, record.last + 1)
            )
            path.unlink()

    for _ in range(3):
        stop.wait(0.3 + dice.random())
        own_node.stop(signal.SIGKILL)
        take()
        own_node.start()
    stop.wait(0.5)
    stop.set()
    for sender in senders:
        sender.join(30)
    assert own_node.stop() == 0
    take()
    assert sum(sender.retries for sender in senders) > 0
    assert used == sorted(set(used))
    assert set(taken.values()) == {1}
    for sender in senders:
        kept = {number for agent, number in taken if agent == sender.agent.id}
        assert set(range(1, sender.acknowledged + 1)) <= kept
        assert sender.acknowledged > 100


def test_connections_beyond_the_limit_are_told_so_and_others_go_on(tmp_path: Path, running_node: Any) -> None:
    with running_node(tmp_path / "data", CentralSettings(spool_headroom=0, connections=3)) as node:
        held = [node.connect() for _ in range(3)]
        for connection in held:
            assert node.send(connection, "GET", "/agent/v1/ca").status == 200
        with contextlib.suppress(OSError, http.client.HTTPException):  # the answer may be cut off by the close
            assert node.ask("GET", "/agent/v1/ca").reason == "connection_limit"
        node.counted("connection_limit")
        assert node.send(held[0], "GET", "/agent/v1/ca").status == 200
        held.pop().close()
        assert node.ask("GET", "/agent/v1/ca").status == 200
        for connection in held:
            connection.close()


@pytest.mark.root
def test_a_full_disk_answers_503_before_any_receipt_and_recovers(node_on_small_disk: Any, tmp_path: Path) -> None:
    node = node_on_small_disk
    agent = node.enrol(tmp_path / "agent")
    acknowledged: list[int] = []
    refused = None
    for number in range(1, 60):
        answer = agent.send(number, number, size=1_000_000)
        if answer.status == 200:
            acknowledged.append(number)
        else:
            refused = answer
            break
    assert refused is not None
    assert (refused.status, refused.reason) == (503, "spool_full")
    assert int(refused.headers["retry-after"]) > 0
    assert agent.send(1, 1, size=1_000_000).json()["ranges"] == [[1, 1]]  # what is durable stays acknowledged

    node.stop(signal.SIGKILL)
    node.start()  # on a disk that is still full
    assert agent.send(refused_number(acknowledged), refused_number(acknowledged), size=1_000_000).status == 503
    kept = [record.first for record in node.records()]
    for path in node.layout.spool.glob("*.seg"):
        path.unlink()
    assert agent.send(refused_number(acknowledged), refused_number(acknowledged), size=1_000_000).status == 200
    assert node.stop() == 0
    kept += [record.first for record in node.records()]
    assert kept == [*acknowledged, refused_number(acknowledged)]


def refused_number(acknowledged: list[int]) -> int:
    return len(acknowledged) + 1


@pytest.fixture
def node_on_small_disk(tmp_path: Path, running_node: Any) -> Any:
    """Run an ingest whose spool is on a file system of 48 MiB."""
    folder = tmp_path / "data"
    (folder / "spool").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(folder / "spool")], check=True)
    (folder / "spool").chmod(0o700)
    with running_node(folder, CentralSettings(spool_headroom=0)) as node:
        yield node
    subprocess.run(["umount", "-l", str(folder / "spool")], check=True)
