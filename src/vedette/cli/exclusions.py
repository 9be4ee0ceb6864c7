"""`vedette exclusions`: findings that nobody wants to hear of."""

from typing import Any

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import json_line, json_lines, table, when
from vedette.runtime.clock import DAY, now


@click.group("exclusions", cls=ListingGroup)
def exclusions() -> None:
    """List, add and remove exclusions: findings that fit one raise no alert, and are counted with it.

    \b
    Examples:
      vedette exclusions
      vedette exclusions add --rule RULE --path '/opt/backup/*' --days 30 --note 'the backup does that'
      vedette exclusions remove EXCLUSION
    """  # noqa: D301 - click wants the backspace itself


@exclusions.command("list")
@connected
def show_all(client: Client, *, as_json: bool) -> None:
    """List exclusions, newest first (the default)."""
    found = client.get("/exclusions")
    if as_json:
        json_lines(found)
        return
    rows = [one | {"covers": _covers(one), "expires": when(one["expires"])} for one in found]
    columns = {"id": "ID", "hits": "HITS", "expires": "EXPIRES", "created_by": "BY", "covers": "COVERS", "note": "NOTE"}
    table(columns, rows)


def _covers(one: dict[str, Any]) -> str:
    return ", ".join(f"{name}={one[name]}" for name in ("rule", "host", "user", "sha256", "path") if one[name])


@exclusions.command("add")
@click.option("--rule", default="", help="Findings of this rule.")
@click.option("--host", default="", help="On this host (id).")
@click.option("--user", default="", help="In events of this account.")
@click.option("--sha256", default="", help="Of a file or program with this digest.")
@click.option("--path", default="", help="Of a file or program whose path fits this mask (* and ?).")
@click.option("--days", type=click.IntRange(1), help="How long it counts; for ever unless it is named.")
@click.option("--note", default="", help="Why.")
@connected
def add(client: Client, *, days: int | None, as_json: bool, **wanted: str) -> None:
    """Exclude findings that fit all that is named."""
    body = {**wanted, "expires": None if days is None else now() + days * DAY}
    made = client.post("/exclusions", body)
    if as_json:
        json_line(made)
    else:
        click.echo(made["id"])


@exclusions.command("remove")
@click.argument("exclusion")
@connected
def remove(client: Client, exclusion: str, *, as_json: bool) -> None:
    """Exclude no more."""
    client.delete(f"/exclusions/{exclusion}")
    if as_json:
        json_line({"id": exclusion})
