"""The columns of a batch as rules read them: for the rows of one event type, an index for each row and the values."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from msgspec import Struct

from vedette.query.glob import fold
from vedette.query.views import text_of
from vedette.schema.dictionary import Field, Kind
from vedette.schema.views import FORMS
from vedette.wire.merge import UNKNOWN, Batch, Sparse
from vedette.wire.values import Indices


class Column(Struct):
    """`values[indices[row]]`; `values[0]` is None: not known. Values are texts, or tuples for lists and maps."""

    values: Sequence[Any]
    indices: Indices


class Columns:
    """Reads one batch; what was computed once is kept while the batch is looked at."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._made: dict[tuple[str, str], Column | None] = {}
        self._items: dict[tuple[str, str], list[tuple[str, Column]]] = {}
        self._keys: dict[str, list[Sparse]] = {}
        for name, key in batch.keys.items():
            self._keys.setdefault(fold(name), []).append(key)

    def of(self, field: Field, kind: str) -> Column | None:
        """Give a field's column in the rows of type `kind`; None when nothing is known in any of them."""
        key = (field.name, kind)
        if key not in self._made:
            self._made[key] = self._make(field, kind)
        return self._made[key]

    def count(self, kind: str) -> int:
        """Give how many rows of a type there are."""
        rows = self._batch.types[kind]
        return int(rows.stop - rows.start)

    def items(self, column: str, kind: str) -> list[tuple[str, Column]]:
        """Give the keys of a map column that rows of type `kind` have, by their full names."""
        made = self._items.get((column, kind))
        if made is None:
            rows, prefix = self._batch.types[kind], column + "."
            made = self._items[column, kind] = [
                (name, Column(key.values, indices))
                for name, key in self._batch.keys.items()
                if name.startswith(prefix) and (indices := _dense(key, rows)) is not None
            ]
        return made

    def _make(self, field: Field, kind: str) -> Column | None:
        rows = self._batch.types[kind]
        if field.view:
            return self._computed(field, kind)
        if field.key:
            return self._item(field, rows)
        numbers = self._batch.numbers.get(field.column)
        if numbers is not None:
            return _of_numbers(numbers[rows], field.kind)
        column = self._batch.dictionaries.get(field.column)
        if column is None or len(column.values) == 1:
            return None
        values: Sequence[Any] = column.values
        if field.kind is Kind.BOOLEAN:
            values = [None if value is None else text_of(Kind.BOOLEAN, value) for value in values]
        indices = column.indices[rows]
        return Column(values, indices) if indices.any() else None

    def _item(self, field: Field, rows: slice) -> Column | None:
        found = [
            Column(key.values, indices)
            for key in self._keys.get(fold(f"{field.column}.{field.key}"), ())
            if (indices := _dense(key, rows)) is not None
        ]
        return _first(found) if found else None

    def _computed(self, field: Field, kind: str) -> Column | None:
        view = field.view
        inputs = [self.of(part, kind) for part in view.inputs] if view else []
        if view is None or not any(inputs):
            return None
        texts = [_texts(part, column) if column else None for part, column in zip(view.inputs, inputs, strict=True)]
        if view.form == "first":
            return _first([column for column in texts if column])
        if view.form == "text":
            return texts[0]
        rows = self._batch.types[kind]
        return _combined(FORMS[view.form].value, texts, rows.stop - rows.start)


def _texts(field: Field, column: Column) -> Column:
    """Give a list's column with one text for each list."""
    if field.view or field.kind is not Kind.LIST:
        return column
    return Column([None if value is None else text_of(Kind.LIST, value) for value in column.values], column.indices)


def _of_numbers(numbers: "np.ndarray[Any, np.dtype[np.int64]]", kind: Kind) -> Column | None:
    different, indices = np.unique(numbers, return_inverse=True)
    texts = [None if number == UNKNOWN else text_of(kind, number) for number in different.tolist()]
    if texts == [None]:
        return None
    if texts[0] is None:  # UNKNOWN is the smallest number
        return Column(texts, indices.astype(np.int32))
    return Column([None, *texts], (indices + 1).astype(np.int32))


def _dense(key: Sparse, rows: slice) -> Indices | None:
    """Give an index for each of `rows`; None when the key is in none of them."""
    whole: Indices | None = None
    for start, indices in key.parts:
        low, high = max(start, rows.start), min(start + len(indices), rows.stop)
        if low >= high:
            continue
        part = indices[low - start : high - start]
        if whole is None:
            whole = np.zeros(rows.stop - rows.start, np.int32)
        np.copyto(whole[low - rows.start : high - rows.start], part, where=part != 0)
    return whole if whole is not None and whole.any() else None


def _first(columns: Sequence[Column]) -> Column:
    """Give for each row the value of the first column that knows it."""
    values, indices = columns[0].values, columns[0].indices
    for other in columns[1:]:
        moved = np.where(other.indices > 0, other.indices + (len(values) - 1), 0).astype(np.int32)
        indices = np.where(indices > 0, indices, moved)
        values = [*values, *other.values[1:]]
    return Column(values, indices)


def _combined(form: Any, columns: Sequence[Column | None], rows: int) -> Column | None:
    """Compute a form once for each different combination of its inputs."""
    code = np.zeros(rows, np.int64)
    for column in columns:
        if column is not None:
            code = code * len(column.values) + column.indices
    different, first, indices = np.unique(code, return_index=True, return_inverse=True)
    inputs = [
        [None] * len(different) if column is None else [column.values[at] for at in column.indices[first].tolist()]
        for column in columns
    ]
    values: list[str | None] = [None]
    order: dict[str | None, int] = {None: 0}
    numbers = np.empty(len(different), np.int32)
    for position, texts in enumerate(zip(*inputs, strict=True)):
        value = form(*texts)
        at = order.get(value)
        if at is None:
            at = order[value] = len(values)
            values.append(value)
        numbers[position] = at
    return Column(values, numbers[indices]) if len(values) > 1 else None
