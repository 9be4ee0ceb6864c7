"""Starts the bare agent and the C workload for the agent's benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Any, NamedTuple, Self

HERE = Path(__file__).parent
LONGEST_WAIT = 5.0
"""Seconds after which an event is kept: 2 for its digests, 2 for its batch, and slack."""


class Number(NamedTuple):
    """A number that is published; `target` None = it has none."""

    name: str
    value: float
    unit: str
    target: float | None


class Peer(NamedTuple):
    """What stands beside a number: measured in the same run, or what somebody else published."""

    name: str
    value: float | None = None


def show(number: Number, how: str, peer: Peer | None = None) -> None:
    """Print one line of `make bench`."""
    name, value = peer or ("", None)
    line = number._asdict() | {"value": round(number.value, 3)}
    line |= {"peer": name, "peer_value": None if value is None else round(value, 3), "how": how}
    print(json.dumps(line), flush=True)


def wait_for_quiet(patience: float = 30, busy: float = 0.15) -> float:
    """Wait until the other programs leave the CPUs alone; gives the share of CPU time that is taken at the end.

    Busy neighbours make every instruction dearer (caches, hyper-threads), and CPU time cannot tell.
    """
    deadline = time.monotonic() + patience
    while True:
        before = _ticks()
        time.sleep(0.5)
        after = _ticks()
        share = 1 - (after[1] - before[1]) / max(1, after[0] - before[0])
        if share < busy or time.monotonic() > deadline:
            return share


def _ticks() -> tuple[int, int]:
    """All ticks of all CPUs, and those they were idle."""
    fields = [int(field) for field in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4]


class BareAgent:
    """The agent of `_agent_runner.py` in a process of its own; `folder` is where the workload's files are.

    `account`: it counts what it tells about that folder one by one.
    """

    def __init__(self, folder: str, *, account: bool = False) -> None:
        self._command = [sys.executable, str(HERE / "_agent_runner.py"), folder, *(["account"] if account else [])]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._line()
        self.settled()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=30)

    def ask(self, command: str = "ask") -> dict[str, Any]:
        """Counters of the agent after a command."""
        pipe = self._pipe(self._process.stdin)
        pipe.write(f"{command}\n")
        pipe.flush()
        answer: dict[str, Any] = json.loads(self._line())
        return answer

    def _line(self) -> str:
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise RuntimeError("the agent ended")
        return line

    def caught_up(self, patience: float = 60) -> None:
        """Wait until no raw record waits."""
        deadline = time.monotonic() + patience
        time.sleep(0.1)
        while self.ask()["status"]["backlog_bytes"] and time.monotonic() < deadline:
            time.sleep(0.05)

    def settled(self, patience: float = 120) -> dict[str, Any]:
        """Counters once all that happened is kept: the queue is empty, no event waits, and nothing more has come.

        On a busy host there is always something new that waits: then all that was asked for has passed after a while.
        What was taken from the queue last may still be being decoded, so the account must stand still.
        """
        began = time.monotonic()
        deadline = began + patience
        account = None
        while time.monotonic() < deadline:
            time.sleep(0.3)
            answer = self.ask("flush")
            status, before, account = answer["status"], account, answer["account"]
            if not status["backlog_bytes"] and account == before:
                long_enough = time.monotonic() - began > LONGEST_WAIT
                if long_enough or not (answer["waiting"] or status["waiting_for_digests"]):
                    return answer
        raise RuntimeError(f"the agent does not keep up: {answer}")

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


UNDISTURBED = ("chrt", "-f", "1", "taskset", "-c", str((os.cpu_count() or 1) - 1))
"""Before a command: on one CPU, which nothing but the kernel takes away from it. Thrice less noise on a busy host."""


def workload(program: Path, *arguments: str, undisturbed: bool = False) -> dict[str, Any]:
    """Run it; operations, wall seconds and CPU seconds."""
    command = [*(UNDISTURBED if undisturbed else ()), str(program), *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    numbers: dict[str, Any] = json.loads(done.stdout)
    return numbers
