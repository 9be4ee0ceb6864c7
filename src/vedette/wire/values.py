"""Columns under construction: values are checked and numbered once each, rows only copied.

What a field cannot hold is refused, and told apart from "not known" until it is taken out as text.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from vedette.schema.dictionary import Field, Kind

Indices: TypeAlias = NDArray[np.int32]
Integers: TypeAlias = NDArray[np.int64]
Refusals: TypeAlias = list[tuple[int, Indices, list[Any]]]
"""(first row, indices, values): like a part of a sparse column; index 0 = not refused."""

UNKNOWN = -(2**63)
"""A number column's mark for "not known"; outside the bounds of every field."""
EARLIEST, LATEST = -2_208_988_800_000_000, 10_413_791_999_000_000
"""1900 and 2299: the times that the event store can hold, microseconds."""

_REFUSED = UNKNOWN + 1  # number columns: refused values are numbered upwards from here
_SMALLEST = -(2**62) - 1  # anything below becomes this, so that no agent can name a refused value of another

Accept: TypeAlias = Callable[[Any], Any]
"""Gives a value as the field holds it, or None to refuse it."""


class Index(dict[Any, int]):
    """Value -> number; a value's first use checks it. Used through `map`, so known values cost no Python call."""

    def __init__(self, accept: Accept) -> None:
        super().__init__({None: 0})
        self.accept = accept
        self.accepted: list[Any] = [None]
        self.refused: list[Any] = []

    def __missing__(self, value: Any) -> int:
        accepted = self.accept(value)
        if accepted is None:
            self.refused.append(value)
            number = -len(self.refused)
        else:
            number = len(self.accepted)
            self.accepted.append(accepted)
        self[value] = number
        return number


class _NumberIndex(dict[Any, int]):
    """Value -> the number itself."""

    def __init__(self) -> None:
        super().__init__({None: UNKNOWN})
        self.refused: list[Any] = []

    def __missing__(self, value: Any) -> int:
        # False and 0 are one dictionary key, so a boolean must be a number here.
        if isinstance(value, int):
            number = max(int(value), _SMALLEST)
        else:
            number = _REFUSED + len(self.refused)
            self.refused.append(value)
        self[value] = number
        return number


class Values:
    """A column with a dictionary."""

    def __init__(self, rows: int, accept: Accept) -> None:
        self.index = Index(accept)
        self.indices: Indices = np.zeros(rows, np.int32)

    def put(self, values: Sequence[Any] | bytes, indices: bytes, start: int, rows: int) -> None:
        """Take the column of one batch, as the wire has it, for `rows` rows from `start`."""
        where = self.indices[start : start + rows]
        if len(values) == 1:
            where[:] = self.index[hashable(values[0])]
        else:
            where[:] = _rows(_numbered(self.index, values), indices)

    def take_refusals(self) -> Refusals:
        """Give what was refused; its rows become unknown."""
        return _taken(self.index, 0, self.indices)


class Numbers:
    """A column of integers or times with bounds."""

    def __init__(self, rows: int, minimum: int, maximum: int) -> None:
        self.index = _NumberIndex()
        self.minimum, self.maximum = minimum, maximum
        self.numbers: Integers = np.full(rows, UNKNOWN, np.int64)

    def put(self, values: Sequence[Any] | bytes, indices: bytes, start: int, rows: int) -> None:
        """Take the column of one batch, as the wire has it, for `rows` rows from `start`."""
        where = self.numbers[start : start + rows]
        if isinstance(values, bytes):
            np.maximum(np.frombuffer(values, "<i8"), _SMALLEST, out=where)
        elif len(values) == 1:
            where[:] = self.index[hashable(values[0])]
        else:
            where[:] = _rows(_numbered(self.index, values, np.int64), indices)

    def take_refusals(self) -> Refusals:
        """Give what is no number or out of bounds; its rows become unknown."""
        numbers = self.numbers
        beyond = ((numbers < self.minimum) | (numbers > self.maximum)) & (numbers != UNKNOWN)
        if not beyond.any():
            return []
        distinct, inverse = np.unique(numbers[beyond], return_inverse=True)
        indices = np.zeros(len(numbers), np.int32)
        indices[beyond] = inverse + 1
        numbers[beyond] = UNKNOWN
        refused = self.index.refused
        return [(0, indices, [None, *(n if n >= _SMALLEST else refused[n - _REFUSED] for n in distinct.tolist())])]


class Keyed:
    """One key of a map column; few rows have it, so only the rows of batches with it are kept."""

    def __init__(self, accept: Accept) -> None:
        self.index = Index(accept)
        self.parts: list[tuple[int, Indices]] = []

    def put(self, values: Sequence[Any] | bytes, indices: bytes, start: int, rows: int) -> None:
        """Take the column of one batch, as the wire has it, for `rows` rows from `start`."""
        if len(values) == 1:
            part = np.full(rows, self.index[hashable(values[0])], np.int32)
        else:
            part = _rows(_numbered(self.index, values), indices)
        self.parts.append((start, part))

    def take_refusals(self) -> Refusals:
        """Give what was refused; its rows become unknown."""
        return [one for start, part in self.parts for one in _taken(self.index, start, part)]


def _taken(index: Index, start: int, indices: Indices) -> Refusals:
    if not index.refused or not (refused := indices < 0).any():
        return []
    taken = np.where(refused, -indices, 0).astype(np.int32)
    indices[refused] = 0
    return [(start, taken, [None, *index.refused])]


def _numbered(index: Index | _NumberIndex, values: Sequence[Any] | bytes, dtype: Any = np.int32) -> NDArray[Any]:
    """Give the number of each value."""
    found = np.frombuffer(values, "<i8").tolist() if isinstance(values, bytes) else values
    try:
        return np.fromiter(map(index.__getitem__, found), dtype, len(found))
    except TypeError:  # lists and maps
        return np.fromiter(map(index.__getitem__, map(hashable, found)), dtype, len(found))


def _rows(numbers: NDArray[Any], indices: bytes) -> NDArray[Any]:
    """Spread the numbers of the values over the rows."""
    if not indices:
        return numbers
    return np.take(numbers, np.frombuffer(indices, np.uint8 if len(numbers) <= 256 else "<u2"))


def hashable(value: Any) -> Any:
    """Give a list as a tuple and a map as a tuple of its pairs."""
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    return value


def as_text(value: Any) -> str:
    """Give any value of the wire as text: JSON but for texts."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def accepting(kind: Kind, maximum: int) -> Accept:
    """Give the check of a field of `kind` (not integer or time): type, and length up to `maximum`."""
    if kind is Kind.BOOLEAN:
        # 0 and 1 are the same dictionary keys as False and True, so they must mean the same.
        return lambda value: bool(value) if isinstance(value, int) and value in (0, 1) else None
    if kind is Kind.TEXT:
        return lambda value: value if type(value) is str and len(value) <= maximum else None
    pairs = kind is Kind.MAP

    def accept(value: Any) -> Any:
        fits = type(value) is tuple and len(value) <= maximum
        return value if fits and all(isinstance(item, tuple) is pairs for item in value) else None

    return accept


def column_of(field: Field, rows: int) -> Values | Numbers:
    """Begin the column of `field` for `rows` rows, all unknown."""
    if field.kind is Kind.TIME:
        return Numbers(rows, EARLIEST, LATEST)
    if field.kind is Kind.INTEGER:
        return Numbers(rows, field.minimum, field.maximum)
    return Values(rows, accepting(field.kind, field.maximum))
