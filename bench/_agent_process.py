"""Starts the bare agent and the C workload for the agent's benchmarks."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

HERE = Path(__file__).parent


class Number(NamedTuple):
    """A number that is published."""

    name: str
    value: float
    unit: str
    target: float


def show(number: Number, how: str, *, peer: str) -> None:
    """Print one line of `make bench`; `peer` is "name: value"."""
    name, _, value = peer.rpartition(": ")
    line = number._asdict() | {"value": round(number.value, 2)}
    print(json.dumps(line | {"peer": name, "peer_value": float(value) if value else None, "how": how}), flush=True)


class BareAgent:
    """The agent of `_agent_runner.py` in a process of its own; `folder` is where the workload's files are."""

    def __init__(self, folder: str) -> None:
        self._folder = folder

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "_agent_runner.py"), self._folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.settled()
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe(self._process.stdin).close()
        self._process.wait(20)

    def ask(self) -> dict[str, Any]:
        """Counters of the agent now."""
        pipe = self._pipe(self._process.stdin)
        pipe.write("{}\n")
        pipe.flush()
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError("the agent ended")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def settled(self, patience: float = 120) -> dict[str, Any]:
        """Counters once all that happened is encoded: the queue is empty and no event waits."""
        deadline = time.monotonic() + patience
        time.sleep(0.3)
        while time.monotonic() < deadline:
            answer = self.ask()
            status = answer["status"]
            if not answer["waiting"] and not status["backlog_bytes"] and not status["waiting_for_digests"]:
                return answer
            time.sleep(0.2)
        raise RuntimeError("the agent does not keep up")

    @staticmethod
    def _pipe(pipe: IO[str] | None) -> IO[str]:
        if pipe is None:
            raise RuntimeError("no pipe")
        return pipe


def build_workload(folder: Path) -> Path:
    """Compile agent_storm.c into `folder`."""
    program = folder / "agent_storm"
    subprocess.run(["clang", "-O2", "-o", str(program), str(HERE / "agent_storm.c")], check=True)
    return program


def workload(program: Path, *arguments: str) -> dict[str, Any]:
    """Run it; operations, wall seconds and CPU seconds."""
    done = subprocess.run([str(program), *arguments], check=True, capture_output=True, text=True)
    numbers: dict[str, Any] = json.loads(done.stdout)
    return numbers
