"""Decoded batches of one spool segment -> one `Batch`: columns with dictionaries, values as the dictionary says.

Values are checked once each, not once a row. What does not fit is kept as text under `event.extra.<column>` and
counted; nothing that an agent sends makes a batch fail. This is also the form that detection reads.
"""

from collections.abc import Sequence
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from vedette.schema.dictionary import FIELDS, Field, Kind
from vedette.schema.events import EVENT_TYPES, tag
from vedette.schema.fields import Micros
from vedette.wire.decode import RawBatch, RawColumns
from vedette.wire.values import (
    UNKNOWN,
    Indices,
    Integers,
    Keyed,
    Numbers,
    Refusals,
    Values,
    accepting,
    as_text,
    column_of,
    hashable,
)

__all__ = ["EXTRA", "KNOWN_TYPES", "UNKNOWN", "Arrival", "Batch", "Dictionary", "Sparse", "merge"]

EXTRA = "event.extra."
"""Prefix of what the field dictionary does not know."""
KNOWN_TYPES = frozenset(tag(event) for event in EVENT_TYPES)

_SPREAD = tuple(f"{field.name}." for field in FIELDS.values() if field.spread)
_KEY_TEXT = 65_536  # characters


class Arrival(msgspec.Struct, frozen=True):
    """A decoded batch with what the Central Node knows of its sender."""

    batch: RawBatch
    host: str
    """Agent id of the client certificate."""
    tenant: str
    epoch: str
    received: Micros


class Dictionary(msgspec.Struct):
    """A column of texts, booleans, lists (tuples) or maps (tuples of pairs): `values[indices[row]]`.

    `values[0]` is None: unknown. Booleans, lists and maps are told apart by the field's kind.
    """

    values: list[Any]
    indices: Indices


class Sparse(msgspec.Struct):
    """One key of a map column: like Dictionary, but only for the rows in `parts` (first row, indices)."""

    values: list[Any]
    parts: list[tuple[int, Indices]]

    def dense(self, rows: int) -> Indices:
        """Give an index for each of `rows` rows; 0 where the key is absent."""
        whole = np.zeros(rows, np.int32)
        for start, indices in self.parts:
            np.copyto(whole[start : start + len(indices)], indices, where=indices != 0)
        return whole


class Batch(msgspec.Struct):
    """Events of one segment, ordered by type: `types[t]` are the rows of type t in every column."""

    rows: int
    types: dict[str, slice]
    dictionaries: dict[str, Dictionary]
    numbers: dict[str, Integers]
    """Integer and time columns; UNKNOWN where not known."""
    keys: dict[str, Sparse]
    """Keys of `winlog.data` and `event.extra` that are no columns, by full name."""
    arrival: Indices
    """Row -> number of the arrival it came with."""
    extras: Indices
    """Row -> values that went to `event.extra`."""


def merge(arrivals: Sequence[Arrival]) -> Batch:
    """Join the known event types of `arrivals`. Identity is the sender's, whatever the batches say."""
    parts: dict[str, list[tuple[int, RawColumns]]] = {}
    for number, arrival in enumerate(arrivals):
        for name, part in arrival.batch.types.items():
            if name in KNOWN_TYPES:
                parts.setdefault(name, []).append((number, part))
    merger = _Merger(sum(part.rows for of_type in parts.values() for _, part in of_type))
    types = {name: merger.add_type(of_type) for name, of_type in parts.items()}
    merger.add_arrivals(arrivals, types)
    return merger.finish(types)


class _Merger:
    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.at = 0
        self.columns: dict[str, Values | Numbers] = {}
        self.keys: dict[str, Keyed] = {}
        self.arrival: Indices = np.zeros(rows, np.int32)

    def add_type(self, parts: Sequence[tuple[int, RawColumns]]) -> slice:
        begin = self.at
        known: dict[str, Values | Numbers | Keyed] = {}
        for number, part in parts:
            start, rows = self.at, part.rows
            self.arrival[start : start + rows] = number
            for name, (values, indices) in part.columns.items():
                column = known.get(name)
                if column is None:
                    column = known[name] = self._column(name)
                column.put(values, indices, start, rows)
            self.at += rows
        return slice(begin, self.at)

    def _column(self, name: str) -> Values | Numbers | Keyed:
        field = FIELDS.get(name)
        if field is not None and _from_agent(field):
            column = self.columns.get(name)
            if column is None:
                column = self.columns[name] = column_of(field, self.rows)
            return column
        of_map = name.startswith(_SPREAD)
        key = name if of_map else EXTRA + name.removeprefix(EXTRA)
        if key not in self.keys:
            self.keys[key] = Keyed(accepting(Kind.TEXT, _KEY_TEXT) if of_map else as_text)
        return self.keys[key]

    def add_arrivals(self, arrivals: Sequence[Arrival], types: dict[str, slice]) -> None:
        """Fill what is the same for all rows of an arrival, and the type."""
        facts = [_facts(arrival) for arrival in arrivals]
        for name in dict.fromkeys(chain.from_iterable(facts)):
            column = Values(self.rows, accepting(FIELDS[name].kind, FIELDS[name].maximum))
            one = np.array([column.index[fact[name]] for fact in facts], np.int32)
            column.indices = one[self.arrival]
            self.columns[name] = column
        received = np.array([arrival.received for arrival in arrivals], "<i8")
        self._column_of_server("event.received").put(received[self.arrival].tobytes(), b"", 0, self.rows)
        kind = self._column_of_server("event.type")
        for name, rows in types.items():
            kind.put([name], b"", rows.start, rows.stop - rows.start)

    def _column_of_server(self, name: str) -> Values | Numbers:
        column = self.columns[name] = column_of(FIELDS[name], self.rows)
        return column

    def finish(self, types: dict[str, slice]) -> Batch:
        keys = self._sparse()
        extras = np.zeros(self.rows, np.int32)
        for name, key in keys.items():
            if name.startswith(EXTRA):
                for start, part in key.parts:
                    extras[start : start + len(part)] += part != 0
        found = self.columns.items()
        return Batch(
            rows=self.rows,
            types=types,
            dictionaries={n: Dictionary(c.index.accepted, c.indices) for n, c in found if isinstance(c, Values)},
            numbers={name: column.numbers for name, column in found if isinstance(column, Numbers)},
            keys=keys,
            arrival=self.arrival,
            extras=extras,
        )

    def _sparse(self) -> dict[str, Sparse]:
        """All map keys, with what was refused elsewhere among them."""
        refused: dict[str, Refusals] = {}
        for name, column in chain(self.columns.items(), self.keys.items()):
            if taken := column.take_refusals():
                refused[EXTRA + name.removeprefix(EXTRA)] = taken
        keys = {name: Sparse(key.index.accepted, key.parts) for name, key in self.keys.items()}
        for name, parts in refused.items():
            key = keys.setdefault(name, Sparse([None], []))
            for start, indices, values in parts:
                moved = np.where(indices > 0, indices + (len(key.values) - 1), 0).astype(np.int32)
                key.parts.append((start, moved))
                key.values.extend(map(as_text, values[1:]))
        return keys


def _facts(arrival: Arrival) -> dict[str, Any]:
    """Column -> value of what a batch's header says and the Central Node knows."""
    header = arrival.batch.header
    facts: dict[str, Any] = {}
    for prefix, entity in (("host.", header.host), ("os.", header.os)):
        for name in entity.__struct_fields__:
            facts[prefix + name] = hashable(getattr(entity, name))
    return facts | {"host.id": arrival.host, "tenant": arrival.tenant, "event.epoch": arrival.epoch}


def _from_agent(field: Field) -> bool:
    """Whether agents may fill this column, event by event."""
    return not field.header and (not field.server or field.name == "event.sequence") and not field.spread
