"""`vedette rules`: rule files on the Central Node."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import click
import msgspec

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import json_line, json_lines, table, when
from vedette.runtime.errors import ConfigError

SUFFIXES = {
    ".yml": "taa",
    ".yaml": "taa",
    ".ioc": "ioc",
    ".xml": "ioc",
    ".json": "ioc",
    ".yar": "yara",
    ".yara": "yara",
}
"""What a file is unless --kind says so."""
KINDS = click.Choice(["taa", "ioc", "yara"])
_REQUEST = 1_500_000
"""Bytes of rules in one request."""
_FILES = 500

_paths = click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
_kind = click.option("--kind", type=KINDS, help="What the files are; by their suffix unless it is named.")


@click.group("rules", cls=ListingGroup)
def rules() -> None:
    """List, add, check and try rule files: Sigma (taa), indicators of compromise (ioc), YARA.

    \b
    Examples:
      vedette rules
      vedette rules check my-rules/
      vedette rules add my-rules/ --note 'from the quarterly report'
      vedette rules preview suspicious.yml --days 14
      vedette rules test suspicious.yml --matching bad.jsonl --others good.jsonl
      vedette rules disable taa suspicious
    """  # noqa: D301 - click wants the backspace itself


@rules.command("list")
@click.option("--kind", type=KINDS, help="Only these.")
@connected
def show_all(client: Client, *, kind: str | None, as_json: bool) -> None:
    """List rule files (the default), with what of them cannot be used."""
    found = list(client.pages("/rules", kind=kind or "", limit=1000))
    if as_json:
        json_lines(found)
        return
    rows = [
        one | {"count": len(one["rules"]), "changed": when(one["changed"]), "problems": _problems(one["problems"])}
        for one in found
    ]
    columns = {
        "kind": "KIND", "name": "NAME", "version": "VERSION", "enabled": "ENABLED", "count": "RULES",
        "author": "BY", "changed": "CHANGED", "problems": "PROBLEMS",
    }  # fmt: skip
    table(columns, rows)


def _problems(problems: list[dict[str, Any]]) -> str:
    told = [f"{one['rule']}: {one['problem']}" if one["rule"] else one["problem"] for one in problems[:2]]
    more = [f"and {len(problems) - 2} more"] if len(problems) > 2 else []
    return "; ".join(told + more)


@rules.command("add")
@_paths
@_kind
@click.option("--note", default="", help="Why; kept with the version.")
@click.option("--disabled", is_flag=True, help="Keep new files without using them yet.")
@connected
def add(client: Client, paths: tuple[Path, ...], *, kind: str | None, note: str, disabled: bool, as_json: bool) -> None:
    """Keep rule files, or those of a folder; one of the same name gets a new version.

    What its engine cannot use is not kept: it is listed with the reason, and the exit status is 1.
    """
    body = {"note": note, "enabled": not disabled}
    told = [one for part in _requests(paths, kind) for one in client.post("/rules", body | {"rules": part})]
    refused = [one for one in told if not one["version"]]
    if as_json:
        json_lines(told)
    else:
        click.echo(f"{len(told) - len(refused)} files kept, {len(refused)} refused")
        _show([(one["name"], one["check"]) for one in told])
    sys.exit(1 if refused else 0)


@rules.command("check")
@_paths
@_kind
@connected
def check(client: Client, paths: tuple[Path, ...], *, kind: str | None, as_json: bool) -> None:
    """Say whether rule files can be used, without keeping them."""
    told: list[tuple[str, dict[str, Any]]] = []
    for part in _requests(paths, kind):
        found = client.post("/rules/check", {"rules": part})
        told += zip((one["name"] for one in part), found, strict=True)
    if as_json:
        json_lines({"name": name} | one for name, one in told)
    else:
        click.echo(f"{sum(bool(one['rules']) for _, one in told)} of {len(told)} files can be used")
        _show(told)
    sys.exit(0 if all(one["rules"] for _, one in told) else 1)


def _show(told: list[tuple[str, dict[str, Any]]]) -> None:
    rows = [
        {"name": name, "line": one["line"] or None, "rule": one["rule"], "problem": one["problem"]}
        for name, found in told
        for one in found["problems"]
    ]
    if rows:
        table({"name": "FILE", "line": "LINE", "rule": "RULE", "problem": "PROBLEM"}, rows)


@rules.command("test")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_kind
@click.option("--matching", type=click.File("rb"), help="JSON lines: events in which something must be found.")
@click.option("--others", type=click.File("rb"), help="JSON lines: events in which nothing may be found.")
@connected
def test(client: Client, path: Path, *, kind: str | None, as_json: bool, **events: BinaryIO | None) -> None:
    """Try the rules of a file on events, as `vedette hunt --json` prints them; exit status 1 when a test fails."""
    tests = {name: [] if file is None else list(map(_event, file)) for name, file in events.items()}
    found = client.post("/rules/test", _rule(path, kind) | tests)
    if as_json:
        json_line(found)
    else:
        rows = [
            {"event": f"{name} {place}", "rules": ", ".join(told) or "nothing"}
            for name in ("matching", "others")
            for place, told in enumerate(found[name], 1)
        ]
        table({"event": "EVENT", "rules": "FOUND BY"}, rows)
    sys.exit(0 if found["passed"] else 1)


def _event(line: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(line, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ConfigError(f"this is no JSON line: {line[:80]!r}") from error


@rules.command("blind")
@click.option("--days", type=click.IntRange(1, 90), default=30, show_default=True)
@connected
def blind(client: Client, *, days: int, as_json: bool) -> None:
    """List rule files in use that cannot fire: no host has sent their types of events in the last days."""
    found = client.get("/rules/blind", days=days)
    if as_json:
        json_lines(found)
    else:
        table({"kind": "KIND", "name": "NAME", "types": "LOOKS AT"}, found)


@rules.command("preview")
@click.argument("path", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@_kind
@click.option("--days", type=click.IntRange(1, 90), default=7, show_default=True)
@connected
def preview(client: Client, path: Path, *, kind: str | None, days: int, as_json: bool) -> None:
    """Say what the rules of a file would have found in the last days."""
    found = client.post("/rules/preview", _rule(path, kind) | {"days": days})
    if as_json:
        json_line(found)
    else:
        click.echo(f"{found['matches']} events on {len(found['hosts'])} hosts in {days} days, {found['seconds']} s")
        rows = [{"day": when(int(day))[:10], "events": count} for day, count in found["days"].items() if count]
        if rows:
            table({"day": "DAY", "events": "EVENTS"}, rows)
            hosts = [{"host": name, "events": count} for name, count in found["hosts"].items()]
            table({"host": "HOST", "events": "EVENTS"}, hosts)
        if found["silent_fields"]:
            click.echo(f"no host sends: {', '.join(found['silent_fields'])}")
    if found["refused"]:
        raise ConfigError(found["refused"])


@rules.command("show")
@click.argument("kind", type=KINDS)
@click.argument("name")
@connected
def show(client: Client, kind: str, name: str, *, as_json: bool) -> None:
    """Print a rule file; with --json with its versions."""
    found = client.get(f"/rules/{kind}/{name}")
    if as_json:
        json_line(found)
    else:
        click.echo(found["rule"]["text"])


@rules.command("enable")
@click.argument("kind", type=KINDS)
@click.argument("name")
@connected
def enable(client: Client, kind: str, name: str, *, as_json: bool) -> None:
    """Use a rule file."""
    _switch(client, kind, name, "enable", as_json=as_json)


@rules.command("disable")
@click.argument("kind", type=KINDS)
@click.argument("name")
@connected
def disable(client: Client, kind: str, name: str, *, as_json: bool) -> None:
    """Use a rule file no more."""
    _switch(client, kind, name, "disable", as_json=as_json)


@rules.command("remove")
@click.argument("kind", type=KINDS)
@click.argument("name")
@connected
def remove(client: Client, kind: str, name: str, *, as_json: bool) -> None:
    """Remove a rule file with its versions."""
    client.delete(f"/rules/{kind}/{name}")
    if as_json:
        json_line({"kind": kind, "name": name})


def _switch(client: Client, kind: str, name: str, deed: str, *, as_json: bool) -> None:
    found = client.post(f"/rules/{kind}/{name}/{deed}")
    if as_json:
        json_line(found)
    else:
        click.echo(f"{kind} {name}: {'enabled' if found['enabled'] else 'disabled'}")


def _requests(paths: tuple[Path, ...], kind: str | None) -> Iterator[list[dict[str, Any]]]:
    """Give the rule files in portions that a request takes. Raises ConfigError when there are none."""
    part: list[dict[str, Any]] = []
    size = 0
    files = [file for path in paths for file in _files(path, kind)]
    if not files:
        raise ConfigError("there are no rule files; name them with --kind if their suffixes do not tell")
    for file in files:
        rule = _rule(file, kind)
        if part and (size + len(rule["text"]) > _REQUEST or len(part) >= _FILES):
            yield part
            part, size = [], 0
        part.append(rule)
        size += len(rule["text"])
    yield part


def _files(path: Path, kind: str | None) -> list[Path]:
    if not path.is_dir():
        return [path]
    wanted = [suffix for suffix, of in SUFFIXES.items() if kind in (None, of)]
    return sorted(file for file in path.rglob("*") if file.suffix in wanted and file.is_file())


def _rule(path: Path, kind: str | None) -> dict[str, Any]:
    found = kind or SUFFIXES.get(path.suffix)
    if found is None:
        raise ConfigError(f"{path}: its suffix does not tell what it is; say --kind")
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from error
    name = "".join(one if one.isascii() and (one.isalnum() or one in "._-") else "_" for one in path.stem)
    return {"kind": found, "name": name.lstrip(".-")[:200] or "rules", "text": text}
