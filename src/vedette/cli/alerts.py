"""`vedette alerts`: what somebody should look at, and what was done about it."""

from collections.abc import Callable
from typing import Any

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import cell, json_line, json_lines, table, when
from vedette.runtime.clock import now

_STATUSES = click.Choice(["open", "new", "in_progress", "closed", "all"])
_NOTE = click.option("--note", default="", help="Why; kept with the alert.")
_REASON = click.option(
    "--reason", type=click.Choice(["resolved", "false_positive", "expected", "duplicate"]), default="resolved",
    show_default=True, help="What it was.",
)  # fmt: skip
_FILTERS = {
    "host": "Only of this host (id).",
    "rule": "Only of this rule.",
    "technology": "Only of this technology: taa, ioc, yara, am, ...",
    "severity": "Only low, medium or high.",
    "assignee": "Only of this account.",
    "technique": "Only of this ATT&CK technique, with its sub-techniques.",
}
_COLUMNS = {
    "raised": "RAISED", "severity": "SEVERITY", "status": "STATUS", "technology": "BY", "host": "HOST",
    "count": "COUNT", "id": "ID", "title": "WHAT",
}  # fmt: skip
_FACTS = (
    "title", "severity", "status", "resolution", "assignee", "vip", "technology", "rule", "hostname", "host", "users",
    "tactics", "techniques", "chain",
)  # fmt: skip


def _filtered(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each filter."""
    for name, text in reversed(_FILTERS.items()):
        command = click.option(f"--{name}", default="", help=text)(command)
    return click.option("--status", type=_STATUSES, default="open", show_default=True)(command)


@click.group("alerts", cls=ListingGroup)
def alerts() -> None:
    """List alerts, take, assign, close and reopen them, one by one or all that match.

    \b
    Examples:
      vedette alerts --technology taa --severity high
      vedette alerts show ALERT
      vedette alerts watch
      vedette alerts assign ALERT ann
      vedette alerts close ALERT --reason false_positive --note 'the backup does that'
      vedette alerts bulk close --rule RULE --reason expected
    """  # noqa: D301 - click wants the backspace itself


@alerts.command("list")
@_filtered
@click.option("--limit", type=click.IntRange(min=1), default=1000, show_default=True)
@connected
def show_all(client: Client, *, status: str, limit: int, as_json: bool, **filters: str) -> None:
    """List alerts, newest first (the default)."""
    wanted = "" if status == "all" else status
    found: list[dict[str, Any]] = []
    for one in client.pages("/alerts", status=wanted, **filters):
        found.append(one)
        if len(found) == limit:
            break
    if as_json:
        json_lines(found)
        return
    if not found:
        click.echo(f"there are no {'' if status == 'all' else status + ' '}alerts", err=True)
        return
    table(_COLUMNS, [_row(one) for one in found])


def _row(one: dict[str, Any]) -> dict[str, Any]:
    return one | {"raised": when(one["raised"], now=now()), "host": one["hostname"] or one["host"] or "-"}


@alerts.command("show")
@click.argument("alert")
@connected
def show(client: Client, alert: str, *, as_json: bool) -> None:
    """Show one alert: why it was raised, what is related to it, and what was done about it."""
    found = client.get(f"/alerts/{alert}")
    if as_json:
        json_line(found)
        return
    one = found["alert"]
    facts = {name: one[name] for name in _FACTS if one[name] not in ("", [], False)}
    facts |= {"first": when(one["first"]), "last": when(one["last"]), "count": one["count"]}
    table({"name": "ALERT", "value": one["id"]}, [{"name": name, "value": cell(facts[name])} for name in facts])
    table({"name": "WHY", "value": ""}, [{"name": name, "value": value} for name, value in one["why"].items()])
    if one["advice"]:
        table({"advice": "WHAT TO DO"}, [{"advice": line} for line in one["advice"].splitlines()])
    if found["findings"]:
        rows = [finding | {"time": when(finding["time"])} for finding in found["findings"]]
        table({"time": "FOUND IN", "event": "EVENT", "because": "BECAUSE"}, rows)
    if found["related"]:
        rows = [relation["alert"] | {"by": relation["by"]} for relation in found["related"]]
        table({"by": "RELATED BY", "id": "ALERT", "status": "STATUS", "title": "WHAT"}, rows)
    rows = [step | {"time": when(step["time"]), "actor": step["actor"] or "Vedette"} for step in found["steps"]]
    table({"time": "TIME", "status": "STATUS", "actor": "BY", "note": "NOTE"}, rows)


@alerts.command("findings")
@click.argument("alert")
@connected
def findings(client: Client, alert: str, *, as_json: bool) -> None:
    """List the findings that are kept of ALERT, each with its event."""
    found = client.pages(f"/alerts/{alert}/findings", limit=1000)
    if as_json:
        json_lines(found)
    else:
        rows = [one | {"time": when(one["time"])} for one in found]
        table({"time": "TIME", "event": "EVENT", "because": "BECAUSE"}, rows)


@alerts.command("watch")
@click.option("--once", is_flag=True, help="End after the first alert.")
@connected
def watch(client: Client, *, once: bool, as_json: bool) -> None:
    """Show alerts as they are raised and changed, until Ctrl-C."""
    since = now()
    while True:
        for one in client.alerts_since(since):
            since = one["changed"]
            if as_json:
                json_line(one)
            else:
                table(_COLUMNS, [_row(one)])
            if once:
                return


@alerts.command("acknowledge")
@click.argument("alert")
@_NOTE
@connected
def acknowledge(client: Client, alert: str, *, as_json: bool, **body: str) -> None:
    """Say that somebody looks at ALERT."""
    _do(client, alert, "acknowledge", body, as_json=as_json)


@alerts.command("assign")
@click.argument("alert")
@click.argument("assignee", default="")
@_NOTE
@connected
def assign(client: Client, alert: str, *, as_json: bool, **body: str) -> None:
    """Say that the account ASSIGNEE is to look at ALERT; none = nobody."""
    _do(client, alert, "assign", body, as_json=as_json)


@alerts.command("close")
@click.argument("alert")
@_REASON
@_NOTE
@connected
def close(client: Client, alert: str, *, as_json: bool, **body: str) -> None:
    """Say that ALERT is done with."""
    _do(client, alert, "close", body, as_json=as_json)


@alerts.command("reopen")
@click.argument("alert")
@_NOTE
@connected
def reopen(client: Client, alert: str, *, as_json: bool, **body: str) -> None:
    """Make ALERT new again."""
    _do(client, alert, "reopen", body, as_json=as_json)


@alerts.command("vip")
@click.argument("alert")
@click.option("--off", is_flag=True, help="Show it to everybody again.")
@_NOTE
@connected
def vip(client: Client, alert: str, *, off: bool, note: str, as_json: bool) -> None:
    """Hide ALERT from those without the right alerts.vip.read."""
    _do(client, alert, "vip", {"vip": not off, "note": note}, as_json=as_json)


@alerts.command("bulk")
@click.argument("deed", type=click.Choice(["acknowledge", "assign", "close", "reopen"]))
@_filtered
@click.option("--to", default="", help="For assign: the account.")
@_REASON
@_NOTE
@connected
def bulk(client: Client, deed: str, *, as_json: bool, **options: str) -> None:
    """Do the same about every alert that matches, however many there are."""
    wanted = {name: options[name] for name in _FILTERS}
    wanted["status"] = "" if options["status"] == "all" else options["status"]
    body = {"filter": wanted, "deed": deed, "assignee": options["to"]}
    done = client.post("/alerts/bulk", body | {name: options[name] for name in ("reason", "note")})
    if as_json:
        json_line(done)
    else:
        click.echo(f"{done['changed']} alerts changed, {done['left']} left as they were")


def _do(client: Client, alert: str, deed: str, body: dict[str, Any], *, as_json: bool) -> None:
    found = client.post(f"/alerts/{alert}/{deed}", body)
    if as_json:
        json_line(found)
    else:
        click.echo(f"{found['title']}: {found['status']}")
