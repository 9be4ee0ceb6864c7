"""`vedette audit`: who did what, and whether the log is whole."""

from itertools import islice

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import json_line, json_lines, table, when
from vedette.runtime.errors import VedetteError


@click.group("audit", cls=ListingGroup)
def audit() -> None:
    """Read the audit log and check that it is whole.

    \b
    Examples:
      vedette audit list --actor ann
      vedette audit verify
    """  # noqa: D301 - click wants the backspace itself


@audit.command("list")
@click.option("--actor", default="", help="Only what this account did.")
@click.option("--action", default="", help="Only this action, for example host.revoke.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="How many, newest first.")
@connected
def show(client: Client, *, actor: str, action: str, limit: int, as_json: bool) -> None:
    """List entries, newest first."""
    found = list(islice(client.pages("/audit", actor=actor, action=action, limit=min(limit, 1000)), limit))
    if as_json:
        json_lines(found)
        return
    if not found:
        click.echo("no entry matches", err=True)
        return
    rows = [one | {"time": when(one["time"])} for one in found]
    headings = {
        "sequence": "NO", "time": "TIME", "actor": "WHO", "action": "ACTION", "outcome": "OUTCOME", "address": "FROM",
        "target": "TARGET", "detail": "DETAIL",
    }  # fmt: skip
    table(headings, rows)


@audit.command("verify")
@connected
def verify(client: Client, *, as_json: bool) -> None:
    """Check the chain of hashes; exit 1 and name the first bad entry when it is broken.

    Keep the head that is printed: a log that was put back to an older copy as a whole ends elsewhere.
    """
    found = client.get("/audit/verify")
    if as_json:
        json_line(found)
    if not found["whole"]:
        raise VedetteError(f"the audit log is NOT whole: {found['problem']} ({found['entries']} entries before are)")
    if not as_json:
        click.echo(f"the audit log is whole: {found['entries']} entries, head {found['head']}")
