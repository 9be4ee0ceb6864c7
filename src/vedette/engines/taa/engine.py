"""The engine: a batch of columns in, findings out.

For each event type and Windows log: the values of each field are looked at once and become classes; a row becomes a
signature of its classes; rules are tried once for each new signature.
"""

import secrets
from collections.abc import Iterator
from typing import Any

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from vedette.engines.events import Finding
from vedette.engines.taa.columns import Column, Columns
from vedette.engines.taa.compiled import ANYWHERE, Compiled
from vedette.engines.taa.plan import Hashes, Plan
from vedette.schema.alerts import Technology
from vedette.schema.dictionary import FIELDS, Field, Kind
from vedette.schema.rule_facts import RuleFacts
from vedette.wire.merge import Batch

SHOWN = 1_024
"""Characters of a value in a finding."""
_FAMILY, _CHANNEL = FIELDS["os.family"], FIELDS["winlog.system.channel"]
Rows = NDArray[np.int64]


class _Part(Struct):
    """What one column tells of the rows of a group: for each row the hash of its class, and the class."""

    classes: list[frozenset[int]]
    """By value of the column."""
    indices: NDArray[np.int32]


class Taa:
    """Behaviour rules. See `engines.events.EventEngine`."""

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled
        self._channels = compiled.channels()
        self._families = compiled.families()
        self._plans: dict[tuple[str, str, str], Plan] = {}
        self._key = secrets.token_bytes(32)
        self._facts = {rule.id: rule.facts for rule in compiled.rules}

    @property
    def technology(self) -> Technology:
        """See `EventEngine`."""
        return Technology.TAA

    def facts(self, rule: str) -> RuleFacts:
        """See `EventEngine`."""
        return self._facts[rule]

    def inspect(self, batch: Batch) -> Iterator[Finding]:
        """See `EventEngine`."""
        columns = Columns(batch)
        for kind, rows in batch.types.items():
            for key, chosen in self._groups(columns, kind, rows.stop - rows.start):
                plan = self._plan(*key)
                if not plan.empty:
                    yield from self._group(plan, columns, chosen, rows.start)

    def _plan(self, kind: str, family: str, channel: str) -> Plan:
        key = (kind, family, channel)
        plan = self._plans.get(key)
        if plan is None:
            rules = self._compiled.applying(*key)
            plan = self._plans[key] = Plan(self._compiled, kind, rules, self._key)
        return plan

    def _groups(self, columns: Columns, kind: str, count: int) -> Iterator[tuple[tuple[str, str, str], Rows | None]]:
        """Give rows of a type by system and Windows log; None = all of them."""
        families, family = _named(columns.of(_FAMILY, kind), self._families, count)
        channels, channel = _named(columns.of(_CHANNEL, kind), self._channels, count)
        group = family * len(channels) + channel
        present = np.flatnonzero(np.bincount(group, minlength=1)).tolist()
        for number in present:
            rows = None if len(present) == 1 else np.flatnonzero(group == number)
            yield (kind, families[number // len(channels)], channels[number % len(channels)]), rows

    def _group(self, plan: Plan, columns: Columns, rows: Rows | None, start: int) -> Iterator[Finding]:
        parts: list[_Part] = []
        signatures: Hashes | None = None
        for name, column in _columns(plan, columns):
            made = self._part(plan, name, column, rows)
            if made is not None:
                hashes, part = made
                parts.append(part)
                signatures = hashes if signatures is None else signatures + hashes
        if signatures is None:
            yield from self._without_values(plan, columns, rows, start)
            return
        different, first, where = np.unique(signatures, return_index=True, return_inverse=True)
        for number, (signature, row) in enumerate(zip(different.tolist(), first.tolist(), strict=True)):
            found = plan.seen.get(signature)
            if found is None:
                found = plan.matching(_passed(plan, parts, row))
                plan.seen.put(signature, found)
            if found:
                passed = _passed(plan, parts, row)
                for at in np.flatnonzero(where == number).tolist():
                    yield from self._findings(
                        plan, columns, found, passed, int(rows[at]) if rows is not None else at, start
                    )

    def _without_values(self, plan: Plan, columns: Columns, rows: Rows | None, start: int) -> Iterator[Finding]:
        """Rules that match where nothing that they ask for is known: those that only exclude."""
        found = plan.matching(frozenset())
        if found:
            count = len(rows) if rows is not None else columns.count(plan.kind)
            for at in range(count):
                yield from self._findings(
                    plan, columns, found, frozenset(), int(rows[at]) if rows is not None else at, start
                )

    def _part(self, plan: Plan, name: str, column: Column, rows: Rows | None) -> tuple[Hashes, _Part] | None:
        indices = column.indices if rows is None else column.indices[rows]
        values = column.values
        if len(values) > 2 * len(indices) + 16:
            chosen, where = np.unique(indices, return_inverse=True)
            indices = where.astype(np.int32)
            values = [values[at] for at in chosen.tolist()]
        matcher = self._compiled.matchers[name]
        if name == ANYWHERE and matcher.in_none(values):
            return None
        classes = matcher.classes_of(values)
        hashes = plan.hashes(name, classes)
        if not hashes.any():
            return None
        return hashes[indices], _Part(classes, indices)

    def _findings(
        self, plan: Plan, columns: Columns, found: tuple[int, ...], passed: frozenset[int], row: int, start: int
    ) -> Iterator[Finding]:
        for position in found:
            because: dict[str, str] = {}
            for test in plan.because(position, passed):
                name = self._compiled.field_of[test]
                if name == ANYWHERE:
                    self._tell_keyword(plan, columns, test, row, because)
                else:
                    _tell(columns, plan.kind, self._compiled.fields[name], row, because)
            rule = self._compiled.rules[plan.number(position)]
            yield Finding(rule=rule.id, row=start + row, because=because)

    def _tell_keyword(self, plan: Plan, columns: Columns, test: int, row: int, because: dict[str, str]) -> None:
        """Note the texts in which a keyword is."""
        matcher = self._compiled.matchers[ANYWHERE]
        for name, column in _keyword_columns(plan, columns):
            value = column.values[column.indices[row]]
            if value is not None and test in matcher.class_of(value):
                because[name] = _shown(value)


def _tell(columns: Columns, kind: str, field: Field, row: int, because: dict[str, str]) -> None:
    """Note what is known of a field; of a computed one, of what it is computed of."""
    if field.name in because:
        return
    if field.view:
        for part in field.view.inputs:
            _tell(columns, kind, part, row, because)
        return
    column = columns.of(field, kind)
    if column is not None and (value := column.values[column.indices[row]]) is not None:
        because[field.name] = _shown(value)


def _columns(plan: Plan, columns: Columns) -> Iterator[tuple[str, Column]]:
    """Give (name of the matcher, column) of everything that a plan reads."""
    for field in plan.fields:
        column = columns.of(field, plan.kind)
        if column is not None:
            yield field.name, column
    for _, column in _keyword_columns(plan, columns):
        yield ANYWHERE, column


def _keyword_columns(plan: Plan, columns: Columns) -> Iterator[tuple[str, Column]]:
    for field in plan.keyword_fields:
        if field.kind is Kind.MAP:
            yield from columns.items(field.name, plan.kind)
        elif (column := columns.of(field, plan.kind)) is not None:
            yield field.name, column


def _passed(plan: Plan, parts: list[_Part], row: int) -> frozenset[int]:
    """Give the tests of these rules that a row passes."""
    return plan.tests.intersection(frozenset().union(*(part.classes[part.indices[row]] for part in parts)))


def _named(column: Column | None, known: frozenset[str], count: int) -> tuple[list[str], Rows]:
    """Give names that some rule has, in lower case, and the number of its name for each row; all others are "" (0)."""
    names = ["", *sorted(known)]
    if column is None:
        return names, np.zeros(count, np.int64)
    numbers = {name: number for number, name in enumerate(names)}
    of_values = np.array([numbers.get((value or "").lower(), 0) for value in column.values], np.int64)
    return names, of_values[column.indices]


def _shown(value: Any) -> str:
    text = (
        value if type(value) is str else ", ".join(one if type(one) is str else f"{one[0]}={one[1]}" for one in value)
    )
    return text[:SHOWN]
