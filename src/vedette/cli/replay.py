"""`vedette replay`: rules over files of events, without a server."""

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from vedette.cli.printing import json_line, table, visible, when
from vedette.runtime.errors import ConfigError

_SHOWN = 3
"""Reasons of one line."""


@click.command("replay")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--rules", "folders", required=True, multiple=True, type=click.Path(exists=True, path_type=Path),
    help="Folder of Sigma rules, or one file; may be given several times.",
)  # fmt: skip
@click.option("--summary", is_flag=True, help="Print {rule id: count} over all files, as JSON.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
@click.option("--problems", is_flag=True, help="List the rules that cannot be used on stderr, each with its reason.")
@click.option(
    "--system", default="", help="windows, linux or macos: where Vedette events are from, if they do not say."
)
def replay(
    files: tuple[Path, ...], *, folders: tuple[Path, ...], summary: bool, as_json: bool, problems: bool, system: str
) -> None:
    """Look for behaviour in recorded events: EVTX, JSON lines of Windows logs, Vedette events as JSON lines.

    Rules that cannot be used are counted on stderr, and listed with --problems.

    \b
    Examples:
      vedette replay Security.evtx --rules sigma/rules
      vedette replay logs/ --rules sigma/rules --summary
    """  # noqa: D301 - click wants the backspace itself
    try:
        from vedette.engines.taa import load
    except ImportError as error:
        raise ConfigError("replaying needs more packages: pip install 'vedette[detection]'") from error
    loaded = load(_texts(folders), kept=_cache(folders))
    for refused in loaded.refused if problems else ():
        text = f"{refused.where}: {refused.title}: {refused.reason}"
        click.echo(visible(text), err=True)
    click.echo(f"{len(loaded.compiled.rules)} rules, {len(loaded.refused)} not usable", err=True)
    engine = loaded.engine()
    found = _found(engine, files, system)
    if summary:
        counts = Counter(one["rule"] for one in found)
        json_line(dict(sorted(counts.items())))
    elif as_json:
        for one in found:
            json_line(one)
    else:
        rows = [one | {"when": when(one["time"]), "because": _because(one["because"])} for one in found]
        table({"when": "TIME", "level": "LEVEL", "title": "RULE", "type": "EVENT", "because": "BECAUSE"}, rows)


def _cache(folders: tuple[Path, ...]) -> Path | None:
    """Give the file in which compiled rules are kept for the next time; None when there is no place for it."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "vedette"
    try:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return None
    named = "\n".join(str(folder.resolve()) for folder in folders)
    return (
        base / f"rules-{hashlib.blake2b(named.encode(), digest_size=8).hexdigest()}"
        if os.access(base, os.W_OK)
        else None
    )


def _texts(folders: tuple[Path, ...]) -> Iterator[Any]:
    from vedette.engines.taa import read_folder

    for folder in folders:
        yield from read_folder(folder)


def _found(engine: Any, files: tuple[Path, ...], system: str) -> Iterator[dict[str, Any]]:
    """Give findings file by file, each with what tells its event."""
    from vedette.cli.replay_events import batches, files_of, value_of
    from vedette.normalise.windows import Tally

    for path in files_of(files):
        tally = Tally()
        for batch in batches(path, tally, system):
            for finding in engine.inspect(batch):
                facts = engine.facts(finding.rule)
                yield {
                    "file": str(path),
                    "rule": finding.rule,
                    "title": facts.title,
                    "level": facts.level,
                    "time": value_of(batch, "event.time", finding.row),
                    "type": value_of(batch, "event.type", finding.row),
                    "record": value_of(batch, "winlog.system.record_id", finding.row),
                    "techniques": facts.techniques,
                    "because": finding.because,
                }
        for reason, count in tally.skipped.items():
            click.echo(f"{path}: {count} not read: {reason} (first: {tally.first[reason]})", err=True)


def _because(because: dict[str, str]) -> str:
    return visible("; ".join(f"{name}: {value[:120]}" for name, value in list(because.items())[:_SHOWN]))
