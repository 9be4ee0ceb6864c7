"""`vedette ledger`: what was sent, received, stored and lost."""

from collections.abc import Iterator
from typing import Any

import click

from vedette.cli.client import Client
from vedette.cli.connection import connected
from vedette.cli.printing import json_lines, table, when
from vedette.runtime.clock import now

_COUNTS = {
    "sent": "SENT", "received": "RECEIVED", "stored": "STORED", "in_flight": "IN FLIGHT", "missing": "MISSING",
    "duplicates": "DUPLICATES", "dead_lettered": "DEAD LETTER", "expired": "EXPIRED", "removed": "REMOVED",
}  # fmt: skip


@click.command("ledger")
@click.argument("host", default="")
@click.option("--days", is_flag=True, help="Day by day (UTC, by receipt) instead of in total.")
@click.option("--check", is_flag=True, help="Where ledger and store do not agree; exit 1 if there is such a place.")
@connected
def ledger(client: Client, host: str, *, as_json: bool, days: bool, check: bool) -> None:
    """Show for each host what its agent sent and what became of it. HOST is a host's id or name.

    \b
    SENT         events that the agent has numbered
    RECEIVED     durably here; SENT = RECEIVED + MISSING (still in the agent's buffer, or expired there)
    STORED       can be hunted; RECEIVED = STORED + IN FLIGHT + DEAD LETTER
    DUPLICATES   sent again by the agent and dropped here
    THROTTLED    left out by the agent because of its budget, by type and limit
    LOST         dropped in the agent before they had a number, by type
    REMOVED      stored, and gone since because retention has no room for their day

    With --json one line for each stream (an agent's buffer), with the gaps in its numbers.
    """  # noqa: D301 - click wants the backspace itself
    if check:
        _check(client.get("/ledger/check"), as_json=as_json)
        return
    found = list(ledgers(client, host))
    if days:
        _show_days(client, found, as_json=as_json)
        return
    if as_json:
        json_lines(_streams(found))
        return
    if not found:
        click.echo(f"host {host} has sent nothing yet" if host else "no host has sent anything yet", err=True)
    else:
        at = now()
        rows = [_row(one, at) for one in found]
        headings = {"hostname": "HOST", **_COUNTS, "throttled": "THROTTLED", "lost": "LOST", "seen": "LAST SEEN"}
        table(headings, rows)
    if host:
        _show_gaps(found)
    elif refusals := client.get("/ledger", limit=1)["refusals"]:
        table({"reason": "REFUSED BECAUSE", "count": "TIMES", "agent": "AGENT"}, refusals)


def ledgers(client: Client, host: str = "") -> Iterator[dict[str, Any]]:
    """Give the ledger of every host, or of those with an id or name, page by page."""
    cursor: str | None = ""
    while cursor is not None:
        page: dict[str, Any] = client.get("/ledger", host=host, cursor=cursor)
        yield from page["hosts"]
        cursor = page["cursor"]


def _show_days(client: Client, found: list[dict[str, Any]], *, as_json: bool) -> None:
    for one in found:
        lines = client.pages(f"/ledger/{one['host']}/days", limit=1000)
        if as_json:
            json_lines({"host": one["host"], "hostname": one["hostname"]} | line for line in lines)
            continue
        click.secho(one["hostname"] or one["host"], bold=True)
        rows = [
            line
            | {name: f"{line[name]:,}" for name in _OF_DAY}
            | {name: _by_type(line[name]) for name in _BY_TYPE}
            | {"gaps": ", ".join(f"{gap['first']}-{gap['last']}" for gap in line["gaps"])}
            for line in lines
        ]
        table({"day": "DAY", **_OF_DAY, **_BY_TYPE, "gaps": "MISSING NUMBERS"}, rows)


def _check(found: dict[str, Any], *, as_json: bool) -> None:
    """Show where ledger and store differ; exit 1 if they do."""
    if as_json:
        json_lines([found])
    else:
        rows = [
            one
            | {"hostname": one["hostname"] or one["host"], "checked": when(one["checked"])}
            | {"places": ", ".join(f"{first}-{last}" for first, last in one["places"])}
            for one in found["differences"]
        ]
        if rows:
            table(_DIFFERENCE, rows)
        since = f", the longest ago at {when(found['oldest'])}" if found["oldest"] else ""
        click.echo(
            f"{len(rows) or 'no'} differences between ledger and store; compared {found['checked']:,} days of streams"
            f"{since}; {found['waiting']:,} wait, retention removed {found['removed']:,}"
        )
    if found["differences"]:
        raise click.exceptions.Exit(1)


_BY_TYPE = {"aged": "TOO OLD", "overflowed": "NO ROOM", "throttled": "THROTTLED", "lost": "LOST"}
_OF_DAY = {
    "sent": "SENT", "received": "RECEIVED", "stored": "STORED", "missing": "MISSING", "duplicates": "DUPLICATES",
    "dead_lettered": "DEAD LETTER", "expired": "EXPIRED",
}  # fmt: skip
_DIFFERENCE = {
    "hostname": "HOST", "epoch": "STREAM", "day": "DAY", "stored": "LEDGER", "held": "STORE", "missing": "MISSING",
    "doubled": "DOUBLED", "extra": "EXTRA", "checked": "LOOKED AT", "places": "MISSING NUMBERS",
}  # fmt: skip


def _streams(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for one in found:
        about = {name: one[name] for name in ("host", "hostname", "tenant", "last_seen")}
        for stream in one["streams"]:
            yield about | stream


def _row(one: dict[str, Any], at: int) -> dict[str, Any]:
    balance = one["balance"]
    row: dict[str, Any] = {name: f"{balance[name]:,}" for name in _COUNTS}
    return row | {
        "hostname": one["hostname"] or one["host"],
        "throttled": _by_type(balance["throttled"]),
        "lost": _by_type(balance["lost"]),
        "seen": when(one["last_seen"], now=at),
    }


def _by_type(counts: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items()) if count) or "0"


def _show_gaps(found: list[dict[str, Any]]) -> None:
    for one in found:
        for stream in one["streams"]:
            for gap in stream["gaps"]:
                click.echo(f"missing in {stream['epoch']}: {gap['first']:,} to {gap['last']:,}")
            if stream["gaps_total"] > len(stream["gaps"]):
                click.echo(f"... {stream['gaps_total']:,} gaps in {stream['epoch']}")
