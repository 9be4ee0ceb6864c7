"""What the agent observes now: events by source, type and program over the last minute, and CPU by thread.

Counting is on the way of every event, so it only adds to a dictionary there; names are looked up once a tick.
"""

import re
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, Final

import msgspec

from vedette.agent.core.thread_cost import thread_seconds
from vedette.runtime.clock import SECOND, Clock
from vedette.schema.entities import Process
from vedette.schema.events.base import Event
from vedette.schema.events.logs import OsLogEvent
from vedette.wire.layout import tag_of

MARKER: Final = re.compile(r"vedette-selftest-[0-9a-f]{16}")
"""What a self-test puts into the command line or the text of its own events."""
WINDOW: Final = 60 * SECOND
PROGRAMS_SHOWN: Final = 20
OTHERS: Final = "(others)"
_MOST_PROGRAMS: Final = 2000
_MOST_HELD: Final = 4096
"""Processes that are held until their names are looked up."""

Names = tuple[str, str]
"""Event type and program (or marker)."""


class Seen(msgspec.Struct):
    """Events of one type from one source since it first gave one."""

    total: int = 0
    last: int = 0
    """When one was last counted, microseconds UTC, to the tick."""


class ProgramCount(msgspec.Struct, frozen=True, kw_only=True):
    """Events that one program caused."""

    program: str
    events: int
    types: dict[str, int]


class Marked(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a self-test."""

    marker: str
    source: str
    type: str
    events: int


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """The last minute. `cpu` is seconds by thread, `bytes` what the uplink sent."""

    seconds: float = 0.0
    events: int = 0
    bytes: int = 0
    cpu: dict[str, float] = {}
    types: dict[str, int] = {}
    programs: list[ProgramCount] = []
    sources: dict[str, dict[str, Seen]] = {}
    """Source -> event type -> since when it counts, not only the last minute."""
    marked: list[Marked] = []


class Tally:
    """Counts the events of one source. `observe` may be called by any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[type[Event], int], int] = {}
        self._held: dict[int, Process | None] = {}
        self._named: Counter[Names] = Counter()

    def observe(self, event: Event) -> None:
        """Count one event."""
        kind, process = type(event), event.process
        key = (kind, id(process))
        with self._lock:
            if kind is OsLogEvent and self._is_marked(event):
                return
            if key in self._counts:
                self._counts[key] += 1
            else:
                self._begin(key, process)

    def _begin(self, key: tuple[type[Event], int], process: Process | None) -> None:
        self._counts[key] = 1
        self._held[key[1]] = process  # so that its id stays its own
        if len(self._held) > _MOST_HELD:
            self._fold()

    def take(self) -> Counter[Names]:
        """Give what was counted since the last time."""
        with self._lock:
            self._fold()
            taken, self._named = self._named, Counter()
        return taken

    def _is_marked(self, event: Event) -> bool:
        """Count a record that a self-test wrote, whoever the record says wrote it."""
        found = MARKER.search(_message(event))
        if found:
            self._named[tag_of(type(event)), found[0]] += 1
        return found is not None

    def _fold(self) -> None:
        programs = {number: program_of(process) for number, process in self._held.items()}
        for (kind, number), count in self._counts.items():
            names = (tag_of(kind), programs[number])
            if names not in self._named and len(self._named) >= _MOST_PROGRAMS:
                names = (names[0], OTHERS)
            self._named[names] += count
        self._counts.clear()
        self._held.clear()


def _message(event: Event) -> str:
    return (isinstance(event, OsLogEvent) and event.oslog and event.oslog.message) or ""


def program_of(process: Process | None) -> str:
    """Name what runs: the marker of a self-test, the file's path, or its name."""
    if process is None:
        return "(no process)"
    marker = MARKER.search(process.command_line or "")
    if marker:
        return marker[0]
    file = process.file
    return (file and (file.path or file.name)) or "(unknown)"


class _Slot(msgspec.Struct):
    """What one tick added."""

    start: int
    counts: dict[str, Counter[Names]]
    sent: int
    cpu: dict[str, float]


class ActivityKeeper:
    """Gathers the tallies of all sources; `tick` moves the window on."""

    def __init__(self, clock: Clock, *, cpu: Callable[[], dict[str, float]] = thread_seconds) -> None:
        self._clock, self._cpu = clock, cpu
        self._tallies: dict[str, Tally] = {}
        self._slots: deque[_Slot] = deque()
        self._sources: dict[str, dict[str, Seen]] = {}
        self._since, self._sent, self._cpu_before = clock(), 0, cpu()

    def watched(self, source: str, emit: Callable[[Event], None]) -> Callable[[Event], None]:
        """Give an `emit` that counts for `source`."""
        tally = self._tallies.setdefault(source, Tally())
        observe = tally.observe

        def counted(event: Event) -> None:
            emit(event)
            observe(event)

        return counted

    def tick(self, sent: int) -> Activity:
        """Close a slot and describe the window; `sent` is the total of bytes sent so far."""
        now, cpu = self._clock(), self._cpu()
        counts = {source: tally.take() for source, tally in self._tallies.items()}
        spent = {name: seconds - self._cpu_before.get(name, 0.0) for name, seconds in cpu.items()}
        self._slots.append(_Slot(self._since, counts, sent - self._sent, spent))
        self._since, self._sent, self._cpu_before = now, sent, cpu
        while len(self._slots) > 1 and self._slots[0].start < now - WINDOW:
            self._slots.popleft()
        self._remember(counts, now)
        return self._describe(now)

    def _remember(self, counts: dict[str, Counter[Names]], now: int) -> None:
        for source, named in counts.items():
            types = self._sources.setdefault(source, {})
            for (kind, _), count in named.items():
                seen = types.setdefault(kind, Seen())
                seen.total, seen.last = seen.total + count, now

    def _describe(self, now: int) -> Activity:
        total: Counter[tuple[str, str, str]] = Counter()
        cpu: Counter[str] = Counter()
        for slot in self._slots:
            for source, named in slot.counts.items():
                for (kind, program), count in named.items():
                    total[source, kind, program] += count
            for name, seconds in slot.cpu.items():
                cpu[name] += max(0.0, seconds)  # type: ignore[assignment]
        marked = [
            Marked(marker=program, source=source, type=kind, events=count)
            for (source, kind, program), count in total.items()
            if MARKER.fullmatch(program)
        ]
        programs = _programs(total)
        types: Counter[str] = Counter()
        for one in programs:
            types.update(one.types)
        return Activity(
            seconds=(now - self._slots[0].start) / SECOND,
            events=types.total(),
            bytes=sum(slot.sent for slot in self._slots),
            cpu={name: round(seconds, 3) for name, seconds in cpu.most_common()},
            types=dict(types.most_common()),
            programs=programs[:PROGRAMS_SHOWN],
            sources=self._sources,
            marked=marked,
        )


def _programs(total: Counter[tuple[str, str, str]]) -> list[ProgramCount]:
    """Give all programs, those with the most events first."""
    by_program: dict[str, Counter[str]] = {}
    for (_, kind, program), count in total.items():
        by_program.setdefault(program, Counter())[kind] += count
    found: list[Any] = [
        ProgramCount(program=program, events=types.total(), types=dict(types.most_common()))
        for program, types in by_program.items()
    ]
    return sorted(found, key=lambda one: (-one.events, one.program))
