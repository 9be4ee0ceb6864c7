"""Bodies of batches: made once from realistic events, then sent several times with new numbers and times.

Making and packing events costs 9 to 16 us each, giving them new numbers and times 2 to 4. A batch is used
USES times, by as many hosts; what the store sees twice of it are entity ids and the odd unique value.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import cycle, islice
from typing import Any

from vedette.fleet.endpoint import Endpoint
from vedette.runtime.clock import Clock
from vedette.schema.dictionary import FIELDS, Kind
from vedette.schema.events.base import Event
from vedette.schema.fields import Micros
from vedette.wire.batch import Builder, Column, RawColumns
from vedette.wire.builder import TypeColumns, compress
from vedette.wire.columns import integers
from vedette.wire.decode import decode_body, numbers_of

USES = 8
ENDPOINTS = 10
"""Hosts whose programs, users and modules one thread draws on."""

_SEQUENCE, _TIME = "event.sequence", "event.time"
_TIMES = frozenset(name for name, field in FIELDS.items() if field.kind is Kind.TIME)


class Template:
    """A batch whose events are numbered from 1."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.count = len(events)
        self._newest = max(event.time for event in events)
        self._types: Mapping[str, RawColumns] = decode_body(Builder(list(events)).encode(1))

    def body(self, *, first: int, newest: Micros) -> bytes:
        """Give the batch numbered from `first`, every time in it moved so that the newest event is at `newest`."""
        shift = newest - self._newest
        types = {}
        for name, part in self._types.items():
            moved = {column: _moved(part.columns[column], shift) for column in part.columns.keys() & _TIMES}
            numbers = _moved(part.columns[_SEQUENCE], first - 1)
            types[name] = TypeColumns(part.rows, part.columns | moved | {_SEQUENCE: numbers})
        return compress(types)


class Content:
    """Gives bodies of batches of `count` events without end; for one thread."""

    def __init__(self, count: int, *, clock: Clock, seed: int = 0, replayed: Sequence[Event] = ()) -> None:
        """`replayed`: send these, in their order and again from the first, instead of synthetic ones."""
        if replayed:
            made = _replay(replayed, count)
        else:
            made = _synthetic(count, [Endpoint(seed * ENDPOINTS + n, clock()) for n in range(ENDPOINTS)])
        self._templates = _each_several_times(made)

    def body(self, *, first: int, newest: Micros) -> bytes:
        """Give a batch of `count` events numbered from `first`, the newest at `newest`."""
        return next(self._templates).body(first=first, newest=newest)


def _synthetic(count: int, hosts: Sequence[Endpoint]) -> Iterator[Template]:
    for host in cycle(hosts):
        yield Template(host.events(count))


def _replay(events: Sequence[Event], count: int) -> Iterator[Template]:
    endless = cycle(events)
    while True:
        yield Template(list(islice(endless, count)))


def _each_several_times(made: Iterator[Template]) -> Iterator[Template]:
    for template in made:
        for _ in range(USES):
            yield template


def _moved(column: Column, shift: int) -> Column:
    values, indices = column
    if isinstance(values, bytes):
        return integers([value + shift for value in numbers_of(values)]), indices
    moved: list[Any] = [None if value is None else value + shift for value in values]
    return moved, indices
