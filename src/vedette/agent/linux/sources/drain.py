"""Takes raw records out of the rings as fast as they come, and keeps them for the decoding thread, bounded."""

import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from typing import NamedTuple

from vedette.probes.ring import Chunk, Ring

QUEUE_BYTES = 8 << 20
"""Raw records between the two threads; beyond that file records are dropped, beyond twice that all are."""
PAUSE = 0.05
"""Seconds between two looks into the rings of a busy host: a ring holds much more than comes in that time."""
_MUCH = 1 << 20
"""Bytes after which the rings are looked into again at once."""
IDLE = 0.5
"""Seconds that a thread waits at most when nothing happens."""


class Round(NamedTuple):
    """What one look into the rings gave."""

    control: list[Chunk]
    bulk: list[Chunk]
    size: int


class Drain:
    """Moves records from the rings into the queue. `lost` counts, by kind, what the queue had no room for.

    `wait` sleeps until a ring has records, for a number of seconds at most. `pause` and `room` (bytes) may be
    changed while it runs.
    """

    def __init__(self, control: Ring, bulk: Ring, wait: Callable[[float], object]) -> None:
        self._wait = wait
        self._control, self._bulk = control, bulk
        self._queue: deque[Round] = deque()
        self._arrived = threading.Event()
        self._waiting = 0
        self._taken = 0
        self.lost: Counter[int] = Counter()
        self.pause, self.room = PAUSE, QUEUE_BYTES
        self.fullest = 0.0

    def run(self, stop: threading.Event) -> None:
        """Look into the rings until `stop`."""
        while not stop.is_set():
            self._wait(IDLE)
            time.sleep(self.pause)
            while self.look() > _MUCH:
                pass

    def look(self) -> int:
        """Take what is there once; give the number of bytes.

        The bulk ring is read first and handed on last: then the start of a process comes before what it did.
        """
        self.fullest = max(self.fullest, self._bulk.fill() / self._bulk.size, self._control.fill() / self._control.size)
        bulk, control = _take(self._bulk, 4), _take(self._control, 4)
        size = sum(len(chunk.data) for chunk in (*bulk, *control))
        if not size:
            return 0
        backlog = self._waiting - self._taken
        if backlog > self.room:
            self._count(bulk)
            bulk = []
        if backlog > 2 * self.room:
            self._count(control)
            control = []
        kept = sum(len(chunk.data) for chunk in (*bulk, *control))
        if kept:
            self._waiting += kept
            self._queue.append(Round(control, bulk, kept))
            self._arrived.set()
        return size

    def take(self, timeout: float) -> Round | None:
        """Give the oldest round, or None when none came for `timeout` seconds. For the decoding thread."""
        if not self._queue:
            self._arrived.wait(timeout)
            self._arrived.clear()
        if not self._queue:
            return None
        taken = self._queue.popleft()
        self._taken += taken.size
        return taken

    def backlog(self) -> int:
        """Bytes that wait for the decoding thread."""
        return self._waiting - self._taken

    def _count(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            for offset, _ in chunk.records:
                self.lost[int.from_bytes(chunk.data[offset : offset + 2], "little")] += 1


def _take(ring: Ring, most: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    while len(chunks) < most and (chunk := ring.read()) is not None:
        chunks.append(chunk)
    return chunks
