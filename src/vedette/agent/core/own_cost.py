"""What this process and the processes that it started cost: CPU time and memory. proc(5)."""

import os
import re
import time
from pathlib import Path
from typing import Final

_OURS: Final = Path("/proc/self")
_TICKS: Final = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_MOST_CHILDREN: Final = 64
_SHARE: Final = re.compile(rb"^Pss: +(\d+) kB", re.MULTILINE)


def own_cpu() -> float:
    """Give the CPU seconds of this process, all its threads and all processes below it."""
    times = os.times()
    below = sum(_ticks(pid) for pid in _descendants(_OURS)) / _TICKS
    return time.process_time() + times.children_user + times.children_system + below


def own_memory() -> int:
    """Give the resident bytes of this process and of those below it; a page that several have counts once.

    The kernel walks all pages for it: 2 ms for each process.
    """
    return _resident(_OURS) + sum(_resident(Path(f"/proc/{pid}")) for pid in _descendants(_OURS))


def _ticks(pid: int) -> int:
    try:
        return parse(Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace"))
    except OSError:
        return 0  # it ended


def parse(text: str) -> int:
    """Give the clock ticks of a process, those of its ended children too. Its name may hold anything."""
    return sum(map(int, text.rpartition(")")[2].split()[11:15]))


def _resident(process: Path) -> int:
    try:
        share = _SHARE.search((process / "smaps_rollup").read_bytes())
    except OSError:
        return 0  # it ended, or there is no /proc
    return int(share[1]) << 10 if share else 0


def _descendants(process: Path) -> list[int]:
    found: list[int] = []
    folders = [process]
    while folders and len(found) < _MOST_CHILDREN:
        below = _children(folders.pop())
        found += below
        folders += [Path(f"/proc/{pid}") for pid in below]
    return found


def _children(process: Path) -> list[int]:
    """Processes that any thread of `process` started; empty where the kernel does not tell."""
    pids: list[int] = []
    try:
        for task in (process / "task").iterdir():
            pids += map(int, (task / "children").read_text(encoding="ascii").split())
    except OSError:
        return pids  # it ended, or there is no /proc
    return pids
