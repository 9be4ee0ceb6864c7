"""A bare agent for benchmarks: the kernel source, and the buffer on disk that keeps what it tells; nothing else.

`python _agent_runner.py FOLDER [account]`: a process of its own that talks over stdin and stdout, one line each way.
`ask` gives CPU seconds, events and counters so far; `detach` and `attach` take the probes off and put them on again;
`flush` hands on
what waits; `account` also counts the events about FOLDER one by one. The first line comes when the source observes.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

from vedette.agent.core.batches import Facts
from vedette.agent.core.buffer import Buffer
from vedette.agent.core.intake import Intake
from vedette.agent.linux import hashing
from vedette.agent.linux.examine import Content, Question, examine
from vedette.agent.linux.sources import ebpf
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.probes import loader
from vedette.runtime.clock import now
from vedette.schema.events.base import Event
from vedette.schema.events.files import FileChange, FileCreate
from vedette.schema.policies import Settings
from vedette.wire.layout import tag_of

FACTS = Facts()
NICENESS = -4
"""As in the agent's systemd unit, and as auditd sets it by itself (priority_boost)."""


class Keeper:
    """Intake and buffer as the agent has them; counts what was kept, by type, and about `folder` more exactly."""

    def __init__(self, data: Path, folder: str) -> None:
        self.buffer = Buffer(data / "buffer.sqlite", now)
        self.intake = Intake(self._keep, self.buffer.losses)
        self.counts: Counter[str] = Counter()
        self.account: Counter[str] = Counter()
        self._folder = folder

    def _keep(self, events: list[Event]) -> None:
        self.buffer.append(events, FACTS, offline=False)
        self.counts.update(tag_of(type(event)) for event in events)
        if self._folder:
            self.account.update(filter(None, (_fact(event, self._folder) for event in events)))


def _fact(event: Event, folder: str) -> str:
    """What an event of the workload in `folder` tells; "" for that of others."""
    if isinstance(event, FileCreate) and event.file is not None:
        fact = "created, open" if event.file.hash_status == "open" else "created"
        return fact if (event.file.directory or "").startswith(folder) else ""
    if isinstance(event, FileChange) and event.file is not None:
        return event.file.operation or "" if (event.file.directory or "").startswith(folder) else ""
    program = event.process.file if event.process else None
    return tag_of(type(event)) if program and (program.path or "").startswith(folder) else ""


class ForeignHashing:
    """CPU seconds spent on files of other programs: a shared host must not spoil what is measured."""

    def __init__(self, folder: str) -> None:
        self.seconds = 0.0
        self._own = folder.encode()
        hashing.examine = self  # type: ignore[attr-defined] # where the hasher finds it

    def __call__(self, question: Question, **others: Any) -> Content:
        """Examine, and note the time if it is not for the benchmark."""
        began = time.thread_time()
        content = examine(question, **others)
        if not question.paths[0].startswith(self._own):
            self.seconds += time.thread_time() - began
        return content


class Probes:
    """The probes that the source loads, so that they can be taken off and put on again."""

    def __init__(self) -> None:
        self._loaded: loader.Probes | None = None
        ebpf.start = self._start  # type: ignore[attr-defined] # where the source finds it

    def _start(self, **options: Any) -> loader.Probes:
        self._loaded = loader.start(**options)
        return self._loaded

    def switch(self, command: str) -> None:
        """Do what a command says about them."""
        if command in ("attach", "detach"):
            if self._loaded is None:
                raise RuntimeError("the source observes without probes: nothing can be compared")
            getattr(self._loaded, command)()


def main() -> None:
    """Run the source, answer questions."""
    logging.disable(logging.WARNING)  # refusals are in the status
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    folder, account = sys.argv[1], "account" in sys.argv[2:]
    stop, foreign, probes = threading.Event(), ForeignHashing(folder), Probes()
    source = KernelSource("0" * 32, Settings())
    with tempfile.TemporaryDirectory(prefix="vedette-bench-") as data:
        keeper = Keeper(Path(data), folder if account else "")
        threads = [
            threading.Thread(target=source.run, args=(keeper.intake.emit, stop), name="decode"),
            threading.Thread(target=keeper.intake.loop, args=(stop,), name="keep"),
        ]
        for thread in threads:
            thread.start()
        while not source.status()["observing"]:
            time.sleep(0.01)
        print("observing", flush=True)
        for line in sys.stdin:
            probes.switch(line.strip())
            if line == "flush\n":
                keeper.intake.wake()
            keeper.buffer.losses.observe(source.name, source.drops())
            print(json.dumps(_numbers(source, keeper, foreign)), flush=True)
        stop.set()
        keeper.intake.wake()
        for thread in threads:
            thread.join(10)
        keeper.buffer.close()


def _numbers(source: KernelSource, keeper: Keeper, foreign: ForeignHashing) -> dict[str, Any]:
    return {
        "cpu": time.process_time() - foreign.seconds,
        "foreign": foreign.seconds,
        "events": dict(keeper.counts),
        "account": dict(keeper.account),
        "waiting": keeper.intake.waiting(),
        "kept_bytes": keeper.buffer.stats().bytes,
        "drops": keeper.buffer.losses.totals(),
        "lost_records": source.drops(),
        "status": source.status(),
        "threads": _threads(),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def _threads() -> dict[str, float]:
    """CPU seconds of each thread that still runs."""
    clocks = {thread.name: time.pthread_getcpuclockid(thread.ident or 0) for thread in threading.enumerate()}
    return {name: round(time.clock_gettime(clock), 4) for name, clock in clocks.items()}


if __name__ == "__main__":
    main()
