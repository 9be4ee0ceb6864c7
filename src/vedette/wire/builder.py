"""The agent's side of a batch: collect events, write them as columns."""

import re
from collections.abc import Iterable
from typing import Any

import msgspec
import zstandard

from vedette.runtime.errors import WireError
from vedette.schema.events.base import Event
from vedette.wire import limits
from vedette.wire.clean import clean
from vedette.wire.columns import Column, columns_of, integers, items_of
from vedette.wire.layout import layout_of, tag_of

_LEVEL = 2
"""Of zstd: here as small as 3 and a fifth cheaper."""
_LONG_TEXT = re.compile(rb"\xdb\x00[\x01-\xff]")
"""How msgpack begins a text of 64 KiB and more; raw integers may look like it too."""
_encoder = msgspec.msgpack.Encoder()


class TypeColumns(msgspec.Struct, frozen=True):
    """All rows of one event type."""

    n: int
    columns: dict[str, Column]


class Builder:
    """Collects events in the order of their sequence numbers; not for several threads at once."""

    def __init__(self, events: list[Event] | None = None) -> None:
        self.events: list[Event] = [] if events is None else events

    def __len__(self) -> int:
        return len(self.events)

    def add(self, event: Event) -> None:
        """Take one more event."""
        self.events.append(event)

    def encode(self, first_sequence: int) -> bytes:
        """Give the body of a batch whose first event has number `first_sequence`; the events stay.

        Values that the format cannot hold are cut or left out (see `clean`).
        Raises WireError when the batch is too large: send it as two.
        """
        if len(self.events) > limits.EVENTS:
            raise WireError(f"batch: {len(self.events)} events, allowed are {limits.EVENTS}")
        return _compressed(_content(self.events, first_sequence))


def compress(types: dict[str, TypeColumns]) -> bytes:
    """Give columns as the body of a batch. Raises WireError when they are too large for one."""
    content = _encoder.encode(types)
    rows = sum(part.n for part in types.values())
    if rows > limits.EVENTS:
        raise WireError(f"batch: {rows} events, allowed are {limits.EVENTS}")
    _check(types)
    return _compressed(content)


def _compressed(content: bytes) -> bytes:
    if len(content) > limits.CONTENT_BYTES:
        raise WireError(f"content: {len(content)} bytes, allowed are {limits.CONTENT_BYTES}")
    body = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True, write_content_size=True).compress(content)
    if len(body) > limits.BODY_BYTES:
        raise WireError(f"body: {len(body)} bytes, allowed are {limits.BODY_BYTES}")
    return body


def _content(events: list[Event], first: int) -> bytes:
    try:
        types = _columns(events, first)
        content = _encoder.encode(types)
        fits = not (_LONG_TEXT.search(content) and _has_long_text(types))
    except (TypeError, ValueError, OverflowError, AttributeError):
        fits = False  # a value of another type, a lone surrogate, a number beyond 64 bits
    if not fits:
        types = _columns(_cleaned(events), first)
        content = _encoder.encode(types)
    if len(content) > limits.VALUES:  # smaller ones cannot break the limits below
        _check(types)
    return content


def _columns(events: list[Event], first: int) -> dict[str, TypeColumns]:
    groups: dict[type[Event], tuple[list[Event], list[int]]] = {}
    for sequence, event in enumerate(events, first):
        group = groups.get(type(event))
        if group is None:
            group = groups[type(event)] = ([], [])
        group[0].append(event)
        group[1].append(sequence)
    types: dict[str, TypeColumns] = {}
    for kind, (rows, sequences) in groups.items():
        columns: dict[str, Column] = {"event.sequence": (integers(sequences), b"")}
        columns.update(columns_of(layout_of(kind), rows))
        if len(columns) > limits.COLUMNS:
            raise WireError(f"{tag_of(kind)}: {len(columns)} columns, allowed are {limits.COLUMNS}")
        types[tag_of(kind)] = TypeColumns(len(rows), columns)
    return types


def _cleaned(events: list[Event]) -> list[Event]:
    seen: dict[tuple[int, int], Any] = {}
    return [clean(layout_of(type(event)), event, seen) for event in events]


def _has_long_text(types: dict[str, TypeColumns]) -> bool:
    return any(
        _long(value) for rows in types.values() for values, _ in rows.columns.values() if isinstance(values, list)
        for value in values
    )  # fmt: skip


def _long(value: Any) -> bool:
    if isinstance(value, str):
        return len(value) > limits.TEXT_CHARACTERS
    texts: Iterable[str] = ()
    if isinstance(value, dict):
        texts = (*value.keys(), *value.values())
    elif isinstance(value, tuple | list):
        texts = value
    return any(len(text) > limits.TEXT_CHARACTERS for text in texts)


def _check(types: dict[str, TypeColumns]) -> None:
    total = 0
    for name, rows in types.items():
        for column, (values, _) in rows.columns.items():
            total += len(values) + items_of(values)
            if isinstance(values, list) and (size := len(_encoder.encode(values))) > limits.COLUMN_BYTES:
                raise WireError(f"{name} {column}: {size} bytes, allowed are {limits.COLUMN_BYTES}")
    if total > limits.VALUES:
        raise WireError(f"batch: {total} values, allowed are {limits.VALUES}")
