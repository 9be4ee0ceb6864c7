"""Events of one type -> columns of distinct values and indices, in plain Python.

Entities are shared objects, so they are told apart by identity: the columns of a process that made a
thousand events are computed once. `bytes.translate` then carries the indices of an entity over to those of
its values at about a nanosecond a row.
"""

from array import array
from collections.abc import Iterable, Sequence
from itertools import chain
from sys import byteorder
from typing import Any

from msgspec import Struct

from vedette.wire import limits
from vedette.wire.layout import Kind, Layout, Leaf

Column = tuple[list[Any] | bytes, bytes]
"""Values and indices, as they go onto the wire."""


class Rows:
    """Which distinct object each row has; `None` in `index` means row i has object i."""

    __slots__ = ("_wire", "count", "index")

    def __init__(self, count: int, index: "bytes | array[int] | None" = None) -> None:
        self.count, self.index = count, index
        self._wire: bytes | None = None

    def wire(self) -> bytes:
        """Give the index as little-endian u1 or u2."""
        if self._wire is None:
            if self.index is None:
                self._wire = b""
            else:
                self._wire = self.index if isinstance(self.index, bytes) else little_endian(self.index)
        return self._wire

    def through(self, table: list[int], distinct: int) -> "Rows":
        """Rows of what the objects hold: object i holds thing `table[i]` of `distinct` ones."""
        index = self.index
        if isinstance(index, bytes):
            return Rows(self.count, index.translate(bytes(table).ljust(256, b"\0")))
        mapped = table if index is None else list(map(table.__getitem__, index))
        return Rows(self.count, bytes(mapped) if distinct <= 256 else array("H", mapped))

    def spread(self, values: Sequence[int]) -> Iterable[int]:
        """Give the value of each row."""
        return values if self.index is None else map(values.__getitem__, self.index)


def columns_of(layout: Layout, events: Sequence[Struct]) -> dict[str, Column]:
    """Every column of `events` (all of the type that `layout` is of) that is not entirely unknown."""
    columns: dict[str, Column] = {}
    _entity(layout, events, Rows(len(events)), columns)
    return columns


def column_of_values(name: str, values: Sequence[Any]) -> Column | None:
    """One column from the values of its rows (tuples for lists); None when all are unknown."""
    kinds = {type(value) for value in values if value is not None}
    kind = (
        Kind.MAP if dict in kinds else Kind.LIST if tuple in kinds else Kind.INTEGER if kinds == {int} else Kind.SCALAR
    )
    return _column(Leaf(0, name, kind), values, Rows(len(values)))


def items_of(values: list[Any] | bytes) -> int:
    """Count the items of the lists and maps among `values`."""
    if isinstance(values, bytes):
        return 0
    return sum(len(value) for value in values if isinstance(value, list | tuple | dict))


def integers(values: Iterable[int]) -> bytes:
    """Raw little-endian i8. Raises OverflowError beyond 64 bits, TypeError for what is no integer."""
    return little_endian(array("q", values))


def little_endian(numbers: "array[int]") -> bytes:
    """Give the bytes of an array as the wire has them; turns the array's bytes on a big-endian host."""
    if byteorder == "big":
        numbers.byteswap()
    return numbers.tobytes()


def _entity(layout: Layout, objects: Sequence[Struct | None], rows: Rows, columns: dict[str, Column]) -> None:
    fields = list(zip(*_tuples(layout, objects), strict=True))
    for leaf in layout.leaves:
        values = fields[leaf.position]
        if leaf.kind is Kind.SPREAD:
            _spread(leaf.column, values, rows, columns)
        elif (column := _column(leaf, values, rows)) is not None:
            columns[leaf.column] = column
    for position, below in layout.entities:
        things = fields[position]
        if things[0] is None and things[-1] is None and things.count(None) == len(things):
            continue
        _entity(below, *_distinct_objects(things, rows), columns)


def _tuples(layout: Layout, objects: Sequence[Struct | None]) -> Iterable[tuple[Any, ...]]:
    kinds = set(map(type, objects))
    if kinds == {layout.struct}:
        return map(layout.fetch, objects)
    # An unknown entity, or a struct with fewer attributes (a File where a ChangedFile is expected).
    return [
        layout.fetch(one)
        if type(one) is layout.struct
        else tuple(getattr(one, name, None) for name in layout.attributes)
        for one in objects
    ]


def _distinct_objects(objects: Sequence[Any], rows: Rows) -> tuple[Sequence[Any], Rows]:
    """Tell objects apart by identity."""
    ids = list(map(id, objects))
    first = dict(zip(ids, objects))  # noqa: B905 - of one length; the check costs a fifth here
    if len(first) == len(ids):
        return objects, rows
    if len(first) == 1:
        return objects[:1], rows.through([0] * len(ids), 1)
    order = dict(zip(first, range(len(first))))  # noqa: B905 - same
    return list(first.values()), rows.through(list(map(order.__getitem__, ids)), len(first))


def _column(leaf: Leaf, values: Sequence[Any], rows: Rows) -> Column | None:
    if leaf.kind is Kind.MAP or leaf.kind is Kind.LIST:
        _check_items(values)
    one = values[0]
    # Counting one object takes 2 ns a row, a set 14; most columns are unknown or the same everywhere.
    if values[-1] is one and values[len(values) // 2] is one and values.count(one) == len(values):
        return None if one is None else _listed([one], rows.through([0] * len(values), 1))
    if leaf.kind is Kind.MAP:
        return _listed(*_distinct_objects(values, rows))
    distinct = len(set(values))
    if distinct == 1:
        return _listed(values[:1], rows.through([0] * len(values), 1))
    if leaf.kind is Kind.INTEGER and _mostly_distinct(distinct, rows.count):
        try:
            return integers(rows.spread(values)), b""
        except (OverflowError, TypeError):
            pass  # an unsigned 64-bit number, or unknown in some rows: goes as a list
    if distinct == len(values):
        return _listed(values, rows)
    # Order of appearance: neighbours resemble each other, so they compress better than in a set's order.
    order = dict(zip(dict.fromkeys(values), range(distinct)))  # noqa: B905 - of one length
    return _listed(list(order), rows.through(list(map(order.__getitem__, values)), distinct))


def _check_items(values: Sequence[Any]) -> None:
    for value in values:
        if value is not None and len(value) > limits.ITEMS:
            raise ValueError(f"{len(value)} items, allowed are {limits.ITEMS}")


def _listed(values: Sequence[Any], rows: Rows) -> Column:
    return list(values), rows.wire()


def _mostly_distinct(distinct: int, rows: int) -> bool:
    """Raw integers take 8 bytes a row; a list of them 3 to 9 a value and 1 or 2 a row."""
    return distinct > 16 and distinct * 2 > rows


def _spread(prefix: str, maps: Sequence[dict[str, str] | None], rows: Rows, columns: dict[str, Column]) -> None:
    """One column for each key of the maps; work grows with the entries, not with keys times rows."""
    filled: dict[str, tuple[list[int], list[str]]] = {}
    for position, entries in enumerate(maps):
        for key, value in (entries or {}).items():
            where = filled.get(key)
            if where is None:
                if len(key) > limits.NAME_CHARACTERS // 2:
                    raise ValueError(f"a name of {len(key)} characters")
                where = filled[key] = ([], [])
            where[0].append(position)
            where[1].append(value)
    for key, (positions, values) in filled.items():
        columns[f"{prefix}.{key}"] = _sparse(positions, values, len(maps), rows)


def _sparse(positions: list[int], values: list[str], objects: int, rows: Rows) -> Column:
    absent: Iterable[None] = (None,) if len(positions) < objects else ()
    order: dict[str | None, int] = {}
    for value in chain(absent, values):
        order.setdefault(value, len(order))
    table = [0] * objects
    for position, value in zip(positions, values, strict=True):
        table[position] = order[value]
    return _listed(list(order), rows.through(table, len(order)))
