"""`vedette alerts`: what somebody should look at, and what was done about it."""

from typing import Any

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import cell, json_line, json_lines, table, when
from vedette.runtime.clock import now

_STATUSES = click.Choice(["open", "new", "acknowledged", "closed", "all"])
_NOTE = click.option("--note", default="", help="Why; kept with the alert.")


@click.group("alerts", cls=ListingGroup)
def alerts() -> None:
    """List alerts, acknowledge, close and reopen them.

    \b
    Examples:
      vedette alerts
      vedette alerts --status all --host HOST --json
      vedette alerts show ALERT
      vedette alerts close ALERT --note 'laptop was in the repair shop'
    """  # noqa: D301 - click wants the backspace itself


@alerts.command("list")
@click.option("--status", type=_STATUSES, default="open", show_default=True)
@click.option("--host", default="", help="Only of this host (id).")
@click.option("--rule", default="", help="Only of this rule.")
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True)
@connected
def show_all(client: Client, *, status: str, host: str, rule: str, limit: int, as_json: bool) -> None:
    """List alerts, newest first (the default)."""
    wanted = "" if status == "all" else status
    found: list[dict[str, Any]] = []
    for one in client.pages("/alerts", status=wanted, host=host, rule=rule):
        found.append(one)
        if len(found) == limit:
            break
    if as_json:
        json_lines(found)
        return
    if not found:
        click.echo(f"there are no {'' if status == 'all' else status + ' '}alerts", err=True)
        return
    at = now()
    rows = [
        one | {"raised": when(one["raised"], now=at), "host": one["hostname"] or one["host"] or "-"} for one in found
    ]
    headings = {
        "raised": "RAISED", "severity": "SEVERITY", "status": "STATUS", "technology": "BY", "host": "HOST",
        "count": "COUNT", "id": "ID", "title": "WHAT",
    }  # fmt: skip
    table(headings, rows)


@alerts.command("show")
@click.argument("alert")
@connected
def show(client: Client, alert: str, *, as_json: bool) -> None:
    """Show one alert: why it was raised, and what was done about it."""
    found = client.get(f"/alerts/{alert}")
    if as_json:
        json_line(found)
        return
    one = found["alert"]
    facts = {name: one[name] for name in ("title", "severity", "status", "technology", "rule", "hostname", "host")}
    facts |= {"first": when(one["first"]), "last": when(one["last"]), "count": one["count"]}
    table({"name": "ALERT", "value": one["id"]}, [{"name": name, "value": cell(facts[name])} for name in facts])
    table({"name": "WHY", "value": ""}, [{"name": name, "value": value} for name, value in one["why"].items()])
    rows = [step | {"time": when(step["time"]), "actor": step["actor"] or "Vedette"} for step in found["steps"]]
    table({"time": "TIME", "status": "STATUS", "actor": "BY", "note": "NOTE"}, rows)


@alerts.command("acknowledge")
@click.argument("alert")
@_NOTE
@connected
def acknowledge(client: Client, alert: str, *, note: str, as_json: bool) -> None:
    """Say that somebody looks at ALERT."""
    _move(client, alert, "acknowledge", note, as_json=as_json)


@alerts.command("close")
@click.argument("alert")
@_NOTE
@connected
def close(client: Client, alert: str, *, note: str, as_json: bool) -> None:
    """Say that ALERT is done with."""
    _move(client, alert, "close", note, as_json=as_json)


@alerts.command("reopen")
@click.argument("alert")
@_NOTE
@connected
def reopen(client: Client, alert: str, *, note: str, as_json: bool) -> None:
    """Make ALERT new again."""
    _move(client, alert, "reopen", note, as_json=as_json)


def _move(client: Client, alert: str, deed: str, note: str, *, as_json: bool) -> None:
    found = client.post(f"/alerts/{alert}/{deed}", {"note": note})
    if as_json:
        json_line(found)
    else:
        click.echo(f"{found['title']}: {found['status']}")
