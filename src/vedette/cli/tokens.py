"""`vedette tokens`: enrolment tokens."""

from urllib.parse import urlsplit

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import json_line, json_lines, table, when
from vedette.runtime.clock import now


@click.group("tokens", cls=ListingGroup)
def tokens() -> None:
    """Make, list and revoke the tokens with which agents enrol.

    \b
    Examples:
      vedette tokens create
      vedette tokens create --uses 50 --hours 168 --group servers --note 'roll-out of May'
      vedette tokens list
    """  # noqa: D301 - click wants the backspace itself


@tokens.command("create")
@click.option("--uses", type=click.IntRange(1, 100_000), default=1, show_default=True, help="How many agents.")
@click.option("--hours", type=click.IntRange(1, 8760), default=24, show_default=True, help="How long it is valid.")
@click.option("--group", default="default", show_default=True, help="The group into which hosts come.")
@click.option("--note", default="", help="What it is for.")
@connected
def create(client: Client, *, as_json: bool, **wanted: str | int) -> None:
    """Make a token. It is shown once."""
    made = client.post("/enrolment-tokens", wanted)
    if as_json:
        json_line(made["token"] | {"token": made["secret"], "port": made["port"]})
        return
    click.echo(made["secret"])
    agents = "1 agent" if made["token"]["uses"] == 1 else f"{made['token']['uses']:,} agents"
    click.echo(f"for {agents}, until {when(made['token']['expires'])}; on a host:", err=True)
    server = f"https://{urlsplit(client.config.url).hostname}:{made['port'] or 'PORT'}"
    click.echo(f"  vedette agent enrol --server {server} --token {made['secret']}", err=True)


@tokens.command("list")
@connected
def show(client: Client, *, as_json: bool) -> None:
    """List tokens, newest first; their texts are not kept."""
    found = client.get("/enrolment-tokens")
    if as_json:
        json_lines(found)
        return
    if not found:
        click.echo("there are no enrolment tokens", err=True)
        return
    rows = [
        one | {"state": _state(one), "expires": when(one["expires"]), "used": f"{one['used']}/{one['uses']}"}
        for one in found
    ]
    headings = {
        "id": "ID", "state": "STATE", "used": "USED", "group": "GROUP", "expires": "UNTIL", "created_by": "BY",
        "note": "NOTE",
    }  # fmt: skip
    table(headings, rows)


@tokens.command("revoke")
@click.argument("token_id", metavar="ID")
@connected
def revoke(client: Client, token_id: str, *, as_json: bool) -> None:
    """Stop a token from enrolling any more. ID is as `vedette tokens list` shows it."""
    client.delete(f"/enrolment-tokens/{token_id}")
    if as_json:
        json_line({"id": token_id, "revoked": True})
    else:
        click.echo(f"token {token_id} is revoked")


def _state(one: dict[str, int]) -> str:
    if one["revoked"]:
        return "revoked"
    if one["expires"] <= now():
        return "expired"
    return "used up" if one["used"] >= one["uses"] else "usable"
