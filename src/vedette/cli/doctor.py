"""`vedette doctor`: what is well and what is not, from this command's configuration to the hosts."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import click

from vedette.cli.client import Client, config_files
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.doctor_sizing import sizing
from vedette.cli.ledger import ledgers
from vedette.cli.printing import json_lines, size, span
from vedette.runtime.clock import HOUR, MINUTE, now
from vedette.runtime.errors import VedetteError

_SOON = 7
"""Days before a full disk from which on something must be done."""


class Finding(NamedTuple):
    """One thing that was looked at."""

    what: str
    well: bool
    says: str


class CheckingGroup(ListingGroup):
    """`vedette doctor` checks; its other commands are named."""

    default = "check"


@click.group("doctor", cls=CheckingGroup)
def doctor() -> None:
    """Check that this command, the server and the hosts are well; reckon what a server needs.

    \b
    Examples:
      vedette doctor
      vedette doctor sizing --hosts 20000 --events-per-host-hour 800 --days 90
    """  # noqa: D301 - click wants the backspace itself


doctor.add_command(sizing)


@doctor.command("check")
@connected
def check(client: Client, *, as_json: bool) -> None:
    """Check the connection, the server's parts, the audit log, the hosts and the ledger; exit 1 if one is not well."""
    found = list(_findings(client))
    if as_json:
        json_lines(finding._asdict() for finding in found)
    else:
        for finding in found:
            mark, colour = ("ok  ", "green") if finding.well else ("BAD ", "red")
            click.echo(click.style(mark, fg=colour) + f"{finding.what}: {finding.says}")
    if not all(finding.well for finding in found):
        raise click.exceptions.Exit(1)


def _findings(client: Client) -> Iterator[Finding]:
    files = [str(path) for path in config_files() if path.is_file()]
    yield Finding("configuration", True, f"{client.config.url}, {files[0] if files else 'from flags and environment'}")  # noqa: FBT003 - a named tuple
    checks: tuple[tuple[str, Callable[[Client], tuple[bool, str]]], ...] = (
        ("sign-in", _sign_in),
        ("event store", _store),
        ("storage", _storage),
        ("audit log", _audit),
        ("hosts", _hosts),
        ("ledger", _ledger),
    )
    for what, check in checks:
        try:
            well, says = check(client)
        except VedetteError as error:
            well, says = False, str(error)
        yield Finding(what, well, says)
        if what == "sign-in" and not well:
            return


def _sign_in(client: Client) -> tuple[bool, str]:
    me = client.get("/me")
    return True, f"{me['name']}, {me['role']}, tenants {', '.join(me['tenants'])}"


def _store(client: Client) -> tuple[bool, str]:
    client.get("/ready")
    count = client.post("/events/count", {"since": "1h"})
    return True, f"{count['count']:,} events of {count['hosts']} hosts in the last hour"


def _storage(client: Client) -> tuple[bool, str]:
    found = client.get("/storage")
    used = f"{size(found['bytes'])} of events, {size(found['disk_free'])} free"
    if found["full_in"] is None:
        return True, used
    says = f"{used}; at the present rate the disk is full in {found['full_in']} days"
    return found["full_in"] > _SOON, says + "; see `vedette storage retention`"


def _audit(client: Client) -> tuple[bool, str]:
    found = client.get("/audit/verify")
    return found["whole"], f"{found['entries']} entries, whole" if found["whole"] else found["problem"]


def _hosts(client: Client) -> tuple[bool, str]:
    live = [host for host in client.pages("/hosts") if not host["revoked"]]
    silent = [host["hostname"] for host in live if now() - (host["last_seen"] or 0) > HOUR]
    if silent:
        return False, f"{len(silent)} of {len(live)} have not reported for an hour: {', '.join(silent[:10])}"
    return True, f"{len(live)}, all reporting"


def _ledger(client: Client) -> tuple[bool, str]:
    problems = []
    for host in ledgers(client):
        balance = host["balance"]
        if balance["dead_lettered"]:
            problems.append(f"{host['hostname']}: {balance['dead_lettered']:,} dead letters")
        if sum(balance["lost"].values()):
            problems.append(f"{host['hostname']}: {sum(balance['lost'].values()):,} lost in the agent")
        if balance["expired"]:
            problems.append(f"{host['hostname']}: {balance['expired']:,} expired before they could be sent")
        waited = now() - (balance["spool_oldest"] or now())
        if waited > 10 * MINUTE:
            problems.append(f"{host['hostname']}: {balance['spooled']:,} events wait since {span(waited)}")
    differences = len(client.get("/ledger/check")["differences"])
    if differences:
        problems.append(f"the store does not hold what the ledger says in {differences} places: vedette ledger --check")
    return not problems, "; ".join(problems) or "nothing lost, nothing waits"
