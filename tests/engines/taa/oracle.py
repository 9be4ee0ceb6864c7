"""The naive evaluator: each rule on each row, one by one. What the engine finds must be what it finds."""

from collections.abc import Iterable, Iterator
from typing import Any

from vedette.query.predicate import compile_predicate
from vedette.query.sigma import Rule
from vedette.schema.dictionary import FIELDS, Kind
from vedette.wire.merge import UNKNOWN, Batch

Found = set[tuple[str, int]]
"""(rule, row)."""


def rows_of(batch: Batch) -> list[dict[str, Any]]:
    """Rows of a batch as {column: value}; what is not known is absent."""
    rows: list[dict[str, Any]] = [{} for _ in range(batch.rows)]
    for name, column in batch.dictionaries.items():
        as_map = FIELDS[name].kind is Kind.MAP
        for row, index in enumerate(column.indices.tolist()):
            if index:
                value = column.values[index]
                rows[row][name] = dict(value) if as_map else value
    for name, numbers in batch.numbers.items():
        for row, number in enumerate(numbers.tolist()):
            if number != UNKNOWN:
                rows[row][name] = number
    for (map_column, key), item in _items(batch):
        for row, value in item:
            rows[row].setdefault(map_column, {})[key] = value
    return rows


def _items(batch: Batch) -> Iterator[tuple[tuple[str, str], list[tuple[int, str]]]]:
    for name, key in batch.keys.items():
        column = "winlog.data" if name.startswith("winlog.data.") else "event.extra"
        found = [
            (start + at, key.values[index])
            for start, indices in key.parts
            for at, index in enumerate(indices.tolist())
            if index
        ]
        yield (column, name.removeprefix(column + ".")), found


class Oracle:
    """Every rule on every row."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._checks = [(rule.id, compile_predicate(rule.node())) for rule in rules]

    def find(self, batch: Batch) -> Found:
        """Give what matches in a batch."""
        rows = rows_of(batch)
        return {(rule, row) for rule, matches in self._checks for row, values in enumerate(rows) if matches(values)}
