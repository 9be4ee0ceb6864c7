"""`vedette storage`: what the events take on disk, how long they stay, and the objects that are kept."""

import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import json_line, json_lines, size, table, when

_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class _Storage(ListingGroup):
    default = "events"


@click.group("storage", cls=_Storage)
def storage() -> None:
    """Show what events take on the server's disk, set how long they stay; keep objects: files and results of tasks.

    \b
    Examples:
      vedette storage
      vedette storage days
      vedette storage retention default --days 90 --bytes 500G
      vedette storage removals
      vedette storage put suspicious.exe
      vedette storage list --status detected
      vedette storage get SHA256 --output sample.zip
    """  # noqa: D301 - click wants the backspace itself


@storage.command("events")
@connected
def events(client: Client, *, as_json: bool) -> None:
    """Show bytes, rows and days by tenant, and when what will be removed at the present rate."""
    found = client.get("/storage")
    if as_json:
        json_line(found)
        return
    columns = {
        "tenant": "TENANT", "bytes": "BYTES", "rows": "EVENTS", "days": "DAYS", "oldest": "OLDEST", "rate": "A DAY",
        "keep": "KEPT", "removed": "REMOVED", "next": "NEXT REMOVAL",
    }  # fmt: skip
    table(columns, [_row(one) for one in found["tenants"]])
    click.echo(_outlook(found))


@storage.command("days")
@connected
def days(client: Client, *, as_json: bool) -> None:
    """List the days that events are stored of, newest first."""
    found = client.pages("/storage/days", limit=1000)
    if as_json:
        json_lines(found)
        return
    rows = [one | {"bytes": size(one["size"]), "rows": f"{one['rows']:,}"} for one in found]
    table({"day": "DAY", "tenant": "TENANT", "bytes": "BYTES", "rows": "EVENTS", "parts": "PARTS"}, rows)


@storage.command("removals")
@connected
def removals(client: Client, *, as_json: bool) -> None:
    """List the days that retention has removed, newest removal first."""
    found = client.pages("/storage/removals", limit=1000)
    if as_json:
        json_lines(found)
        return
    rows = [one | {"bytes": size(one["size"]), "rows": f"{one['rows']:,}", "done": when(one["done"])} for one in found]
    columns = {"day": "DAY", "tenant": "TENANT", "bytes": "BYTES", "rows": "EVENTS", "reason": "REASON"}
    table(columns | {"done": "REMOVED"}, rows)


@storage.command("retention")
@click.argument("tenant")
@click.option("--days", type=click.IntRange(0), help="Days that events stay, the present one included; 0 = no limit.")
@click.option("--bytes", "most", metavar="SIZE", help="What they may take: 500G, 2T; 0 = no limit.")
@click.option("--unset", is_flag=True, help="Let the node's limits (central.toml) count again.")
@connected
def retention(client: Client, tenant: str, *, as_json: bool, **options: Any) -> None:
    """Set how long events of TENANT stay: a limit that is not named here stays as it is.

    The oldest days go first, within a minute, and cannot be brought back. A day that has not ended never goes.
    """
    if options["unset"]:
        client.delete(f"/storage/retention/{tenant}")
        found = client.get("/storage")
    elif options["days"] is None and options["most"] is None:
        raise click.UsageError("name --days, --bytes or --unset")
    else:
        held: dict[str, Any] = next((t for t in client.get("/storage")["tenants"] if t["tenant"] == tenant), {})
        body = {
            "days": held.get("keep_days", 0) if options["days"] is None else options["days"],
            "bytes": held.get("keep_bytes", 0) if options["most"] is None else _bytes(options["most"]),
        }
        found = client.put(f"/storage/retention/{tenant}", body)
    mine = [one for one in found["tenants"] if one["tenant"] == tenant]
    if as_json:
        json_lines(mine)
    else:
        click.echo("".join(f"{tenant}: {_kept(one)}; next removal: {_next(one)}" for one in mine))


@storage.command("dead-letters")
@click.option("--export", "name", metavar="NAME", default="", help="The batches of one file, as JSON lines.")
@click.option("--redrives", is_flag=True, help="What was processed again, and how many events that stored.")
@connected
def dead_letters(client: Client, *, as_json: bool, name: str, redrives: bool) -> None:
    """List what could not be stored, and why."""
    if name:
        for part in client.stream(f"/dead-letters/{name}/export", None):
            click.echo(part, nl=False)
        return
    found = client.get("/dead-letters/redrives") if redrives else list(client.pages("/dead-letters", limit=1000))
    if as_json:
        json_lines(found)
    elif redrives:
        table({"done": "DONE", "stored": "EVENTS STORED"}, [one | {"done": when(one["done"])} for one in found])
    else:
        columns = {
            "name": "NAME",
            "events": "EVENTS",
            "records": "BATCHES",
            "again": "REDRIVEN NOW",
            "version": "KEPT BY",
        }
        table(columns | {"types": "ONLY TYPES", "reason": "WHY"}, found)


@storage.command("redrive")
@click.argument("names", nargs=-1)
@connected
def redrive(client: Client, *, as_json: bool, names: tuple[str, ...]) -> None:
    """Process dead letters again, after an upgrade for instance: those NAMED, else all.

    Each event is stored once, however often this is done; what still cannot be stored is kept anew.
    """
    sent = client.post("/dead-letters/redrive", {"names": list(names)})
    if as_json:
        json_line(sent)
    else:
        click.echo(
            f"{sent['files']} files with {sent['events']:,} events are on their way; see dead-letters --redrives"
        )


@storage.command("put")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@connected
def put(client: Client, *, as_json: bool, files: tuple[Path, ...]) -> None:
    """Put files into Storage: they are scanned with the YARA rules there, and again when those change."""
    for file in files:
        made = client.upload(f"/objects?name={quote(file.name[:500])}", file)
        if as_json:
            json_line(made)
        else:
            click.echo(f"{made['sha256']}  {file}")


@storage.command("list")
@click.option("--status", type=click.Choice(["detected", "clean", "not_scanned"]), help="Only these.")
@connected
def objects(client: Client, *, as_json: bool, status: str | None) -> None:
    """List the objects in Storage, newest first, and what was found in them."""
    found = client.pages("/objects", status=status or "", limit=1000)
    if as_json:
        json_lines(found)
        return
    rows = [
        one
        | {
            "added": when(one["added"]),
            "size": size(one["size"]),
            "status": one["status"] or "waiting",
            "what": ", ".join(finding["category"] for finding in one["findings"]) or one["reason"],
        }
        for one in found
    ]
    columns = {"added": "ADDED", "size": "SIZE", "status": "STATUS", "sha256": "SHA256", "name": "NAME", "what": "WHAT"}
    table(columns, rows)


@storage.command("get")
@click.argument("sha256")
@click.option("--output", required=True, type=click.Path(path_type=Path), help="The zip to write.")
@click.option("--password", default="infected", show_default=True, help="Of the zip, which is encrypted (AES-256).")
@connected
def get(client: Client, sha256: str, *, as_json: bool, output: Path, password: str) -> None:
    """Fetch an object as an encrypted zip; it never leaves the server as it is."""
    with output.open("xb") as file:
        for part in client.stream(f"/objects/{sha256}/download", {"password": password}):
            file.write(part)
    if as_json:
        json_line({"sha256": sha256, "output": str(output)})


@storage.command("rescan")
@click.argument("sha256")
@connected
def rescan(client: Client, sha256: str, *, as_json: bool) -> None:
    """Have an object scanned again."""
    found = client.post(f"/objects/{sha256}/rescan")
    if as_json:
        json_line(found)


@storage.command("remove")
@click.argument("sha256")
@connected
def remove(client: Client, sha256: str, *, as_json: bool) -> None:
    """Remove an object from Storage."""
    client.delete(f"/objects/{sha256}")
    if as_json:
        json_line({"sha256": sha256})


def _row(one: dict[str, Any]) -> dict[str, Any]:
    removed = one["removed"]
    return one | {
        "bytes": size(one["bytes"]),
        "rows": f"{one['rows']:,}",
        "rate": size(one["rate"]),
        "keep": _kept(one),
        "removed": f"{removed['rows']:,} in {removed['days']} days" if removed["days"] else "nothing",
        "next": _next(one),
    }


def _kept(one: dict[str, Any]) -> str:
    limits = [f"{one['keep_days']} days"] if one["keep_days"] else []
    limits += [size(one["keep_bytes"])] if one["keep_bytes"] else []
    return " and ".join(limits) or "without limit"


def _next(one: dict[str, Any]) -> str:
    found = one["next_removal"]
    if found is None:
        return "none within a year"
    return f"{found['day']} in {found['in_days']} days ({found['reason']})"


def _outlook(found: dict[str, Any]) -> str:
    limit = f"; all tenants together are kept to {size(found['keep_bytes'])}" if found["keep_bytes"] else ""
    room = f"{size(found['disk_free'])} of {size(found['disk_size'])} are free{limit}"
    if found["full_in"] is None:
        return f"{room}. At the present rate the disk does not get full within a year."
    return f"{room}. At the present rate the disk is full in {found['full_in']} days: ingest will then refuse events."


def _bytes(text: str) -> int:
    """Read 500G as bytes. Raises UsageError."""
    found = re.fullmatch(r"(\d{1,15})\s*([KMGT]?)(?:i?B)?", text.strip(), re.IGNORECASE | re.ASCII)
    if found is None:
        raise click.UsageError(f"{text!r} is no size; write 500G or 2T")
    return int(found[1]) * _UNITS[found[2].upper()]
