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
    "duplicates": "DUPLICATES", "dead_lettered": "DEAD LETTER", "expired": "EXPIRED",
}  # fmt: skip


@click.command("ledger")
@click.argument("host", default="")
@connected
def ledger(client: Client, host: str, *, as_json: bool) -> None:
    """Show for each host what its agent sent and what became of it. HOST is a host's id or name.

    \b
    SENT         events that the agent has numbered
    RECEIVED     durably here; SENT = RECEIVED + MISSING (still in the agent's buffer, or expired there)
    STORED       can be hunted; RECEIVED = STORED + IN FLIGHT + DEAD LETTER
    DUPLICATES   sent again by the agent and dropped here
    LOST         dropped in the agent before they had a number, by type

    With --json one line for each stream (an agent's buffer), with the gaps in its numbers.
    """  # noqa: D301 - click wants the backspace itself
    report = client.get("/ledger")
    found = [one for one in report["hosts"] if not host or host in (one["host"], one["hostname"])]
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
    elif report["refusals"]:
        table({"reason": "REFUSED BECAUSE", "count": "TIMES", "agent": "AGENT"}, report["refusals"])


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
