"""Where all sources put their events; a thread hands them on in batches."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from vedette.agent.core.losses import Losses
from vedette.runtime.errors import SpoolFull
from vedette.schema.events.base import Event
from vedette.wire.layout import tag_of

log = logging.getLogger(__name__)

CAPACITY: Final = 50_000
"""Events that wait for the buffer at most (some 30 MB); beyond that they are lost and counted by type."""
LARGEST: Final = 5000
"""Events of a batch when they come faster than the buffer takes them."""
RETRY: Final = 1.0
"""Seconds until a buffer that could not write is tried again."""


class Intake:
    """Collects events from any thread; `keep` makes a batch of them durable or raises SpoolFull."""

    def __init__(
        self,
        keep: Callable[[list[Event]], None],
        losses: Losses,
        *,
        interval: float = 2.0,
        batch_events: int = 1024,
        capacity: int = CAPACITY,
    ) -> None:
        self._keep, self._losses, self._capacity = keep, losses, capacity
        self.interval, self.batch_events = interval, batch_events
        # A deque, because append and popleft need no lock: this is the hot path of all sources.
        self._queue: deque[Event] = deque()
        self._held: list[Event] = []
        self._full = threading.Event()
        self._woken = False

    def emit(self, event: Event) -> None:
        """Take one event; never blocks. When nothing can be taken the event is counted as lost."""
        queue = self._queue
        if len(queue) >= self._capacity:
            self._losses.add(tag_of(type(event)))
            return
        queue.append(event)
        if len(queue) >= self.batch_events and not self._woken:
            self._woken = True
            self._full.set()

    def waiting(self) -> int:
        """Events that are not yet in the buffer."""
        return len(self._queue) + len(self._held)

    def loop(self, stop: threading.Event) -> None:
        """Hand batches on until `stop`, every `interval` seconds or when a batch is full. Ends without the rest."""
        while not stop.is_set():
            self._full.wait(self.interval)
            self._full.clear()
            self._woken = False
            if not self.flush():
                stop.wait(RETRY)

    def wake(self) -> None:
        """Let the loop look at once (it is asked to stop, or its interval changed)."""
        self._full.set()

    def flush(self) -> bool:
        """Hand on all that waits; False when the buffer cannot write now (nothing is lost by that)."""
        while self._held or self._queue:
            if not self._held:
                self._held = self._take()
            try:
                self._keep(self._held)
            except SpoolFull as error:
                log.warning("buffer cannot write waiting=%d problem=%s", self.waiting(), error)
                return False
            self._held = []
        return True

    def _take(self) -> list[Event]:
        waiting = len(self._queue)
        size = self.batch_events if waiting < 2 * self.batch_events else min(waiting, max(LARGEST, self.batch_events))
        return [self._queue.popleft() for _ in range(min(size, waiting))]
