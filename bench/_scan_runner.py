"""An agent for the scanner's benchmark: the kernel source and the scanner, events encoded.

`python _scan_runner.py FOLDER`; each line on its input is answered with CPU seconds and counters so far. Files
of other programs on this host are left out: what lies below FOLDER, and the system's programs, are scanned.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from pathlib import Path

from _agent_runner import Keeper  # type: ignore[import-not-found] # beside this file
from vedette.agent.core.scanner.source import Scanner
from vedette.agent.core.source import observed
from vedette.agent.linux.objects import open_object
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.schema.events.base import Event
from vedette.schema.policies import Settings


class OwnFiles(Scanner):
    """The scanner, deaf to files of other programs."""

    folder = ""

    def observe(self, event: Event) -> None:
        """Take note of files below the folder and of the system's programs."""
        file = getattr(event, "file", None) or (event.process.file if event.process else None)
        if file is not None and (file.path or "").startswith((self.folder, "/usr/")):
            super().observe(event)


def main() -> None:
    """Run, answer, end."""
    OwnFiles.folder = sys.argv[1]
    stop = threading.Event()
    with tempfile.TemporaryDirectory() as data:
        keeper = Keeper(Path(data), "")
        kernel = KernelSource("0" * 32, Settings())
        scanner = OwnFiles(Path(data), Settings(), open_object)
        emit = observed(keeper.intake.emit, [scanner])
        threads = [
            threading.Thread(target=scanner.run, args=(keeper.intake.emit, stop)),
            threading.Thread(target=kernel.run, args=(emit, stop)),
            threading.Thread(target=keeper.intake.loop, args=(stop,)),
        ]
        for thread in threads:
            thread.start()
        for line in sys.stdin:
            if not line.strip():
                break
            print(json.dumps(_answer(kernel, scanner, threads[0])), flush=True)
        stop.set()
        keeper.intake.wake()
        for thread in threads:
            thread.join(10)
        keeper.buffer.close()


def _answer(kernel: KernelSource, scanner: Scanner, thread: threading.Thread) -> dict[str, object]:
    status = kernel.status()
    busy = status.get("backlog_bytes") or status.get("waiting_for_digests") or not status["observing"]
    told = scanner.status()
    pid = told["pid"]
    return {
        "settled": not busy and not told["waiting"],
        "cpu": time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0)) + float(str(told["cpu_seconds"])),
        "rss": _resident(pid) if pid else 0,
        "scanner": told,
    }


def _resident(pid: object) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


if __name__ == "__main__":
    main()
