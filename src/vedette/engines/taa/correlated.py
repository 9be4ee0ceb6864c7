"""Correlations: rules over the findings of other rules, by event time, however late the events come.

What is remembered goes with the number of the batch (`state`), so that a restart goes on exactly where it was.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence

import msgspec
from msgspec import Struct

from vedette.engines.events import Finding
from vedette.engines.taa.columns import Columns
from vedette.engines.taa.engine import SHOWN, Taa
from vedette.engines.taa.window import Entry, Wanted, Window
from vedette.query.sigma import Correlation, Refused, Rule
from vedette.query.sigma.fields import reading
from vedette.runtime.errors import WireError
from vedette.schema.alerts import Technology
from vedette.schema.dictionary import FIELDS
from vedette.schema.fields import Micros
from vedette.schema.identity import event_id
from vedette.schema.rule_facts import RuleFacts
from vedette.wire.merge import Batch

GROUPS = 20_000
"""Groups that are remembered over all correlations; those that were quiet longest go first."""
ENTRIES = 50_000
"""Findings that are remembered over all groups: about 5 MB, which are kept with every segment."""
MOST_COUNT = 10_000
EVENTS = 100
"""Of a finding."""
Key = tuple[str, str, tuple[str, ...]]
"""(correlation, tenant, values of the group)."""


class _Part(Struct, frozen=True):
    """A rule's place in a correlation."""

    correlation: Correlation
    wanted: Wanted
    number: int
    group: tuple[str, ...]
    """Names of the fields, as this rule calls them."""


class _State(Struct, array_like=True):
    groups: list[tuple[Key, Window]]


class Correlated:
    """Behaviour rules and correlations over them. See `engines.events.StatefulEngine`."""

    def __init__(self, base: Taa, rules: Sequence[Rule], correlations: Sequence[Correlation]) -> None:
        self._base = base
        self._facts = {one.id: one.facts for one in correlations}
        self._is_record = {rule.id: rule.source.types in {(), ("os_log",)} for rule in rules}
        self._parts, self.hidden = _parts(rules, correlations)
        self._windows: OrderedDict[Key, Window] = OrderedDict()
        self._entries = 0

    @property
    def technology(self) -> Technology:
        """See `EventEngine`."""
        return Technology.TAA

    def facts(self, rule: str) -> RuleFacts:
        """See `EventEngine`."""
        return self._facts.get(rule) or self._base.facts(rule)

    def inspect(self, batch: Batch) -> Iterator[Finding]:
        """See `EventEngine`."""
        columns = Columns(batch)
        for finding in self._base.inspect(batch):
            if finding.rule not in self.hidden:
                yield finding
            yield from self._follow(finding, finding.rule, batch, columns)

    def _follow(self, finding: Finding, origin: str, batch: Batch, columns: Columns) -> Iterator[Finding]:
        """Give what a finding completes; `origin`: the rule over events, whose names its fields have."""
        for part in self._parts.get(finding.rule, ()):
            made = self._add(part, finding, origin, batch, columns)
            if made is not None:
                if made.rule not in self.hidden:
                    yield made
                yield from self._follow(made, origin, batch, columns)

    def _add(self, part: _Part, finding: Finding, origin: str, batch: Batch, columns: Columns) -> Finding | None:
        row, correlation = finding.row, part.correlation
        names = (*part.group, *((correlation.field,) if correlation.field else ()))
        values = [self._value(name, origin, row, batch, columns) for name in names]
        known = [value for value in values if value is not None]
        if len(known) < len(names):
            return None
        group = tuple(known[: len(part.group)])
        window = self._window((correlation.id, _text(batch, "tenant", row), group))
        counted = known[-1] if correlation.field else ""
        entry = Entry(int(batch.numbers["event.time"][row]), part.number, counted, _event(batch, row))
        before = len(window.entries)
        found = window.add(entry, part.wanted)
        self._entries += len(window.entries) - before
        self._bound()
        if not found:
            return None
        because = dict(zip(correlation.group_by, group, strict=True)) | {"findings": str(len(found))}
        events = tuple(dict.fromkeys(one.event for one in found))[:EVENTS]
        return Finding(rule=correlation.id, row=row, because=because, events=events)

    def _value(self, name: str, origin: str, row: int, batch: Batch, columns: Columns) -> str | None:
        kind = _text(batch, "event.type", row)
        field = reading(name, kind, record=self._is_record.get(origin, False))
        column = columns.of(field, kind)
        value = None if column is None else column.values[column.indices[row - batch.types[kind].start]]
        return None if value is None else str(value)[:SHOWN]

    def _window(self, key: Key) -> Window:
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window()
        self._windows.move_to_end(key)
        return window

    def _bound(self) -> None:
        """Forget the groups that were quiet longest, but not the last one."""
        while len(self._windows) > 1 and (len(self._windows) > GROUPS or self._entries > ENTRIES):
            _, oldest = self._windows.popitem(last=False)
            self._entries -= len(oldest.entries)

    def state(self, since: Micros) -> bytes:
        """See `StatefulEngine`."""
        for key, window in list(self._windows.items()):
            window.forget(since)
            if not window.entries:
                del self._windows[key]
        self._entries = sum(len(window.entries) for window in self._windows.values())
        return msgspec.msgpack.encode(_State(list(self._windows.items())))

    def restore(self, state: bytes) -> None:
        """See `StatefulEngine`. What is of rules that are gone is left out."""
        try:
            found = msgspec.msgpack.decode(state, type=_State)
        except msgspec.MsgspecError as error:
            raise WireError(f"what correlations remembered cannot be read: {error}") from error
        self._windows = OrderedDict((key, window) for key, window in found.groups if key[0] in self._facts)
        self._entries = sum(len(window.entries) for window in self._windows.values())
        self._bound()


def _parts(rules: Sequence[Rule], correlations: Sequence[Correlation]) -> tuple[dict[str, list[_Part]], frozenset[str]]:
    """Give for each rule its places in correlations, and the rules that give no findings of their own."""
    ids = _ids(rules, correlations)
    parts: dict[str, list[_Part]] = {}
    hidden: set[str] = set()
    shown: set[str] = set()
    for correlation in correlations:
        for number, reference in enumerate(correlation.rules):
            group = tuple(correlation.aliases.get(name, {}).get(reference, name) for name in correlation.group_by)
            parts.setdefault(ids[reference], []).append(_Part(correlation, _wanted(correlation), number, group))
            (shown if correlation.generate else hidden).add(ids[reference])
    return parts, frozenset(hidden - shown)


def _ids(rules: Sequence[Rule], correlations: Sequence[Correlation]) -> dict[str, str]:
    both: list[Rule | Correlation] = [*rules, *correlations]
    return {one.name: one.id for one in both if one.name} | {one.id: one.id for one in both}


def _wanted(correlation: Correlation) -> Wanted:
    if correlation.kind in {"temporal", "temporal_ordered"}:
        return Wanted(correlation.kind, correlation.span, len(correlation.rules))
    more = correlation.operator == "gt"
    return Wanted(correlation.kind, correlation.span, correlation.count + more, correlation.operator == "eq")


def usable(
    rules: Sequence[Rule], correlations: Sequence[Correlation]
) -> tuple[tuple[Correlation, ...], tuple[Refused, ...]]:
    """Tell the correlations that can be used from those that cannot, with the reason."""
    good = list(correlations)
    refused: list[Refused] = []
    while True:
        ids = _ids(rules, good)
        bad = [(one, reason) for one in good if (reason := _problem(one, ids))]
        if not bad:
            return tuple(good), tuple(refused)
        for one, reason in bad:
            good.remove(one)
            refused.append(Refused(where="", rule=one.id, title=one.facts.title, reason=reason))


def _problem(correlation: Correlation, ids: dict[str, str]) -> str:
    missing = [one for one in correlation.rules if one not in ids]
    if missing:
        return f"it refers to rules that are not in use: {', '.join(missing[:5])}"
    if correlation.id in {ids[one] for one in correlation.rules}:
        return "it refers to itself"
    if correlation.operator in {"lt", "lte", "neq"} and not correlation.kind.startswith("temporal"):
        return f"that too little happens ({correlation.operator}) cannot be told while events still may come"
    if correlation.count > MOST_COUNT or correlation.count < 1:
        return f"a count is from 1 to {MOST_COUNT:,}"
    return ""


def _text(batch: Batch, name: str, row: int) -> str:
    column = batch.dictionaries.get(FIELDS[name].column)
    return str(column.values[column.indices[row]]) if column is not None else ""


def _event(batch: Batch, row: int) -> str:
    epoch = _text(batch, "event.epoch", row)
    return event_id(_text(batch, "host.id", row), epoch, int(batch.numbers["event.sequence"][row]))
