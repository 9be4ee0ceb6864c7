"""What the rows of the acceptance table ask of events, whatever system they are of."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

Event = Mapping[str, Any]
Scene = TypeVar("Scene")


class RowError(AssertionError):
    """What arrived is not what the row asks for."""


def need(*, that: bool, what: str, got: object) -> None:
    if not that:
        raise RowError(f"{what}: got {got!r}")


def equal(event: Event, name: str, expected: object) -> None:
    need(that=event.get(name) == expected, what=f"{name} must be {expected!r}", got=event.get(name))


def digits(event: Event, name: str) -> None:
    value = event.get(name)
    need(that=bool(re.fullmatch(r"[0-9a-f]{32}", str(value))), what=f"{name} of 128 bits in hex", got=value)


class Events(Generic[Scene]):
    """The events of a scene. Every question names what is missing."""

    def __init__(self, events: list[dict[str, Any]], scene: Scene) -> None:
        self.events, self.scene = events, scene

    def one(self, kind: str, **wanted: object) -> Event:
        """Give the event of a type with these values; `__` stands for the dot of a name."""
        names = {name.replace("__", "."): value for name, value in wanted.items()}
        for event in self.events:
            if event.get("event.type") == kind and all(event.get(name) == value for name, value in names.items()):
                return event
        raise RowError(f"no {kind} with {names} among {len(self.events)} events")
