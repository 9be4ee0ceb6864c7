"""STIX 2.1 bundles: each indicator's pattern is a rule, or a single indicator where it is one equality."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from vedette.query.ioc import stix_pattern
from vedette.query.ioc.criteria import Criteria, Problem, Term
from vedette.query.ioc.indicators import Indicator, Kind, indicator
from vedette.query.values import Operator

_MOST = 100_000
"""Objects of one file."""
_KINDS = {
    "FileItem/Md5sum": Kind.MD5,
    "FileItem/Sha256sum": Kind.SHA256,
    "FileItem/PEInfo/ImportHash": Kind.IMPHASH,
    "FileItem/FileName": Kind.FILE_NAME,
    "FileItem/FullPath": Kind.FILE_PATH,
    "DnsEntryItem/Host": Kind.HOST,
    "PortItem/remoteIP": Kind.ADDRESS,
    "PipeItem/Name": Kind.PIPE,
}
"""Terms whose equality is an indicator; STIX's `=` is exact, so that a domain is not what is below it."""
_PATTERN = re.compile(rb'"pattern"\s*:')
_URL = "url:value"


class StixRule(Struct, frozen=True):
    """A pattern that is more than one equality."""

    id: str
    title: str
    criteria: Criteria
    pattern: str


def is_stix(document: Any) -> bool:
    """Whether a JSON document is a STIX bundle or one indicator."""
    return isinstance(document, dict) and document.get("type") in {"bundle", "indicator"}


def read(document: Any, data: bytes) -> tuple[list[StixRule], list[Indicator], list[Problem]]:
    """Rules, indicators, and what cannot be used; `data`: the document's text, for the lines."""
    lines = _lines(document, data)
    rules: list[StixRule] = []
    found: list[Indicator] = []
    problems: list[Problem] = []
    for number, thing in enumerate(_indicators(document)):
        if number >= _MOST:
            problems.append(Problem("indicator", f"only the first {_MOST:,} are read"))
            break
        criteria = _criteria(thing, problems, lines.get(id(thing), 0))
        if criteria is None:
            continue
        single = _single(criteria, lines.get(id(thing), 0))
        if single:
            found.append(single)
        else:
            title = str(thing.get("name") or thing.get("pattern"))[:1_000]
            rules.append(StixRule(str(thing.get("id", ""))[:200], title, criteria, thing["pattern"]))
    return rules, found, problems


def _indicators(document: Any) -> Iterator[dict[str, Any]]:
    things = document.get("objects") if document.get("type") == "bundle" else [document]
    for thing in things if isinstance(things, list) else []:
        if isinstance(thing, dict) and thing.get("type") == "indicator":
            yield thing


def _lines(document: Any, data: bytes) -> dict[int, int]:
    """Line of each indicator's pattern, by the identity of the indicator; {} where they cannot be told apart."""
    having = [thing for thing in _indicators(document) if "pattern" in thing]
    ends = [found.start() for found in _PATTERN.finditer(data)]
    if len(ends) != len(having):
        return {}
    lines, line, at = {}, 1, 0
    for thing, end in zip(having, ends, strict=True):
        line, at = line + data.count(b"\n", at, end), end
        lines[id(thing)] = line
    return lines


def _criteria(thing: dict[str, Any], problems: list[Problem], line: int) -> Criteria | None:
    pattern, kind = thing.get("pattern"), thing.get("pattern_type", "stix")
    where = str(thing.get("id", "indicator"))[:100]
    if thing.get("revoked") is True:
        problems.append(Problem("indicator", "its author revoked it", line))
    elif kind != "stix":
        problems.append(Problem(f"pattern_type {str(kind)[:40]}", "only STIX patterns are read here", line))
    elif not isinstance(pattern, str):
        problems.append(Problem(where, "it has no pattern", line))
    else:
        try:
            return stix_pattern.parse(pattern, line)
        except stix_pattern.PatternError as error:
            problems.append(Problem(where, f"its pattern cannot be read: {error}", line))
    return None


def _single(criteria: Criteria, line: int) -> Indicator | None:
    """The indicator that one equality is."""
    if not isinstance(criteria, Term) or criteria.negated or criteria.like or criteria.operator is not Operator.IS:
        return None
    if criteria.name == _URL:
        return indicator(Kind.URL, criteria.value, line)
    kind = _KINDS.get(criteria.name)
    if kind is Kind.ADDRESS and "/" in criteria.value:
        kind = Kind.NETWORK
    return indicator(kind, criteria.value, line) if kind else None
