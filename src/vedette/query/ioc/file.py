"""One IOC file, whatever its format: rules over one event, single indicators, and what of it cannot be matched."""

import io
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Struct

from vedette.query import ast
from vedette.query.ast import Node, Or
from vedette.query.ioc import indicators, lists, misp, openioc, stix
from vedette.query.ioc.criteria import MAX_BYTES, Criteria, IocError, Problem, counted
from vedette.query.ioc.events import compile_criteria
from vedette.query.ioc.indicators import Indicator
from vedette.query.ioc.joined import joined


class Rule(Struct, frozen=True, kw_only=True):
    """A boolean IOC: what it asks of a host, and of one event (None: no event can answer)."""

    id: str
    title: str
    criteria: Criteria
    node: Node | None
    pattern: str = ""
    """The STIX pattern it was written as."""


class IocFile(Struct, frozen=True, kw_only=True):
    """What a file gave."""

    name: str
    format: str
    """openioc, stix, misp or list."""
    title: str = ""
    rules: tuple[Rule, ...] = ()
    indicators: tuple[Indicator, ...] = ()
    problems: tuple[Problem, ...] = ()
    """Parts that no event is matched by, each with its reason."""

    def nodes(self) -> Iterator[Node]:
        """Trees that together match what the file does; a big list comes in portions."""
        rules = [rule.node for rule in self.rules if rule.node is not None]
        if rules:
            yield from _bounded(rules)
        yield from indicators.portions(self.indicators)


def read(data: bytes, name: str, *, subdomains: bool = True) -> IocFile:
    """Read a file of any format. Raises `IocError` if it cannot be read or no event could ever match it.

    `subdomains`: a domain of a flat list also means every name below it.
    """
    found = _read(data, name, subdomains=subdomains)
    if not found.indicators and not any(rule.node is not None for rule in found.rules):
        first = found.problems[0] if found.problems else Problem("", "there is no indicator in it")
        said = f"{first.term}: {first.reason}" if first.term else first.reason
        more = f" (and {len(found.problems) - 1} more reasons)" if len(found.problems) > 1 else ""
        raise IocError(f"nothing in it can match an event: {said}{more}", file=name, line=first.line)
    return found


def is_list(data: bytes) -> bool:
    """Whether `data` begins as neither XML nor JSON does."""
    return not openioc.is_xml(data) and data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] not in {b"{", b"["}


def _read(data: bytes, name: str, *, subdomains: bool) -> IocFile:
    if openioc.is_xml(data):
        return _openioc(data, name)
    if not is_list(data) and (document := _json(data, name)) is not None:
        return document
    return _list(data, name, subdomains=subdomains)


def _openioc(data: bytes, name: str) -> IocFile:
    document = openioc.parse(data, name)
    node, problems = compile_criteria(document.criteria)
    rule = Rule(id=document.id or name, title=document.title or name, criteria=document.criteria, node=node)
    return IocFile(name=name, format="openioc", title=document.title, rules=(rule,), problems=problems)


def _json(data: bytes, name: str) -> IocFile | None:
    """STIX or MISP; None for a list whose first line only begins like JSON, as `[.]` does."""
    if len(data) > MAX_BYTES:
        raise IocError(f"{len(data):,} bytes; a STIX or MISP file has at most {MAX_BYTES:,}", file=name)
    try:
        document: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if data.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"[":
            return None
        raise IocError(f"this is no JSON that can be read: {error}", file=name) from error
    if stix.is_stix(document):
        rules, found, problems = stix.read(document, data)
        made = []
        for rule in rules:
            node, unanswered = compile_criteria(rule.criteria)
            problems += unanswered
            made.append(Rule(id=rule.id, title=rule.title, criteria=rule.criteria, node=node, pattern=rule.pattern))
        return IocFile(name=name, format="stix", rules=tuple(made), indicators=tuple(found), problems=counted(problems))
    if misp.is_misp(document):
        found, problems = misp.read(document)
        return IocFile(name=name, format="misp", indicators=tuple(found), problems=counted(problems))
    raise IocError("this JSON is neither a STIX 2.1 bundle nor a MISP event", file=name)


def _list(data: bytes, name: str, *, subdomains: bool) -> IocFile:
    found: list[Indicator] = []

    def problems() -> Iterator[Problem]:
        text = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8", errors="replace")
        for one in lists.read_lines(text, subdomains=subdomains):
            if isinstance(one, Problem):
                yield one
            else:
                found.append(one)

    return IocFile(name=name, format="list", problems=counted(problems()), indicators=tuple(found))


def _bounded(rules: list[Node]) -> Iterator[Node]:
    """Alternatives in groups that one statement holds."""
    group: list[Node] = []
    size = 0
    for node in (part for rule in rules for part in (rule.operands if isinstance(rule, Or) else (rule,))):
        tests = sum(1 for _ in ast.conditions(node))
        if group and size + tests > ast.MAX_CONDITIONS:
            yield joined(ast.any_of(*group))
            group, size = [], 0
        group.append(node)
        size += tests
    yield joined(ast.any_of(*group))
