"""An IOC file as a hunt: the text of one question, and the questions that a big file becomes."""

from collections.abc import Iterable, Iterator

import msgspec

from vedette.query import ast
from vedette.query.ast import Node
from vedette.query.ioc import openioc
from vedette.query.ioc.criteria import IocError
from vedette.query.ioc.file import IocFile, read
from vedette.query.ioc.indicators import PORTION
from vedette.runtime.errors import QueryError

MOST = 2 * PORTION
"""Indicators of one question."""
MOST_COMPARISONS = 5_000
_CHARACTERS = 524_288
"""Of one question made from a big file: half of what a query may have."""
_RULES = 100


def parse(text: str, *, now: int) -> Node:  # noqa: ARG001 - the languages' common form; an IOC's times are absolute
    """Read an IOC of any format as a query. Raises `QueryError`, with the line where there is one."""
    found = _read(text)
    if len(found.indicators) > MOST:
        raise QueryError(f"{len(found.indicators):,} indicators; one question has at most {MOST:,}: ask in portions")
    node = ast.any_of(*found.nodes())
    tests = sum(1 for _ in ast.conditions(node))
    if tests > MOST_COMPARISONS:
        raise QueryError(f"{tests:,} comparisons; one question has at most {MOST_COMPARISONS:,}: ask in portions")
    return node


def left_out(text: str) -> tuple[str, ...]:
    """Sentences about the parts that no event is matched by."""
    return tuple(
        f"not matched: {f'line {one.line}: ' if one.line else ''}{one.term}: {one.reason}"
        for one in _read(text).problems
    )


def questions(found: IocFile, data: bytes) -> Iterator[str]:
    """Texts for `parse` that together ask what the file does; `data` are its bytes. Raises `IocError`."""
    if found.format == "openioc":
        text = openioc.as_text(data, found.name)
        if len(text) > ast.MAX_TEXT:
            raise IocError(f"more than {ast.MAX_TEXT:,} characters; split it to hunt for it", file=found.name)
        yield text
        return
    patterns = [rule.pattern for rule in found.rules if rule.node is not None]
    for part in _parts(patterns, _RULES):
        things = [{"type": "indicator", "pattern": pattern} for pattern in part]
        yield msgspec.json.encode({"type": "bundle", "objects": things}).decode()
    for part in _parts((f"{one.kind}={one.text}" for one in found.indicators), PORTION):
        yield "\n".join(part)


def _parts(texts: Iterable[str], most: int) -> Iterator[list[str]]:
    """Groups of at most `most` texts and about `_CHARACTERS` characters."""
    part: list[str] = []
    size = 0
    for text in texts:
        if part and (len(part) >= most or size + len(text) > _CHARACTERS):
            yield part
            part, size = [], 0
        part.append(text)
        size += len(text)
    if part:
        yield part


def _read(text: str) -> IocFile:
    try:
        return read(text.encode(errors="surrogatepass"), "the IOC")
    except IocError as error:
        raise QueryError(error.problem, line=max(1, error.line)) from error
