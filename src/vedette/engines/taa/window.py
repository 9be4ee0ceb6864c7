"""Findings of one group in the order of event time: whether enough of them are within a span. Pure."""

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from typing import Literal

from msgspec import Struct

from vedette.schema.fields import Micros


class Entry(Struct, frozen=True, array_like=True, order=True):
    """One finding: when, the number of its rule, the value that is counted, the event."""

    time: Micros
    rule: int
    value: str
    event: str


class Wanted(Struct, frozen=True):
    """What must be within `span` microseconds."""

    kind: Literal["event_count", "value_count", "temporal", "temporal_ordered"]
    span: int
    count: int
    """Findings, different values, or rules."""
    exactly: bool = False

    @property
    def most(self) -> int:
        """Entries of a group that are kept: the oldest go first."""
        return max(256, 2 * self.count)


class Window(Struct):
    """What is remembered of one group."""

    entries: list[Entry] = []
    fired: list[Micros] = []
    """Starts of the spans that were told: what is within one of them is no news."""

    def add(self, entry: Entry, wanted: Wanted) -> tuple[Entry, ...]:
        """Take a finding, whenever it happened; give the findings that now are enough, or none."""
        if any(one.event == entry.event and one.rule == entry.rule for one in self._near(entry, 0)):
            return ()
        insort(self.entries, entry)
        if len(self.entries) > wanted.most:
            del self.entries[0]
        if any(start <= entry.time <= start + wanted.span for start in self.fired):
            return ()
        found = self._enough(entry, wanted)
        if found:
            self.fired = [*self.fired[-63:], found[0].time]
        return found

    def forget(self, before: Micros) -> None:
        """Drop what happened before a moment."""
        self.entries = [one for one in self.entries if one.time >= before]
        self.fired = [start for start in self.fired if start >= before]

    def _near(self, entry: Entry, span: int) -> list[Entry]:
        low = bisect_left(self.entries, entry.time - span, key=_time)
        return self.entries[low : bisect_right(self.entries, entry.time + span, key=_time)]

    def _enough(self, entry: Entry, wanted: Wanted) -> tuple[Entry, ...]:
        """Give the first span with `entry` in it in which enough is, by two pointers over its neighbours."""
        near = self._near(entry, wanted.span)
        counts: Counter[object] = Counter()
        left = 0
        for right, last in enumerate(near):
            counts[_counted(last, wanted)] += 1
            while last.time - near[left].time > wanted.span:
                first = _counted(near[left], wanted)
                counts[first] -= 1
                if not counts[first]:
                    del counts[first]
                left += 1
            inside = near[left : right + 1]
            if near[left].time <= entry.time <= last.time and _holds(len(counts), inside, wanted):
                return tuple(inside)
        return ()


def _time(entry: Entry) -> Micros:
    return entry.time


def _counted(entry: Entry, wanted: Wanted) -> object:
    if wanted.kind == "event_count":
        return entry.event
    return entry.value if wanted.kind == "value_count" else entry.rule


def _holds(different: int, inside: list[Entry], wanted: Wanted) -> bool:
    if wanted.exactly:
        return different == wanted.count
    if different < wanted.count:
        return False
    return wanted.kind != "temporal_ordered" or _in_order(inside, wanted.count)


def _in_order(inside: list[Entry], rules: int) -> bool:
    """Whether the rules 0, 1, 2, ... happened one after another."""
    following = 0
    for entry in inside:
        if entry.rule == following:
            following += 1
    return following == rules
