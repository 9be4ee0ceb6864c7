"""What leaves the buffer unsent: whole batches, or of a batch that was never sent only what is worth least."""

from collections.abc import Mapping
from typing import NamedTuple

from vedette.runtime.errors import WireError
from vedette.schema.entities import Gap
from vedette.wire.builder import TypeColumns, compress
from vedette.wire.columns import integers
from vedette.wire.decode import RawColumns, decode_body, numbers_of

BULK = frozenset({"file_create", "file_change", "module_load", "registry_change", "pipe_event"})
"""Event types that are many and tell little alone: these make room for all others."""
UNREADABLE = "buffer_corrupt"
"""Stands for the event type where the batch can no longer be read."""
_SEQUENCE, _TIME = "event.sequence", "event.time"


class Row(NamedTuple):
    """A batch as it lies in the buffer."""

    first: int
    last: int
    size: int


class Part(NamedTuple):
    """Events of one type: how many, and the times of the first and the last."""

    events: int
    start: int | None
    end: int | None


class Left(NamedTuple):
    """What stays of a batch."""

    last: int
    oldest: int
    payload: bytes


class Removal(NamedTuple):
    """One batch that goes, or gets smaller: by type what leaves, and what stays."""

    row: Row
    gone: Mapping[str, Part]
    left: Left | None

    @property
    def events(self) -> int:
        """How many events leave."""
        return sum(part.events for part in self.gone.values())

    @property
    def freed(self) -> int:
        """Bytes that become free."""
        return self.row.size - (0 if self.left is None else len(self.left.payload))


def whole(row: Row, payload: bytes) -> Removal:
    """Let go of all of a batch."""
    try:
        types = decode_body(payload)
    except WireError:
        return Removal(row, {UNREADABLE: Part(row.last - row.first + 1, None, None)}, None)
    return Removal(row, {name: _part(columns) for name, columns in types.items()}, None)


def slimmed(row: Row, payload: bytes) -> Removal | None:
    """Let go of a batch's BULK events; None when that gains nothing.

    The others get the first numbers of the batch, in their order, so that those missing are one range.
    Only for batches that were never sent: their numbers change.
    """
    try:
        types = decode_body(payload)
        bulk = {name: _part(types[name]) for name in types if name in BULK}
        others = {name: columns for name, columns in types.items() if name not in BULK}
        if not bulk:
            return None
        if not others:
            return Removal(row, bulk, None)
        left = _renumbered(row.first, others)
    except WireError:
        return None
    return Removal(row, bulk, left) if len(left.payload) < row.size else None


def gap_of(reason: str, removals: list[Removal]) -> list[Gap]:
    """Tell what left, by event type. `first`..`last` are the numbers between which the missing ones lie."""
    gaps: list[Gap] = []
    for name in sorted({name for removal in removals for name in removal.gone}):
        of_type = [removal for removal in removals if name in removal.gone]
        parts = [removal.gone[name] for removal in of_type]
        gaps.append(
            Gap(
                reason=reason,
                event_type=name,
                count=sum(part.events for part in parts),
                start=min((part.start for part in parts if part.start is not None), default=None),
                end=max((part.end for part in parts if part.end is not None), default=None),
                first=min(_missing(removal) for removal in of_type),
                last=max(removal.row.last for removal in of_type),
            )
        )
    return gaps


def _missing(removal: Removal) -> int:
    return removal.row.first if removal.left is None else removal.left.last + 1


def _renumbered(first: int, types: Mapping[str, RawColumns]) -> Left:
    numbers = sorted(number for columns in types.values() for number in _integers(columns, _SEQUENCE))
    place = {number: first + at for at, number in enumerate(numbers)}
    kept: dict[str, TypeColumns] = {}
    for name, part in types.items():
        sequence = integers(place[number] for number in _integers(part, _SEQUENCE))
        kept[name] = TypeColumns(part.rows, part.columns | {_SEQUENCE: (sequence, b"")})
    oldest = min((time for part in types.values() for time in _integers(part, _TIME)), default=0)
    return Left(first + len(numbers) - 1, oldest, compress(kept))


def _part(columns: RawColumns) -> Part:
    times = _integers(columns, _TIME)
    return Part(columns.rows, min(times, default=None), max(times, default=None))


def _integers(columns: RawColumns, name: str) -> list[int]:
    values, _ = columns.columns.get(name, (b"", b""))
    return list(numbers_of(values)) if isinstance(values, bytes) else []
