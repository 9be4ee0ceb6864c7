"""`vedette account`: one's own account: password, sessions, API tokens."""

import getpass

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import json_line, json_lines, table, when
from vedette.runtime.clock import now


class OwnAccount(ListingGroup):
    """Shows the account when no command is named."""

    default = "show"


@click.group("account", cls=OwnAccount)
def account() -> None:
    """Show your account; manage its password, sessions and API tokens.

    \b
    Examples:
      vedette account
      vedette account add-token ci --right events.read --days 30
      vedette account end-session ID
    """  # noqa: D301 - click wants the backspace itself


@account.command("show")
@connected
def show(client: Client, *, as_json: bool) -> None:
    """Show who you are here and what you may do (the default)."""
    me = client.get("/me")
    if as_json:
        json_line({name: value for name, value in me.items() if name != "csrf"})
    else:
        click.echo(f"{me['name']}, {me['role']}, by {me['via']}, tenants {', '.join(me['tenants'])}")
        click.echo("rights: " + " ".join(me["rights"]))


@account.command("password")
@connected
def password(client: Client, *, as_json: bool) -> None:
    """Choose a new password; your other sessions end."""
    current, new = getpass.getpass("Current password: "), getpass.getpass("New password: ")
    if new != getpass.getpass("The new one again: "):
        raise click.ClickException("these two differ")
    client.put("/me/password", {"current": current, "new": new})
    if as_json:
        json_line({"changed": True})
    else:
        click.echo("the password is changed")


@account.command("sessions")
@connected
def sessions(client: Client, *, as_json: bool) -> None:
    """List your live sessions, newest first."""
    found = client.get("/sessions")
    if as_json:
        json_lines(found)
        return
    if not found:
        click.echo("there are no sessions", err=True)
        return
    rows = [one | {"created": when(one["created"]), "last_used": when(one["last_used"], now=now())} for one in found]
    table({"id": "ID", "created": "SINCE", "last_used": "USED", "address": "FROM", "user_agent": "BROWSER"}, rows)


@account.command("end-session")
@click.argument("session_id", metavar="ID")
@connected
def end_session(client: Client, session_id: str, *, as_json: bool) -> None:
    """End one of your sessions."""
    client.delete(f"/sessions/{session_id}")
    if as_json:
        json_line({"id": session_id, "ended": True})
    else:
        click.echo(f"session {session_id} has ended")


@account.command("tokens")
@connected
def tokens(client: Client, *, as_json: bool) -> None:
    """List your API tokens, newest first."""
    found = client.get("/api-tokens")
    if as_json:
        json_lines(found)
        return
    rows = [
        one
        | {
            "state": "revoked" if one["revoked"] else "expired" if one["expires"] <= now() else "usable",
            "expires": when(one["expires"]),
            "last_used": when(one["last_used"]),
            "rights": " ".join(one["rights"]),
        }
        for one in found
    ]
    headings = {
        "id": "ID", "state": "STATE", "name": "NAME", "expires": "UNTIL", "last_used": "LAST USED", "rights": "RIGHTS",
    }  # fmt: skip
    table(headings, rows)


@account.command("add-token")
@click.argument("name")
@click.option("--right", "rights", multiple=True, help="A right it has; may be given several times. [default: yours]")
@click.option("--days", type=click.IntRange(1, 365), default=90, show_default=True, help="How long it lasts.")
@connected
def add_token(client: Client, name: str, *, rights: tuple[str, ...], days: int, as_json: bool) -> None:
    """Make an API token for a program. It is shown once."""
    made = client.post("/api-tokens", {"name": name, "rights": list(rights), "days": days})
    if as_json:
        json_line(made["token"] | {"token": made["secret"]})
    else:
        click.echo(made["secret"])


@account.command("revoke-token")
@click.argument("token_id", metavar="ID")
@connected
def revoke_token(client: Client, token_id: str, *, as_json: bool) -> None:
    """End one of your API tokens."""
    client.delete(f"/api-tokens/{token_id}")
    if as_json:
        json_line({"id": token_id, "revoked": True})
    else:
        click.echo(f"token {token_id} is revoked")
