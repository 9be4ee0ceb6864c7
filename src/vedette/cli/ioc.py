"""`vedette ioc`: what IOC files can match."""

import sys
from pathlib import Path
from typing import Any

import click

from vedette.cli.printing import json_line
from vedette.runtime.errors import VedetteError

_FEW = 10
MAX_LIST = 1_073_741_824
"""Bytes of a flat list that are read at once."""


@click.group("ioc")
def ioc() -> None:
    """Indicators of compromise: OpenIOC 1.0 and 1.1, STIX 2.1, MISP, flat lists."""


@ioc.command("check")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--exact-domains", is_flag=True, help="A domain in a flat list does not mean the names below it.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of text.")
def check(files: tuple[Path, ...], *, exact_domains: bool, as_json: bool) -> None:
    """Read FILES, here and without a server, and list every part that can match no event.

    \b
    Examples:
      vedette ioc check report.ioc
      vedette ioc check bundle.json domains.txt --json

    Exit status 1 if a file cannot be used at all.
    """  # noqa: D301 - click wants the backspace itself
    refused = 0
    for path in files:
        facts = _facts(path, subdomains=not exact_domains)
        refused += "error" in facts
        if as_json:
            json_line(facts)
        else:
            _show(facts)
    if refused:
        if not as_json:
            click.echo(f"{refused} of {len(files)} files cannot be used", err=True)
        sys.exit(1)


def read_file(path: Path) -> bytes:
    """Give the bytes of an IOC file. Raises VedetteError where it cannot be read or is too big."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_LIST + 1)
    except OSError as error:
        raise VedetteError(f"{path}: {error.strerror}") from error
    if len(data) > MAX_LIST:
        raise VedetteError(f"{path}: more than {MAX_LIST:,} bytes; split it")
    return data


def questions_of(path: Path) -> list[str]:
    """Give the texts that together ask for an IOC file; says on stderr what of it cannot be matched."""
    from vedette.query.ioc.asking import questions
    from vedette.query.ioc.file import read

    data = read_file(path)
    found = read(data, path.name)
    for one in found.problems[:_FEW]:
        click.echo(_sentence(one.term, one.reason, one.line, one.count).strip(), err=True)
    if len(found.problems) > _FEW:
        click.echo(f"and {len(found.problems) - _FEW} more: vedette ioc check {path}", err=True)
    return list(questions(found, data))


def _sentence(term: str, reason: str, line: int, count: int) -> str:
    where = f"line {line}: " if line else ""
    times = f" ({count:,} times)" if count > 1 else ""
    return f"  not matched: {where}{term}: {reason}{times}"


def _facts(path: Path, *, subdomains: bool) -> dict[str, Any]:
    from collections import Counter

    from vedette.query.ioc.criteria import IocError
    from vedette.query.ioc.file import read

    try:
        found = read(read_file(path), path.name, subdomains=subdomains)
    except IocError as error:
        return {"file": str(path), "error": error.problem, "line": error.line}
    except VedetteError as error:
        return {"file": str(path), "error": str(error), "line": 0}
    return {
        "file": str(path),
        "format": found.format,
        "title": found.title,
        "rules": sum(rule.node is not None for rule in found.rules),
        "indicators": dict(Counter(str(one.kind) for one in found.indicators)),
        "unsupported": [
            {"term": one.term, "reason": one.reason, "line": one.line, "count": one.count} for one in found.problems
        ],
    }


def _show(facts: dict[str, Any]) -> None:
    if "error" in facts:
        where = f":{facts['line']}" if facts["line"] else ""
        click.echo(f"{facts['file']}{where}: refused: {facts['error']}")
        return
    kinds = ", ".join(f"{count:,} {kind}" for kind, count in facts["indicators"].items())
    parts = [f"{facts['rules']:,} rules"] if facts["rules"] else []
    click.echo(f"{facts['file']}: {facts['format']}, {', '.join([*parts, kinds] if kinds else parts)}")
    for one in facts["unsupported"]:
        click.echo(_sentence(**one))
