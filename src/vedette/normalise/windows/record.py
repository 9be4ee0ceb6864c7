"""One record of a Windows log in one shape, whatever form it was read from, and the texts that its items are."""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec import Struct

from vedette.normalise.windows.names import is_guid_name, spelled
from vedette.schema.entities import User, WinlogSystem
from vedette.schema.fields import Micros

ITEMS: Final = 256
"""Data items of a record that are kept; the largest known record has about 60."""
LONGEST: Final = 65_536
"""Characters of an item that are kept."""
NESTING: Final = 8
"""Elements within elements that are looked into."""
_GUID_LENGTH: Final = 36


class Record(Struct, frozen=True, kw_only=True):
    """A record. `data` holds EventData and UserData items by their Windows names, blanks in names left out."""

    time: Micros
    system: WinlogSystem
    data: dict[str, str]
    user: User | None = None
    """Account in the record's header: whose token the provider ran under."""
    cut: int = 0
    """Items that were shortened or left out."""


class Items:
    """Collects the items of a record within bounds."""

    def __init__(self) -> None:
        self.data: dict[str, str] = {}
        self.cut = 0

    def put(self, name: str, value: object) -> None:
        """Keep an item under its customary spelling; the first of two with one name stays."""
        key = spelled(name)
        if len(self.data) >= ITEMS:
            self.cut += 1
            return
        text = value if type(value) is str else text_of(value)
        if len(text) > LONGEST:
            text = text[:LONGEST]
            self.cut += 1
        if len(text) == _GUID_LENGTH and is_guid_name(key):
            text = f"{{{text}}}"
        self.data.setdefault(key, text)

    def put_all(self, pairs: Iterable[tuple[str, object]]) -> None:
        """Keep every item."""
        for name, value in pairs:
            self.put(name, value)


def text_of(value: object) -> str:
    """Give a JSON value as Windows shows it: `true`, numbers in decimal, several values one a line."""
    if isinstance(value, dict) and not isinstance(value.get("#text", value), dict):
        value = value["#text"]
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list) and not any(isinstance(one, list | dict) for one in value):
        return "\n".join(map(text_of, value))
    return msgspec.json.encode(value).decode()


def leaves(node: dict[str, Any], items: Items, depth: int = 0) -> None:
    """Keep the elements of UserData: each by its own name, an attribute by that of its element and its own."""
    for name, value in node.items():
        if name == "#attributes" or depth > NESTING:
            continue
        if not isinstance(value, dict):
            items.put(name, value)
            continue
        attributes = value.get("#attributes")
        if isinstance(attributes, dict):
            items.put_all((name + key, text) for key, text in attributes.items() if not key.startswith("xmlns"))
        if "#text" in value:
            items.put(name, value)
        elif depth == NESTING:
            items.cut += 1
        else:
            leaves(value, items, depth + 1)
