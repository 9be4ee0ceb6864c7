"""`vedette upgrades`: releases of the agent, and how they get to the hosts."""

from pathlib import Path
from typing import Any

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.printing import json_line, json_lines, table, when
from vedette.runtime.clock import now


@click.group("upgrades", cls=ListingGroup)
def upgrades() -> None:
    """Add agent releases and roll them out to a group of hosts, a share at a time.

    A host that does not work with the new version goes back by itself; when too many do, the roll-out pauses.

    \b
    Examples:
      vedette upgrades add dist/vedette-agent-0.2.0-linux-x86_64-py3.11.tar.zst
      vedette upgrades start 0.2.0 --group servers --percent 10
      vedette upgrades status ROLLOUT
      vedette upgrades widen ROLLOUT --percent 100
    """  # noqa: D301 - click wants the backspace itself


@upgrades.command("list")
@connected
def show(client: Client, *, as_json: bool) -> None:
    """List the releases that were added, newest first (the default)."""
    found = client.get("/releases")
    if as_json:
        json_lines(found)
        return
    if not found:
        click.echo("there are no releases; `vedette upgrades add FILE` adds one", err=True)
        return
    rows = [one | {"added": when(one["added"])} for one in found]
    headings = {
        "version": "VERSION", "platform": "PLATFORM", "python": "PYTHON", "size": "BYTES", "added": "ADDED",
        "added_by": "BY", "sha256": "SHA-256",
    }  # fmt: skip
    table(headings, rows)


@upgrades.command("add")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@connected
def add(client: Client, file: Path, *, as_json: bool) -> None:
    """Send a release archive (`make release`) to the Central Node, which checks and signs it."""
    added = client.upload("/releases", file)
    if as_json:
        json_line(added)
    else:
        click.echo(f"version {added['version']} for {added['platform']}, Python {added['python']}, is there")


@upgrades.command("remove")
@click.argument("version")
@connected
def remove(client: Client, version: str, *, as_json: bool) -> None:
    """Remove a release. Hosts that run it stay as they are."""
    client.delete(f"/releases/{version}")
    if as_json:
        json_line({"version": version, "removed": True})
    else:
        click.echo(f"version {version} is removed")


@upgrades.command("start")
@click.argument("version")
@click.option("--group", default="default", show_default=True, help="The hosts.")
@click.option("--percent", type=click.IntRange(1, 100), default=100, show_default=True, help="Their first share.")
@click.option("--pause-above", type=click.IntRange(0, 100), default=10, show_default=True, metavar="PERCENT",
              help="Pause when more than so many of the hosts went back.")  # fmt: skip
@click.option("--minutes", type=click.IntRange(1, 1440), default=10, show_default=True,
              help="Within these a new version must confirm itself.")  # fmt: skip
@click.option("--starts", type=click.IntRange(1, 20), default=3, show_default=True,
              help="So often a new version may end before that.")  # fmt: skip
@click.option("--hours", type=click.IntRange(1, 2160), default=336, show_default=True,
              help="A host that is off for longer is left out.")  # fmt: skip
@click.option("--allow-older", is_flag=True, help="Also when hosts run a newer version.")
@connected
def start(client: Client, version: str, *, as_json: bool, **wanted: str | int | bool) -> None:
    """Begin to roll out VERSION."""
    _say(client.post("/rollouts", {"version": version, **wanted}), as_json=as_json)


@upgrades.command("widen")
@click.argument("rollout")
@click.option("--percent", type=click.IntRange(1, 100), required=True, help="The share from now on.")
@connected
def widen(client: Client, rollout: str, *, percent: int, as_json: bool) -> None:
    """Go on to a larger share of the hosts, which includes those that were first."""
    _say(client.post(f"/rollouts/{rollout}/widen", {"percent": percent}), as_json=as_json)


@upgrades.command("pause")
@click.argument("rollout")
@connected
def pause(client: Client, rollout: str, *, as_json: bool) -> None:
    """Begin on no further host."""
    _say(client.post(f"/rollouts/{rollout}/pause"), as_json=as_json)


@upgrades.command("resume")
@click.argument("rollout")
@connected
def resume(client: Client, rollout: str, *, as_json: bool) -> None:
    """Go on with a paused roll-out."""
    _say(client.post(f"/rollouts/{rollout}/resume"), as_json=as_json)


@upgrades.command("cancel")
@click.argument("rollout")
@connected
def cancel(client: Client, rollout: str, *, as_json: bool) -> None:
    """End a roll-out: hosts that have not begun to try the version stop."""
    _say(client.post(f"/rollouts/{rollout}/cancel"), as_json=as_json)


@upgrades.command("status")
@click.argument("rollout", default="")
@connected
def status(client: Client, rollout: str, *, as_json: bool) -> None:
    """Show how far a roll-out is, host by host; without ROLLOUT list all."""
    if not rollout:
        _list_rollouts(client.get("/rollouts"), as_json=as_json)
        return
    found = client.get(f"/rollouts/{rollout}")
    if as_json:
        json_line(found)
        return
    _say(found["rollout"], as_json=False)
    click.echo(", ".join(f"{count} {stage}" for stage, count in sorted(found["stages"].items())))
    at = now()
    rows = [host | {"updated": when(host["updated"], now=at), "done": _done(host)} for host in found["hosts"]]
    headings = {
        "hostname": "NAME", "stage": "STAGE", "done": "DONE", "updated": "REPORTED", "host": "ID", "reason": "WHY",
    }  # fmt: skip
    table(headings, rows)


def _list_rollouts(found: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        json_lines(found)
        return
    rows = [one | {"created": when(one["created"])} for one in found]
    headings = {
        "id": "ROLLOUT", "version": "VERSION", "group": "GROUP", "percent": "PERCENT", "state": "STATE",
        "created": "SINCE", "created_by": "BY", "reason": "WHY",
    }  # fmt: skip
    table(headings, rows)


def _say(rollout: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        json_line(rollout)
        return
    why = f": {rollout['reason']}" if rollout["reason"] else ""
    click.echo(
        f"roll-out {rollout['id']} of {rollout['version']} to {rollout['percent']} % of group {rollout['group']} "
        f"is {rollout['state']}{why}"
    )


def _done(host: dict[str, Any]) -> str:
    return f"{host['progress'] * 100 // host['total']} %" if host["total"] and host["progress"] is not None else ""
