"""CPU time of each thread of this process, by the name that Python gave it. proc(5), /proc/pid/task/tid/stat."""

import os
import threading
from collections import Counter
from pathlib import Path

_TASKS = Path("/proc/self/task")


def thread_seconds() -> dict[str, float]:
    """Give name -> CPU seconds since the thread began; threads of one name together. Empty where there is no /proc."""
    names = {thread.native_id: thread.name for thread in threading.enumerate()}
    spent: Counter[str] = Counter()
    try:
        tasks = list(_TASKS.iterdir())
    except OSError:
        return {}
    for task in tasks:
        try:
            text = (task / "stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue  # it ended
        name, ticks = parse(text)
        spent[names.get(int(task.name), name)] += ticks
    per_second = os.sysconf("SC_CLK_TCK")
    return {name: ticks / per_second for name, ticks in spent.items()}


def parse(text: str) -> tuple[str, int]:
    """Give a thread's own name, and its user and system time in clock ticks. The name may hold anything."""
    name, _, rest = text.partition("(")[2].rpartition(")")
    fields = rest.split()
    return name, int(fields[11]) + int(fields[12])
