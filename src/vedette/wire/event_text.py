"""One event as JSON: as the schema writes it, or flat as `vedette hunt --json` prints it."""

from collections.abc import Mapping
from typing import Any

import msgspec

from vedette.schema.dictionary import shown
from vedette.schema.events import EVENT_TYPES, AnyEvent, tag
from vedette.schema.events.base import Event
from vedette.wire.layout import Kind, Layout, layout_of

_TYPES = {tag(kind): kind for kind in EVENT_TYPES}
_nested: msgspec.json.Decoder[Event] = msgspec.json.Decoder(AnyEvent)


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
