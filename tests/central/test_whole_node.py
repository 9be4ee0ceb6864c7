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
def central(tmp_path: Path, wait_for: Any) -> Iterator[Any]:
    """Give a function that starts the node in one directory and waits until all is ready."""
    with contextlib.ExitStack() as stack:

        def start() -> Central:
            before = (tmp_path / "node.log").read_text() if (tmp_path / "node.log").exists() else ""
            node = Central(tmp_path / "node")
            stack.callback(node.process.wait, 20)
            stack.callback(node.process.terminate)
            wait_for(lambda: node.told()[len(before) :], lambda told: "Console and API" in told, seconds=90)
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
