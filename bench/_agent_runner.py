"""A bare agent for benchmarks: the kernel source, batches encoded as they would be sent, nothing else.

Run as a process of its own; it talks over stdin and stdout, one JSON line each way: `{"mark": name}` gives CPU
seconds, events and counters so far.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from collections import Counter
from typing import Any

from vedette.agent.linux import hashing
from vedette.agent.linux.examine import Content, Question, examine
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.schema.events.base import Event
from vedette.schema.policies import Settings
from vedette.wire.builder import Builder
from vedette.wire.layout import tag_of

BATCH = 1024
INTERVAL = 2.0


class Sink:
    """Collects events and encodes them in batches of up to 1,024 or every 2 seconds, as the agent's core does."""

    def __init__(self) -> None:
        self.waiting: list[Event] = []
        self.counts: Counter[str] = Counter()
        self.bytes = 0
        self._full = threading.Event()

    def emit(self, event: Event) -> None:
        """Take one event."""
        self.waiting.append(event)
        if len(self.waiting) >= BATCH:
            self._full.set()

    def loop(self, stop: threading.Event) -> None:
        """Encode what comes until `stop`."""
        while not stop.is_set():
            self._full.wait(INTERVAL)
            self._full.clear()
            self.flush()

    def flush(self) -> None:
        """Encode what waits."""
        while self.waiting:
            taken, self.waiting[:BATCH] = self.waiting[:BATCH], []
            builder = Builder(taken)
            self.bytes += len(builder.encode(1))
            self.counts.update(tag_of(type(event)) for event in taken)


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


def main() -> None:
    """Run the source, answer questions."""
    sink, stop, foreign = Sink(), threading.Event(), ForeignHashing(sys.argv[1])
    source = KernelSource("0" * 32, Settings())
    threads = [
        threading.Thread(target=source.run, args=(sink.emit, stop), name="decode"),
        threading.Thread(target=sink.loop, args=(stop,), name="encode"),
    ]
    for thread in threads:
        thread.start()
    while not source.status()["observing"]:
        time.sleep(0.05)
    for line in sys.stdin:
        if not line.strip():
            break
        status = source.status()
        answer = {
            "cpu": time.process_time() - foreign.seconds,
            "foreign": foreign.seconds,
            "events": dict(sink.counts),
            "waiting": len(sink.waiting),
            "wire_bytes": sink.bytes,
            "drops": source.drops(),
            "status": status,
            "threads": _threads(),
            "rss_mib": _resident(),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(answer), flush=True)
    stop.set()
    for thread in threads:
        thread.join(10)


def _threads() -> dict[str, float]:
    """CPU seconds of each thread that still runs."""
    clocks = {thread.name: time.pthread_getcpuclockid(thread.ident or 0) for thread in threading.enumerate()}
    return {name: round(time.clock_gettime(clock), 4) for name, clock in clocks.items()}


def _resident() -> float:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - one read
        return int(file.read().split()[1]) * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
