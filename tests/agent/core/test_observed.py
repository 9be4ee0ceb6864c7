"""Sources that look at what the others emit."""

from __future__ import annotations

import threading

from vedette.agent.core.source import Emit, observed
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStart, ProcessStop


class Quiet:
    """A source that emits nothing."""

    name = "quiet"

    def supported(self) -> str:
        return ""

    def run(self, emit: Emit, stop: threading.Event) -> None: ...

    def drops(self) -> dict[str, int]:
        return {}

    def status(self) -> dict[str, object]:
        return {}


class Curious(Quiet):
    """One that observes."""

    def __init__(self, taken: list[Event]) -> None:
        self.seen: list[Event] = []
        self._taken = taken
        self.taken_before: list[int] = []

    def observe(self, event: Event) -> None:
        self.seen.append(event)
        self.taken_before.append(len(self._taken))


def test_observers_see_each_event_after_it_was_taken() -> None:
    taken: list[Event] = []
    one, other = Curious(taken), Curious(taken)
    emit = observed(taken.append, [Quiet(), one, other])
    events = [ProcessStart(time=1), ProcessStop(time=2)]
    for event in events:
        emit(event)
    assert taken == one.seen == other.seen == events
    assert one.taken_before == [1, 2]


def test_without_observers_nothing_stands_between() -> None:
    taken: list[Event] = []
    emit = taken.append
    assert observed(emit, [Quiet()]) is emit
