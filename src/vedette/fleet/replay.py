"""Reads events from JSON lines: as the schema writes them, or flat as `vedette hunt --json` prints them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from vedette.runtime.errors import ConfigError
from vedette.schema.dictionary import shown
from vedette.schema.events import EVENT_TYPES, AnyEvent, tag
from vedette.schema.events.base import Event
from vedette.wire.layout import Kind, Layout, layout_of

EVENTS = 100_000
"""So many are read of a file."""
LINE_BYTES = 1 << 20

_TYPES = {tag(kind): kind for kind in EVENT_TYPES}
_nested: msgspec.json.Decoder[Event] = msgspec.json.Decoder(AnyEvent)


def read_events(path: Path) -> list[Event]:
    """Give the events of a file, at most EVENTS. Raises ConfigError with the line that is no event."""
    events: list[Event] = []
    number = 0
    try:
        with path.open("rb") as file:
            while len(events) < EVENTS and (line := file.readline(LINE_BYTES)):
                number += 1
                if line.strip():
                    events.append(parse_event(line))
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}:{number}: {error}") from error
    if not events:
        raise ConfigError(f"{path} holds no events")
    return events


def parse_event(line: bytes) -> Event:
    """Read one line. Raises msgspec.MsgspecError or UnicodeDecodeError for what is no event."""
    flat = msgspec.json.decode(line, type=dict[str, Any])
    if "event.type" not in flat:
        return _nested.decode(line)
    kind = _TYPES.get(str(flat["event.type"]))
    if kind is None:
        raise msgspec.ValidationError(f"unknown event type {flat['event.type']!r}")
    return msgspec.convert(_nest(layout_of(kind), flat, tag(kind)), kind)


def _nest(layout: Layout, flat: Mapping[str, Any], event: str) -> dict[str, Any]:
    """Put flat columns where the struct has them; what the struct does not have (host facts, ids) is left out."""
    nested: dict[str, Any] = {}
    for leaf in layout.leaves:
        if leaf.kind in {Kind.MAP, Kind.SPREAD}:
            prefix = f"{leaf.column}."
            found: Any = {key.removeprefix(prefix): value for key, value in flat.items() if key.startswith(prefix)}
            found = found or flat.get(leaf.column)
        else:
            found = flat.get(shown(event, leaf.column), flat.get(leaf.column))
        if found is not None and found != {}:
            nested[layout.attributes[leaf.position]] = found
    for position, below in layout.entities:
        if inside := _nest(below, flat, event):
            nested[layout.attributes[position]] = inside
    return nested
