"""`vedette tree`: a process with its ancestors and descendants."""

from typing import Any

import click

from vedette.cli.client import Client
from vedette.cli.connection import connected
from vedette.cli.printing import json_lines, visible, when


@click.command("tree")
@click.argument("entity_id")
@click.option("--up", type=click.IntRange(0, 64), default=16, show_default=True, help="Ancestors at most.")
@click.option("--down", type=click.IntRange(0, 64), default=16, show_default=True, help="Levels below at most.")
@click.option("--most", type=click.IntRange(1, 2000), default=500, show_default=True, help="Processes at most.")
@click.option(
    "--children", type=click.IntRange(1, 2000), default=200, show_default=True, help="Of one process at most."
)
@connected
def tree(client: Client, entity_id: str, *, as_json: bool, **options: int) -> None:
    """Show the process ENTITY_ID, who started it, and what it started.

    ENTITY_ID is `process.entity_id` of any event: `vedette hunt --details` shows it as id.

    \b
    Example:
      vedette tree 0a1b2c3d4e5f60718293a4b5c6d7e8f9
    """  # noqa: D301 - click wants the backspace itself
    found = client.get(f"/processes/{entity_id}/tree", **options)
    if as_json:
        json_lines(
            {"entity_id": one["entity_id"], "parent_id": one.get("parent_id"), "depth": one["depth"],
             "known": one["known"]} | one["facts"]
            for one in found["processes"]
        )  # fmt: skip
    else:
        _draw(found)
    if found["missing"]:
        click.echo(f"partial: {', '.join(found['missing'])} of the event store did not answer", err=True)
    if found["truncated"]:
        click.echo(
            f"partial: the tree goes on beyond its bounds ({found['reason']}): --up, --down, --most, --children",
            err=True,
        )


def _draw(found: dict[str, Any]) -> None:
    processes = {one["entity_id"]: one for one in found["processes"]}
    children: dict[str, list[str]] = {}
    tops = []
    for one in found["processes"]:
        if one.get("parent_id") in processes and one["parent_id"] != one["entity_id"]:
            children.setdefault(one["parent_id"], []).append(one["entity_id"])
        else:
            tops.append(one["entity_id"])
    host = next((one["facts"].get("host.name") for one in found["processes"] if one["facts"].get("host.name")), "")
    click.secho(f"host {visible(host or found['host_id'])}", bold=True)
    drawn: set[str] = set()
    stack = [(top, "", "") for top in reversed(tops)]
    while stack:
        entity, branch, below = stack.pop()
        if entity in drawn:
            continue
        drawn.add(entity)
        first, *more = _about(processes[entity])
        asked = entity == found["entity_id"]
        click.secho(branch + first, bold=asked, fg="yellow" if asked else None)
        own = children.get(entity, [])
        for text in more:
            click.secho(below + ("│    " if own else "     ") + text, dim=True)
        ends = [(child, position == len(own) - 1) for position, child in enumerate(own)]
        stack += [
            (child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
            for child, last in reversed(ends)
        ]


def _about(one: dict[str, Any]) -> list[str]:
    facts = one["facts"]
    name = facts.get("process.command_line") or facts.get("process.file.path") or facts.get("process.file.name") or "?"
    user = facts.get("user.name")
    first = f"{visible(str(name))}  [{facts.get('process.pid', '?')}]" + (f"  {visible(user)}" if user else "")
    if not one["known"]:
        return [f"{first}  (its start is not stored)"]
    start = facts.get("process.start_time") or facts.get("event.time")
    life = f"started {when(start)}"
    if facts.get("process.end_time"):
        life += f", ended {when(facts['process.end_time'])}"
    if facts.get("process.exit_code") is not None:
        life += f" with exit code {facts['process.exit_code']}"
    path = facts.get("process.file.path")
    about = [f"{visible(path)}  {life}" if path else life, f"id {one['entity_id']}"]
    return [first, *about]
