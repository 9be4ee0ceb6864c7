"""Which event columns answer an OpenIOC term; the table is `openioc_terms.toml`."""

import difflib
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from msgspec import Struct

from vedette.schema.dictionary import FIELDS, Field

_ITEM_OF = {
    "ProcessItem/Username": "ProcessItem/user/Username",
    "ProcessItem/SecurityID": "ProcessItem/user/SecurityID",
}
"""A process's user is not below the process in an event."""


class Column(Struct, frozen=True):
    """A column that answers a term; `extension`: only what follows the last dot of its value."""

    field: Field
    extension: bool = False


class Answer(Struct, frozen=True):
    """How events answer a term: its kind of item, and columns by the view of the event that is such an item."""

    item: str
    types: tuple[str, ...]
    views: Mapping[str, tuple[Column, ...]]


def answer(term: str) -> Answer | None:
    """Columns for `term`, whatever its case; None if no event carries it."""
    return _answers().get(_ITEM_OF.get(term, term).lower())


def near(term: str) -> tuple[str, ...]:
    """Known terms that are spelled almost like `term`."""
    names = {name.lower(): name for name in known_terms()}
    return tuple(names[one] for one in difflib.get_close_matches(term.lower(), names, n=2, cutoff=0.87))


@cache
def known_terms() -> tuple[str, ...]:
    """Every term that events can answer."""
    shown = {inner: outer for outer, inner in _ITEM_OF.items()}
    return tuple(sorted(shown.get(name, name) for name in _names()))


def _table() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads((files("vedette.query.ioc") / "openioc_terms.toml").read_text(encoding="utf-8"))


def _names() -> list[str]:
    return [f"{item}/{term}" for item, table in _table().items() for term in table if term not in {"views", "types"}]


@cache
def _answers() -> dict[str, Answer]:
    found: dict[str, Answer] = {}
    for item, table in _table().items():
        for term, paths in table.items():
            if term in {"views", "types"}:
                continue
            views = {view: tuple(_columns(view, paths)) for view in table["views"]}
            filled = {view: columns for view, columns in views.items() if columns}
            found[f"{item}/{term}".lower()] = Answer(item, tuple(table.get("types", ())), filled)
    return found


def _columns(view: str, paths: list[str]) -> list[Column]:
    columns = []
    for path in paths:
        name, _, part = path.partition("|")
        name = view + name if name.startswith(".") else name
        if name in FIELDS:
            columns.append(Column(FIELDS[name], extension=part == "extension"))
        elif not path.startswith("."):
            raise KeyError(name)
    return columns
