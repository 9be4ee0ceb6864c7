"""Reads events from JSON lines: as the schema writes them, or flat as `vedette hunt --json` prints them."""

from pathlib import Path

import msgspec

from vedette.runtime.errors import ConfigError
from vedette.schema.events.base import Event
from vedette.wire.event_text import parse_event

EVENTS = 100_000
"""So many are read of a file."""
LINE_BYTES = 1 << 20


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
