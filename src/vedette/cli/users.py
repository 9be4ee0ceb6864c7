"""`vedette users`: accounts of people."""

from typing import Any

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import json_line, json_lines, table, when
from vedette.runtime.errors import ConfigError

_ROLES = click.Choice(["administrator", "senior_officer", "officer", "auditor"])


@click.group("users", cls=ListingGroup)
def users() -> None:
    """Manage accounts.

    \b
    Examples:
      vedette users add ann --role officer
      vedette users change ann --role senior_officer
      vedette users change ann --disable
      vedette users reset-password ann
    """  # noqa: D301 - click wants the backspace itself


@users.command("list")
@connected
def show(client: Client, *, as_json: bool) -> None:
    """List accounts."""
    found = client.get("/users")
    if as_json:
        json_lines(found)
        return
    rows = [one | {"state": _state(one), "last_login": when(one["last_login"])} for one in found]
    headings = {
        "name": "NAME", "role": "ROLE", "state": "STATE", "last_login": "LAST LOGIN", "tenants": "TENANTS", "id": "ID",
    }  # fmt: skip
    table(headings, rows)


@users.command("add")
@click.argument("name")
@click.option("--role", type=_ROLES, required=True)
@click.option("--tenant", "tenants", multiple=True, help="May be given several times; by default yours.")
@connected
def add(client: Client, name: str, *, role: str, tenants: tuple[str, ...], as_json: bool) -> None:
    """Make an account; prints its one-time password, which is shown once."""
    made = client.post("/users", {"name": name, "role": role, "tenants": list(tenants)})
    _show_password(made, as_json=as_json)


@users.command("change")
@click.argument("name")
@click.option("--role", type=_ROLES)
@click.option("--disable/--enable", "disabled", default=None, help="Refuse the account, or accept it again.")
@connected
def change(client: Client, name: str, *, role: str | None, disabled: bool | None, as_json: bool) -> None:
    """Change the role of an account, disable or enable it."""
    body = {key: value for key, value in (("role", role), ("disabled", disabled)) if value is not None}
    if not body:
        raise click.UsageError("say what to change: --role, --disable or --enable")
    found = client.patch(f"/users/{_id_of(client, name)}", body)
    if as_json:
        json_line(found)
    else:
        click.echo(f"{found['name']}: {found['role']}, {_state(found)}")


@users.command("reset-password")
@click.argument("name")
@connected
def reset_password(client: Client, name: str, *, as_json: bool) -> None:
    """Give an account a new one-time password; its sessions and tokens end."""
    made = client.post(f"/users/{_id_of(client, name)}/password")
    _show_password(made, as_json=as_json)


def _show_password(made: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        json_line(made["user"] | {"password": made["password"]})
    else:
        click.echo(made["password"])
        click.echo(f"one-time password of {made['user']['name']}; the first login asks for a new one", err=True)


def _id_of(client: Client, name: str) -> str:
    for one in client.get("/users"):
        if name.lower() in (one["name"], one["id"]):
            return str(one["id"])
    raise ConfigError(f"there is no account {name}")


def _state(one: dict[str, Any]) -> str:
    if one["disabled"]:
        return "disabled"
    return "one-time password" if one["must_change"] else "active"
