"""What every source of an endpoint offers, and the loop that keeps it running."""

import logging
import threading
from collections.abc import Callable, Iterable
from typing import Protocol, runtime_checkable

import msgspec

from vedette.runtime.errors import ProbeError
from vedette.schema.events.base import Event

log = logging.getLogger(__name__)

Emit = Callable[[Event], None]
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
"""Seconds between restarts of a source that fails."""


class Source(Protocol):
    """Something that observes this host."""

    name: str

    def supported(self) -> str:
        """Give "" when it can run here, else why not."""
        ...

    def run(self, emit: Emit, stop: threading.Event) -> None:
        """Observe until `stop` is set; whatever goes wrong is raised."""
        ...

    def drops(self) -> dict[str, int]:
        """Event type -> events lost since `run` began."""
        ...

    def status(self) -> dict[str, object]:
        """Mode, refusals, fill of rings and the like, for people and telemetry."""
        ...


@runtime_checkable
class Observer(Protocol):
    """A source that looks at what the other ones emit."""

    def observe(self, event: Event) -> None:
        """Take note of an event, in the thread of its source: quickly, and without raising."""
        ...


def observed(emit: Emit, sources: Iterable[Source]) -> Emit:
    """Give an `emit` that tells the observers among `sources` of each event, after it was taken."""
    observers = [source.observe for source in sources if isinstance(source, Observer)]
    if not observers:
        return emit

    def emit_and_tell(event: Event) -> None:
        emit(event)
        for observe in observers:
            observe(event)

    return emit_and_tell


class SourceState(msgspec.Struct):
    """How a source fares."""

    name: str
    state: str = "starting"
    """starting, running, not_supported, waiting (to be started again) or stopped."""
    failures: int = 0
    last_failure: str = ""


class SourceLoop:
    """Runs one source in a thread of its own; one that fails is logged, counted and started again."""

    def __init__(self, source: Source, emit: Emit, stop: threading.Event) -> None:
        self.source, self._emit, self._stop = source, emit, stop
        self.state = SourceState(source.name)
        self._thread = threading.Thread(target=self._loop, name=f"source-{source.name}", daemon=True)

    def start(self) -> None:
        """Begin to observe."""
        self._thread.start()

    def join(self, timeout: float) -> bool:
        """Wait for the source to end; says whether it did."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _loop(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            if not self._once():
                return
            self.state.state = "waiting"
            self._stop.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        self.state.state = "stopped"

    def _once(self) -> bool:
        """Run the source once; says whether to try again."""
        try:
            reason = self.source.supported()
            if reason:
                log.info("source not supported name=%s reason=%s", self.source.name, reason)
                self.state.state, self.state.last_failure = "not_supported", reason
                return False
            self.state.state = "running"
            self.source.run(self._emit, self._stop)
            problem = "" if self._stop.is_set() else "ended without being asked to"
        except ProbeError as error:
            problem = str(error)
        except Exception as error:  # a supervisor: logs and counts
            problem = f"{type(error).__name__}: {error}"
            log.exception("source failed name=%s", self.source.name)
        if problem:
            self.state.failures += 1
            self.state.last_failure = problem
            log.warning("source ended name=%s failures=%d problem=%s", self.source.name, self.state.failures, problem)
        return True
