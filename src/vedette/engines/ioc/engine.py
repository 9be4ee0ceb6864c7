"""The engine: a batch of columns in, findings out. Each distinct value of a column is looked up once."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from vedette.engines.events import Finding, RuleFacts
from vedette.engines.ioc.keys import KINDS, Keys
from vedette.engines.ioc.rows import Rows
from vedette.engines.ioc.table import Table, as_words
from vedette.query.ioc.file import Rule
from vedette.query.ioc.indicators import Kind
from vedette.schema.alerts import Technology
from vedette.wire.merge import Batch, Dictionary

SHOWN = 1_024
"""Characters of a value in a finding."""


class Ioc:
    """Boolean IOCs and tables of indicators. See `engines.events.EventEngine`."""

    def __init__(self, rules: Sequence[Rule], tables: Sequence[Table]) -> None:
        self._rules = [(rule.id, rule.node) for rule in rules if rule.node is not None]
        self._rows = Rows(node for _id, node in self._rules)
        self._tables = [_Lookup(table) for table in tables if table.header.count]
        self._facts = {rule.id: RuleFacts(id=rule.id, title=rule.title, level="high") for rule in rules}
        for table in tables:
            for source in table.sources:
                self._facts[source.id] = RuleFacts(id=source.id, title=source.title, level=source.level)

    @property
    def technology(self) -> Technology:
        """See `EventEngine`."""
        return Technology.IOC

    def facts(self, rule: str) -> RuleFacts:
        """See `EventEngine`."""
        return self._facts[rule]

    def inspect(self, batch: Batch) -> Iterator[Finding]:
        """See `EventEngine`."""
        look = self._rows.look(batch)
        for rule, node in self._rules:
            for row in look.rows(node):
                because = {name: value[:SHOWN] for name, value in look.because(node, row).items()}
                yield Finding(rule=rule, row=row, because=because)
        for table in self._tables:
            yield from table.inspect(batch)


class _Lookup:
    """One table over the columns that could hold what is in it."""

    def __init__(self, table: Table) -> None:
        self._table = table
        header = table.header
        present = {Kind(name) for name in header.kinds}
        keys = Keys(header.secret)
        self._columns = {
            column: keys.lookups(wanted, header.lengths, header.labels)
            for column, kinds in KINDS.items()
            if (wanted := tuple(kind for kind in kinds if kind in present))
        }

    def inspect(self, batch: Batch) -> Iterator[Finding]:
        """One finding for each event and list, with every column in which the list was met."""
        gathered = bytearray()
        places: list[tuple[str, int]] = []
        for column in self._columns:
            seen = batch.dictionaries.get(column)
            if seen is not None:
                self._gather(column, seen, gathered, places)
        found: dict[tuple[int, int], dict[str, str]] = {}
        for number, source in self._table.find(as_words(gathered)):
            column, position = places[number]
            seen = batch.dictionaries[column]
            shown = _shown(seen.values[position])
            for row in np.flatnonzero(seen.indices == position).tolist():
                found.setdefault((source, row), {})[column] = shown
        for (source, row), because in found.items():
            yield Finding(rule=self._table.sources[source].id, row=row, because=because)

    def _gather(self, column: str, seen: Dictionary, gathered: bytearray, places: list[tuple[str, int]]) -> None:
        keys = self._columns[column]
        for position, value in enumerate(seen.values):
            for text in () if value is None else value if isinstance(value, tuple) else (value,):
                for key in keys(text):
                    gathered += key
                    places.append((column, position))


def _shown(value: Any) -> str:
    return (", ".join(value) if isinstance(value, tuple) else str(value))[:SHOWN]
