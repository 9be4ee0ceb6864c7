"""Where all sources put their events; a thread hands them on in batches."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec.structs import replace

from vedette.agent.core.losses import Losses
from vedette.runtime.errors import SpoolFull
from vedette.schema.events import EVENT_TYPES
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStart
from vedette.schema.policies import LOW_VALUE
from vedette.wire.layout import tag_of

log = logging.getLogger(__name__)

CAPACITY: Final = 50_000
"""Events that wait for the buffer at most (some 30 MB); beyond that they are lost and counted by type."""
LOW_CAPACITY: Final = 20_000
"""Of them before those of little value are lost: a storm of files must not push out connections and starts."""
HEAVIEST: Final = 16 << 20
"""Bytes of command lines and environments that wait at most; what comes beyond that goes without most of them."""
BATCH_BYTES: Final = 2 << 20
"""Bytes of them in one batch, else making it would take many times that."""
CUT: Final = 256
"""Characters that are kept of a command line then."""
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
        # Each is written by one side only, so that nothing need be locked.
        self._weight_in = self._weight_out = 0
        self._low = min(capacity, LOW_CAPACITY)
        self._full = threading.Event()
        self._woken = False

    def emit(self, event: Event) -> None:
        """Take one event; never blocks. When nothing can be taken the event is counted as lost."""
        queue = self._queue
        if type(event) is ProcessStart:
            event = self._weighed(event)
        if len(queue) >= self._low and (len(queue) >= self._capacity or type(event) in _OF_LITTLE_VALUE):
            self._losses.add(tag_of(type(event)))
            return
        queue.append(event)
        if len(queue) >= self.batch_events and not self._woken:
            self._woken = True
            self._full.set()

    def _weighed(self, event: ProcessStart) -> ProcessStart:
        """Note how much memory a start takes; when too much waits, give it without its long texts."""
        waiting = self._weight_in - self._weight_out
        if waiting > HEAVIEST:
            event = _lightened(event)
        elif waiting > BATCH_BYTES:
            self._full.set()
        self._weight_in += _weight(event)
        return event

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
        taken: list[Event] = []
        weight = 0
        while len(taken) < min(size, waiting) and weight < BATCH_BYTES:
            event = self._queue.popleft()
            taken.append(event)
            if type(event) is ProcessStart:
                weight += _weight(event)
        self._weight_out += weight
        return taken


def _weight(event: ProcessStart) -> int:
    """Give about the bytes of the texts that only this start has: they are there as a line and as a list."""
    process = event.process
    if process is None:
        return 0
    return 2 * len(process.command_line or "") + _VARIABLE * len(process.env or ())


def _lightened(event: ProcessStart) -> ProcessStart:
    process = event.process
    if process is None:
        return event
    line = process.command_line
    cut = replace(process, command_line=line and line[:CUT], args=None, args_truncated=True, env=None)
    return replace(event, process=cut)


_VARIABLE = 100
"""Bytes that an environment variable takes, about."""
_OF_LITTLE_VALUE = frozenset(kind for kind in EVENT_TYPES if tag_of(kind) in LOW_VALUE)
