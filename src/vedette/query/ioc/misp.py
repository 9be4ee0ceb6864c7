"""MISP events as JSON: the attributes, also those of objects, that their authors marked for detection (`to_ids`)."""

import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

from vedette.query.ioc.criteria import Problem
from vedette.query.ioc.indicators import Indicator, Kind, indicator
from vedette.query.ioc.names import refanged

_MOST = 500_000
"""Attributes of one file."""


def is_misp(document: Any) -> bool:
    """Whether a JSON document is a MISP event, a list of events or the answer of an attribute search."""
    return isinstance(document, dict) and bool({"Event", "response", "Attribute"} & document.keys())


def read(document: Any) -> tuple[list[Indicator], list[Problem]]:
    """Indicators of a MISP document and what is left out, with the reason."""
    found: list[Indicator] = []
    problems: list[Problem] = []
    for number, attribute in enumerate(_attributes(document)):
        if number >= _MOST:
            problems.append(Problem("Attribute", f"only the first {_MOST:,} attributes are read"))
            break
        kind, value = attribute.get("type"), attribute.get("value")
        if not isinstance(kind, str) or not isinstance(value, str):
            problems.append(Problem("Attribute", "an attribute without type or value"))
        elif attribute.get("to_ids", True) is not True:
            problems.append(Problem(kind[:80], "its author did not mark it for detection (to_ids)"))
        else:
            made = _indicators(kind, value)
            found += made
            if not made:
                problems.append(Problem(kind[:80], _why(kind, value)))
    return found, problems


def _why(kind: str, value: str) -> str:
    known = kind in _types()[0] or kind in _types()[1]
    return f"“{value[:60]}” is no such value" if known else "no event carries it"


def _attributes(document: Any) -> Iterator[dict[str, Any]]:
    """Every attribute of the events and of their objects; not deeper, and only where MISP has them."""
    for event in _events(document):
        yield from _dicts(event.get("Attribute"))
        for thing in _dicts(event.get("Object")):
            yield from _dicts(thing.get("Attribute"))


def _events(document: Any) -> Iterator[dict[str, Any]]:
    answer = document.get("response", document) if isinstance(document, dict) else document
    for one in _dicts(answer) if isinstance(answer, list) else _dicts([answer]):
        event = one.get("Event", one)
        if isinstance(event, dict):
            yield event


def _dicts(things: Any) -> list[dict[str, Any]]:
    return [thing for thing in things if isinstance(thing, dict)] if isinstance(things, list) else []


def _indicators(kind: str, value: str) -> list[Indicator]:
    kinds, pairs = _types()
    if kind in kinds:
        made = [_one(kinds[kind], value)]
    elif kind in pairs and "|" in value:
        parts = zip(pairs[kind], value.split("|", 1), strict=True)
        made = [_one(part, text) for part, text in parts if part and part != Kind.FILE_NAME]
    else:
        made = []
    return [one for one in made if one is not None]


def _one(kind: str, value: str) -> Indicator | None:
    value = value.strip()
    wanted = Kind(kind)
    if wanted in {Kind.FILE_NAME, Kind.PIPE, Kind.REGISTRY_KEY}:
        return indicator(wanted, value)
    value = refanged(value)
    if wanted is Kind.ADDRESS and "/" in value:
        wanted = Kind.NETWORK
    return indicator(wanted, value)


@cache
def _types() -> tuple[dict[str, str], dict[str, list[str]]]:
    table = tomllib.loads((files("vedette.query.ioc") / "misp_types.toml").read_text(encoding="utf-8"))
    return table["kinds"], table["pairs"]
