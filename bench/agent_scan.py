"""What scanning on execution and on access costs: CPU time of a scanned file, and of the scanner beside a build.

Run as root on a quiet host: `python bench/agent_scan.py`. The build compiles C files with clang, in parallel, from a
Makefile. Only the scanner's own thread and process are counted: what an agent costs tells `agent_cost.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _agent_process import Number, Peer, show, wait_for_quiet  # type: ignore[import-not-found] # beside this file
from _c_project import build, clean, make_project, renew  # type: ignore[import-not-found] # beside this file
from vedette.agent.core.scanner.child import ScanChild
from vedette.agent.core.scanner.messages import Scan
from vedette.engines.objects import About
from vedette.engines.yara.apart import compile_apart
from vedette.engines.yara.compiled import Compiled
from vedette.engines.yara.ruleset import builtin, from_folder, joined

HERE = Path(__file__).parent
SMALL, SMALL_SIZE = 1000, 20_000
LARGE, LARGE_SIZE = 20, 8 << 20
SOURCES = 150
IDLE_SECONDS = 10
PEER = Peer("clamd 1.4 with one signature, over its socket, MB/s of wall time", 32)


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as name:  # a disk: on tmpfs reading costs nothing
        folder = Path(name)
        _files(folder / "files", [("builtin", compile_apart(builtin())), *_public_rules()])
        _beside_a_build(folder)


def _public_rules() -> list[tuple[str, Compiled]]:
    rules = Path(os.environ.get("VEDETTE_SHARED_DATA", HERE.parents[1] / "shared" / "data")) / "yara"
    if not rules.is_dir():
        return []
    compiled = compile_apart(joined(builtin(), from_folder(rules)))
    return [(f"{compiled.count} public rules", compiled)]


def _files(folder: Path, sets: list[tuple[str, Compiled]]) -> None:
    folder.mkdir()
    small = [_write(folder / f"s{number}", SMALL_SIZE) for number in range(SMALL)]
    large = [_write(folder / f"l{number}", LARGE_SIZE) for number in range(LARGE)]
    for name, compiled in sets:
        wait_for_quiet()
        child = ScanChild()
        child.load(compiled, seconds=20)
        each = _scan(child, small) / SMALL * 1e6
        rate = LARGE * LARGE_SIZE / 1e6 / _scan(child, large)
        child.stop()
        how = f"{SMALL} files of {SMALL_SIZE} random bytes, CPU time of both processes, {name}"
        show(Number(f"scan of a small file, {name}", each, "us", 1000), how)
        how = f"{LARGE} files of {LARGE_SIZE >> 20} MiB, CPU time of both processes, read, hashed, scanned, {name}"
        show(Number(f"scan of large files, {name}", rate, "MB/s", 100), how, PEER)


def _write(path: Path, size: int) -> Path:
    path.write_bytes(os.urandom(size))
    return path


def _scan(child: ScanChild, paths: list[Path]) -> float:
    """CPU seconds that both processes use for these files."""
    child_before, before = child.cpu, time.process_time()
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        child.scan(Scan(about=About(path=str(path), name=path.name), largest=1 << 30), handle)
        os.close(handle)
    return child.cpu - child_before + time.process_time() - before


class Agent:
    """The agent of `_scan_runner.py`."""

    def __init__(self, folder: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "_scan_runner.py"), f"{folder}/"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def settled(self, patience: float = 120) -> dict[str, Any]:
        """Counters once nothing waits any more."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            time.sleep(0.3)
            answer = self.ask()
            if answer["settled"]:
                return answer
        raise RuntimeError(f"the agent does not keep up: {answer}")

    def ask(self) -> dict[str, Any]:
        """Counters now."""
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("no pipes")
        self._process.stdin.write("{}\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def end(self) -> None:
        """Let it finish."""
        self._process.communicate("\n", timeout=30)


def _beside_a_build(folder: Path) -> None:
    work = folder / "project"
    make_project(work, SOURCES)
    agent = Agent(work)
    agent.settled()
    build(work)  # once before, so that compilers and their libraries are known
    clean(work)
    renew(work)
    before = agent.settled()
    wait_for_quiet()
    idle_before = agent.ask()
    time.sleep(IDLE_SECONDS)
    idle = (agent.ask()["cpu"] - idle_before["cpu"]) / IDLE_SECONDS * 100
    before = agent.settled()
    spent = build(work)
    after = agent.settled()
    agent.end()
    used = after["cpu"] - before["cpu"]
    scanned = after["scanner"]["scanned"] - before["scanner"]["scanned"]
    how = f"make -j2, {SOURCES} C files, clang: {spent:.1f} s of CPU time; {scanned} contents scanned in {used:.2f} s"
    show(Number("scanner beside a build", used / spent * 100, "% of the build's CPU time", 2), how)
    show(Number("scanner, idle", idle, "% of a core", 0.2), f"its thread and process over {IDLE_SECONDS} s")
    show(Number("scanning process, RSS", after["rss"], "MiB", 60), "after the build, builtin rules")


if __name__ == "__main__":
    main()
