"""`vedette central` as an operator runs it: starts, survives kill -9 of any part and of itself, stops."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.runtime.clock import now

pytestmark = pytest.mark.slow

PARTS = ("store", "ingest", "pipeline-0", "api")


class Central:
    """A Central Node in its own process group of processes."""

    def __init__(self, data: Path) -> None:
        self.data, self.output = data, data.with_suffix(".log")
        with self.output.open("ab") as output:
            listen = ("--listen-api", "127.0.0.1:0", "--listen-ingest", "127.0.0.1:0")
            self.process = subprocess.Popen(
                [sys.executable, "-m", "vedette", "central", "--data", str(data), *listen],
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def told(self) -> str:
        return self.output.read_text()

    def pid(self, part: str) -> int:
        return int((self.data / "run" / f"{part}.pid").read_bytes())

    def is_ready(self, part: str) -> bool:
        return (self.data / "run" / f"{part}.ready").exists() and alive(self.pid(part))

    def ports(self) -> dict[str, int]:
        found: dict[str, int] = json.loads((self.data / "run" / "ports.json").read_bytes())
        return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 1 GiB (needs root)."""
    folder = tmp_path / "node"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1g", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def central(tmp_path: Path, wait_for: Any) -> Iterator[Any]:
    """Give a function that starts the node in one directory and waits until all is ready."""
    with contextlib.ExitStack() as stack:

        def start() -> Central:
            """Start it; what is started is stopped at the end."""
            before = (tmp_path / "node.log").read_text() if (tmp_path / "node.log").exists() else ""
            node = Central(tmp_path / "node")
            stack.callback(node.process.wait, 20)
            stack.callback(node.process.terminate)
            wait_for(lambda: node.told()[len(before) :], lambda told: "  API  " in told, seconds=90)
            return node

        yield start


def test_it_starts_survives_and_stops(central: Any, wait_for: Any) -> None:
    node = central()
    assert "one-time password" in node.told()
    assert set(node.ports()) == {"store", "ingest", "api"}
    ports, pids = node.ports(), {part: node.pid(part) for part in PARTS}

    for part in PARTS:
        os.kill(pids[part], signal.SIGKILL)
    for part in PARTS:
        wait_for(lambda part=part: node.pid(part) != pids[part] and node.is_ready(part), bool, seconds=60)
    assert node.ports() == ports

    pids = {part: node.pid(part) for part in PARTS}
    node.process.kill()
    node.process.wait(5)
    wait_for(lambda: [alive(pid) for pid in pids.values()], lambda living: not any(living), seconds=5)

    told = len(node.told())
    node = central()
    assert "one-time password" not in node.told()[told:]
    began = time.monotonic()
    node.process.terminate()
    assert node.process.wait(15) == 0
    assert time.monotonic() - began < 10
    assert not any(alive(node.pid(part)) for part in PARTS)


def fill(disk: Path, *, leave: int) -> Path:
    """Take disk space until no more than `leave` bytes are left, while others take and give some too."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while (free := os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize) > leave:
            file.write(bytes(min(1 << 20, free - leave)))
    return filler


@pytest.mark.root
def test_a_full_disk_loses_nothing_and_is_over_when_there_is_room(
    disk: Path, central: Any, sender: Any, wait_for: Any
) -> None:
    central()
    agent = sender(disk)
    assert agent.send(100) == 200
    wait_for(agent.stored, (100).__eq__, seconds=30)

    filler = fill(disk, leave=200 << 20)  # the store may still work, ingest promises nothing more
    assert agent.send(100) == 503
    filler.unlink()
    wait_for(lambda: agent.send(100), (200).__eq__, seconds=30)
    wait_for(agent.stored, (200).__eq__, seconds=30)

    assert agent.send(100) == 200
    filler = fill(disk, leave=0)
    wait_for(lambda: agent.send(100), (503).__eq__, seconds=30)
    wait_for(lambda: agent.send(100), (503).__eq__, seconds=5)
    filler.unlink()
    wait_for(lambda: agent.send(100), (200).__eq__, seconds=60)
    wait_for(agent.stored, agent.acknowledged.__eq__, seconds=90)


class Sender:
    """An agent that sends process starts, numbered without gaps; a refused batch is sent again."""

    def __init__(self, agent: Any, data: Path) -> None:
        self.agent, self.data, self.acknowledged = agent, data, 0

    def send(self, count: int) -> int:
        from vedette.schema.entities import Process
        from vedette.schema.events.process import ProcessStart
        from vedette.wire.batch import BatchHeader, Builder, frame

        builder = Builder()
        first = self.acknowledged + 1
        for number in range(first, first + count):
            builder.add(ProcessStart(time=now(), process=Process(pid=number, command_line=f"test {number}")))
        header = BatchHeader(
            agent=self.agent.id, epoch="1" * 16, first=first, last=first + count - 1, count=count, sent=now()
        )
        answer = self.agent.ask("POST", "/agent/v1/batch", frame(header, builder.encode(first)))
        if answer.status == 200:
            self.acknowledged += count
        return int(answer.status)

    def stored(self) -> int:
        """Ask the store; different sequence numbers, if each is there once."""
        from vedette.runtime.errors import StoreError
        from vedette.store.events import EventStore

        run = self.data / "run"
        port = json.loads((run / "ports.json").read_bytes())["store"]
        store = EventStore(f"http://127.0.0.1:{port}", (run / "store-password").read_text())
        try:
            ((rows, different),) = store.query("SELECT count(), uniqExact(`event.sequence`) FROM event")
        except StoreError:
            return -1
        assert rows == different
        return int(rows)


@pytest.fixture
def sender(node_at: Any, tmp_path: Path) -> Any:
    """Enrol an agent at a node that runs in a directory."""
    return lambda data: Sender(node_at(data).enrol(tmp_path / "agent"), data)
