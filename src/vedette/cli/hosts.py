"""`vedette hosts`: the hosts, their groups and their end."""

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import json_line, json_lines, table, when
from vedette.runtime.clock import now


@click.group("hosts", cls=ListingGroup)
def hosts() -> None:
    """List, move and revoke hosts.

    \b
    Examples:
      vedette hosts
      vedette hosts --name 'web-*' --json
      vedette hosts show HOST
      vedette hosts move HOST servers
      vedette hosts revoke HOST
    """  # noqa: D301 - click wants the backspace itself


@hosts.command("list")
@click.option("--name", default="", metavar="PATTERN", help="Only these host names; may hold *.")
@connected
def show(client: Client, *, name: str, as_json: bool) -> None:
    """List hosts by name (the default)."""
    found = list(client.pages("/hosts", hostname=name))
    if as_json:
        json_lines(found)
        return
    if not found:
        hint = "" if name else "; make a token with `vedette tokens create`, then `vedette agent enrol` there"
        click.echo(f"there are no hosts{' of that name' if name else ' yet'}{hint}", err=True)
        return
    at = now()
    rows = [
        host
        | {
            "seen": when(host["last_seen"], now=at),
            "state": "revoked" if host["revoked"] else "stopped" if host["stopped"] else "enrolled",
            "settings": f"v{host['settings_version']}",
        }
        for host in found
    ]
    headings = {
        "hostname": "NAME", "os": "OS", "group": "GROUP", "state": "STATE", "seen": "LAST SEEN", "mode": "MODE",
        "settings": "SETTINGS", "spool_events": "WAITING", "version": "VERSION", "id": "ID",
    }  # fmt: skip
    table(headings, rows)


@hosts.command("show")
@click.argument("host")
@connected
def one(client: Client, host: str, *, as_json: bool) -> None:
    """Say all that is known of HOST, with what it refuses to its agent and why."""
    found = client.get(f"/hosts/{host}")
    if as_json:
        json_line(found)
        return
    refused = found.pop("refused")
    for name, value in found.items():
        click.echo(f"{name:<20} {'-' if value is None else value}")
    for what, why in refused.items():
        click.echo(f"{'refused':<20} {what}: {why}")


@hosts.command("revoke")
@click.argument("host")
@click.confirmation_option(prompt="The agent is refused from now on and must enrol anew. Go on?")
@connected
def revoke(client: Client, host: str, *, as_json: bool) -> None:
    """Refuse HOST's agent from now on."""
    found = client.post(f"/hosts/{host}/revoke")
    if as_json:
        json_line(found)
    else:
        click.echo(f"{found['hostname']} ({host}) is revoked")


@hosts.command("move")
@click.argument("host")
@click.argument("group")
@connected
def move(client: Client, host: str, group: str, *, as_json: bool) -> None:
    """Put HOST into GROUP."""
    found = client.put(f"/hosts/{host}/group", {"group": group})
    if as_json:
        json_line(found)
    else:
        click.echo(f"{found['hostname']} is in {group} now")
