"""`vedette hunt`: find events."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from vedette.cli.client import ApiError, Client, UnreachableError
from vedette.cli.connection import connected
from vedette.cli.event_lines import grouped, lines
from vedette.cli.export import export, format_of
from vedette.cli.printing import json_line, json_lines, span, table, terminal_width, when
from vedette.cli.saved import named
from vedette.runtime.clock import MINUTE, now
from vedette.runtime.errors import VedetteError

_FEW = 20
_PAGE = 2_000
_POLL_SECONDS = 2.0
_LATE = 10 * MINUTE
_STYLES: dict[str, dict[str, Any]] = {"head": {"bold": True}, "event": {}, "detail": {"dim": True}}


@click.command("hunt")
@click.argument("query", default="")
@click.option("--since", default="24h", show_default=True, help="24h, 7d, today, now-2h or 2026-11-24T10:00:00Z.")
@click.option("--until", default="", help="The same; by default now.")
@click.option("--language", type=click.Choice(["hunt", "kata", "ioc"]), default="hunt", show_default=True)
@click.option(
    "--ioc", "ioc_file", type=click.Path(path_type=Path), metavar="FILE", help="Hunt for what an IOC file asks."
)
@click.option("--saved", metavar="NAME", default="", help="A saved search instead of QUERY; its times can be replaced.")
@click.option("--limit", type=click.IntRange(1), help="How many events, newest first.  [default: 100; --json: 1000]")
@click.option("--columns", default="", metavar="NAMES", help="These fields only, separated by commas.")
@click.option("--follow", "-f", is_flag=True, help="Go on showing events as they arrive, oldest first.")
@click.option("--count", "only_count", is_flag=True, help="Only how many events and hosts match.")
@click.option("--top", metavar="FIELD", default="", help="The most frequent values of a field instead of events.")
@click.option(
    "--export", metavar="FILE", default="", help="All that match, into FILE (.csv, .jsonl, .parquet; - = stdout)."
)
@click.option(
    "--format", "form", type=click.Choice(["csv", "jsonl", "parquet"]), help="Of the export, if not by FILE's name."
)
@click.option("--explain", is_flag=True, help="Only show how QUERY is understood.")
@click.option(
    "--details/--brief",
    default=None,
    help="All facts of each event, or one line each.  [default: all facts of process starts; of all, if they are few]",
)
@connected
def hunt(client: Client, query: str, *, as_json: bool, **options: Any) -> None:
    """Find events that match QUERY, newest first; without QUERY all of them.

    \b
    Examples:
      vedette hunt 'process.file.name:curl'
      vedette hunt 'event.type:network_connect AND NOT socket.remote_ip:10.0.0.0/8' --since 7d
      vedette hunt 'process.command_line:*base64*' --top host.name
      vedette hunt 'event.type:file_create' --columns event.time,file.path,file.sha256 --json
      vedette hunt "EventType == 'process' AND FileName == 'curl'" --language kata
      vedette hunt 'event.type:port_listen' --since 30d --export ports.csv --columns host.name,socket.local_port
      vedette hunt 'user.name:root' --follow
      vedette hunt --ioc report.ioc --since 30d

    `vedette fields` lists what can be asked for; docs/hunting.md explains the languages.
    """  # noqa: D301 - click wants the backspace itself
    asked, names = _asked(client, query, options)
    try:
        if options["only_count"]:
            _show_count(client.post("/events/count", asked), as_json=as_json)
        elif options["explain"]:
            _explain(client.post("/events/explain", asked), as_json=as_json)
        elif options["top"]:
            _show_top(client.post("/events/top", asked | {"field": options["top"]}), as_json=as_json)
        elif options["export"]:
            form = format_of(options["export"], options["form"])
            export(client, asked | {"columns": names, "format": form}, options["export"])
        elif options["follow"]:
            _follow(client, asked | {"columns": names}, as_json=as_json, details=options["details"])
        else:
            limit = options["limit"] or (1000 if as_json else 100)
            found = _search_all(client, asked | {"columns": names}, limit)
            _show(found, names, as_json=as_json, details=options["details"])
    except ApiError as error:
        raise VedetteError(explained(error, asked["query"])) from error


def _asked(client: Client, query: str, options: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Give what is asked, and the names of columns: from QUERY, a file, or a saved search with what is said beside."""
    asked = {name: options[name] for name in ("since", "until", "language")} | {"query": query}
    names = [name.strip() for name in options["columns"].split(",") if name.strip()]
    if sum(map(bool, (query, options["ioc_file"], options["saved"]))) > 1:
        raise click.UsageError("one of QUERY, --ioc FILE and --saved NAME")
    if options["ioc_file"]:
        return _of_file(asked, options), names
    if not options["saved"]:
        return asked, names
    found = named(client, options["saved"])
    source = click.get_current_context().get_parameter_source
    kept = [name for name in ("since", "until") if found[name] and source(name) is ParameterSource.DEFAULT]
    asked |= {name: found[name] for name in (*kept, "query", "language")}
    return asked, names or found["columns"]


def _of_file(asked: dict[str, Any], options: dict[str, Any]) -> dict[str, Any]:
    """Give what asks for an IOC file; a big one becomes several `queries`. What cannot be matched goes to stderr."""
    from vedette.cli.ioc import questions_of

    queries = questions_of(options["ioc_file"])
    if len(queries) > 1 and any(options[name] for name in ("only_count", "explain", "top", "export", "follow")):
        raise click.UsageError(f"this file is asked in {len(queries)} portions: only its events can be shown")
    several = {"queries": queries} if len(queries) > 1 else {}
    return asked | several | {"query": queries[0], "language": "ioc"}


def _search_all(client: Client, asked: dict[str, Any], limit: int) -> dict[str, Any]:
    """Search for each of several queries and join the newest events; any that is partial makes the whole partial."""
    queries = asked.pop("queries", [asked["query"]])
    found = [_search(client, asked | {"query": query}, limit) for query in queries]
    if len(found) == 1:
        return found[0]
    events = {event["event.id"]: event for one in found for event in one["events"]}
    newest = sorted(events.values(), key=lambda event: (event["event.time"], event["event.id"]), reverse=True)
    partial = [one for one in found if not one["complete"]]
    cursors = [one["cursor"] for one in found if one["cursor"]]
    joined = max(partial or found, key=lambda one: one["reached"])
    cursor = cursors[0] if cursors else "more" if len(newest) > limit else None
    return joined | {"events": newest[:limit], "cursor": cursor}


def explained(error: ApiError, query: str) -> str:
    """Show where in the query the problem is."""
    if error.word != "query" or "column" not in error.problem:
        return str(error)
    row = query.splitlines()[error.problem["line"] - 1 : error.problem["line"]]
    sentence = f"line {error.problem['line']}, column {error.problem['column']}: {error}"
    if suggestions := error.problem.get("suggestions"):
        sentence += f"; did you mean {', '.join(suggestions)}?"
    return sentence + "".join(f"\n  {text}\n  {' ' * (error.problem['column'] - 1)}^" for text in row)


def _search(client: Client, asked: dict[str, Any], limit: int) -> dict[str, Any]:
    """Ask page by page up to `limit`; gives the last page with the events of all."""
    events: list[dict[str, Any]] = []
    missing: list[str] = []
    cursor = ""
    while True:
        page: dict[str, Any] = client.post(
            "/events/search", asked | {"limit": min(_PAGE, limit - len(events)), "cursor": cursor}
        )
        events += page["events"]
        missing += [name for name in page["missing"] if name not in missing]
        cursor = page["cursor"] or ""
        if not cursor or page["reason"] or len(events) >= limit:
            return page | {"events": events, "missing": missing}


def _show(found: dict[str, Any], names: list[str], *, as_json: bool, details: bool | None) -> None:
    events = found["events"]
    if as_json:
        json_lines(events)
    elif not events:
        click.echo(_nothing(found), err=True)
        _hint(found)
    elif names:
        table({name: name for name in _shown_names(events, names)}, events)
    else:
        _print(events, details=details)
    _say_missing(found)
    if found["reason"]:
        click.echo(
            f"partial: met the limit of {found['reason']}; this covers {when(found['reached'])} to "
            f"{when(found['until'])}. Ask for a shorter time or a narrower query.",
            err=True,
        )
    elif found["cursor"]:
        click.echo(f"{len(events)} shown, there are more: --limit {10 * len(events)}, or --count", err=True)


def _shown_names(events: list[dict[str, Any]], names: list[str]) -> list[str]:
    """Give the asked names that are members, then the members that came by other names (aliases)."""
    present = list(dict.fromkeys(name for event in events for name in event))
    direct = [name for name in names if name in present]
    if len(direct) == len(names):
        return direct
    always = {"event.id", "event.time", "event.type"} - set(names)
    return direct + [name for name in present if name not in always and name not in direct]


def _print(events: list[dict[str, Any]], *, details: bool | None, heading: bool = True) -> None:
    shown = grouped(events) if details is None else events
    if details is None and len(shown) <= _FEW:
        details = True
    for kind, text in lines(shown, width=terminal_width(), details=details, heading=heading):
        click.secho(text, **_STYLES[kind])


def _nothing(found: dict[str, Any]) -> str:
    newest = found.get("newest")
    covered = f"no events match from {when(found['since'])} to {when(found['until'])}"
    if newest is None:
        return f"{covered}; no event has arrived yet: `vedette hosts` shows which agents report"
    host = newest.get("host.name") or newest.get("host.id")
    ago = span(max(0, now() - newest["event.time"]))
    return f"{covered}; the newest event is {newest['event.type']} of {ago} ago from host {host}"


def _show_count(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        json_line({name: found[name] for name in ("count", "hosts", "complete", "reason", "reached", "missing")})
    else:
        click.echo(f"{found['count']:,} events of {found['hosts']:,} hosts")
        if not found["count"]:
            _hint(found)
        _say_partial(found)


def _show_top(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        json_lines(found["values"])
        return
    rows = [one | {"first": when(one["first"]), "last": when(one["last"])} for one in found["values"]]
    if rows:
        headings = {"count": "EVENTS", "hosts": "HOSTS", "first": "FIRST", "last": "LAST", "value": "VALUE"}
        table(headings, rows)
    else:
        click.echo("no event has this field here", err=True)
    _say_partial(found)


def _hint(found: dict[str, Any]) -> None:
    for hint in found["hints"]:
        click.echo(f"hint: {hint}", err=True)


def _explain(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        json_line(found)
        return
    click.echo(found["understood"])
    _hint(found)


def _say_missing(found: dict[str, Any]) -> None:
    if found["missing"]:
        where = ", ".join(found["missing"])
        click.echo(f"partial: {where} of the event store did not answer; events that are there are missing", err=True)


def _say_partial(found: dict[str, Any]) -> None:
    _say_missing(found)
    if found["reason"]:
        click.echo(f"partial: met the limit of {found['reason']}; counted from {when(found['reached'])}", err=True)


def _follow(client: Client, asked: dict[str, Any], *, as_json: bool, details: bool | None) -> None:
    """Show what arrives, until Ctrl-C; events that come up to 10 minutes late are shown too."""
    heading = not as_json
    for events in arrivals(client, asked):
        if as_json:
            json_lines(events)
        elif events:
            _print(events, details=details, heading=heading)
            heading = False
        sys.stdout.flush()


def arrivals(client: Client, asked: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Give the events that are new, oldest first, each time something was asked; without end."""
    seen: dict[str, int] = {}
    since: Any = asked["since"] if asked["since"] != "24h" else "1m"
    while True:
        try:
            found = _search(client, asked | {"since": since, "until": ""}, 10_000)["events"]
        except UnreachableError as error:
            click.echo(f"{error}; trying again", err=True)
            time.sleep(_POLL_SECONDS)
            continue
        new = [event for event in reversed(found) if event["event.id"] not in seen]
        yield new
        seen |= {event["event.id"]: event["event.time"] for event in new}
        since = now() - _LATE if isinstance(since, int) or not new else min(now() - _LATE, new[0]["event.time"])
        seen = {name: at for name, at in seen.items() if at >= since}
        time.sleep(_POLL_SECONDS)
