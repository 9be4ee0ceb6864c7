"""`vedette searches`: keep searches, list, run and delete them."""

from typing import Any

import click

from vedette.cli.client import Client
from vedette.cli.connection import ListingGroup, connected
from vedette.cli.hunt import hunt
from vedette.cli.printing import json_line, json_lines, table, when
from vedette.cli.saved import named


@click.group("searches", cls=ListingGroup)
def searches() -> None:
    """Keep searches under a name, for yourself or for your whole tenant.

    \b
    Examples:
      vedette searches save downloads 'process.file.name in (curl, wget)' --since 7d --columns host.name,user.name
      vedette searches run downloads
      vedette searches run ann/downloads --since 30d --json
      vedette searches delete downloads
    """  # noqa: D301 - click wants the backspace itself


@searches.command("list")
@connected
def show_all(client: Client, *, as_json: bool) -> None:
    """List your searches and the shared ones (the default)."""
    found = list(client.pages("/searches"))
    if as_json:
        json_lines(found)
        return
    rows = [one | {"changed": when(one["changed"]), "since": one["since"] or "24h"} for one in found]
    headings = {
        "name": "NAME", "owner_name": "OWNER", "shared": "SHARED", "changed": "CHANGED", "since": "SINCE",
        "query": "QUERY",
    }  # fmt: skip
    table(headings, rows)


@searches.command("save")
@click.argument("name")
@click.argument("query")
@click.option("--since", default="", help="As `vedette hunt` has it.")
@click.option("--until", default="", help="The same.")
@click.option("--language", default="hunt", show_default=True, help="hunt or kata.")
@click.option("--columns", default="", metavar="NAMES", help="These fields only, separated by commas.")
@click.option("--shared", is_flag=True, help="Your whole tenant sees it.")
@connected
def save(client: Client, name: str, *, columns: str, as_json: bool, **asked: Any) -> None:
    """Keep QUERY as NAME; a search of yours of this name is replaced."""
    names = [one.strip() for one in columns.split(",") if one.strip()]
    body = asked | {"name": name, "columns": names}
    me = client.get("/me")["name"]
    held = next((one for one in client.pages("/searches", name=name) if one["owner_name"] == me), None)
    if held is None:
        made = client.post("/searches", body)
    else:
        made = client.put(f"/searches/{held['id']}", body, **{"If-Match": f'"{held["version"]}"'})
    if as_json:
        json_line(made)
    else:
        click.echo(f"{made['name']} is kept, version {made['version']}")


@searches.command("delete")
@click.argument("name")
@connected
def delete(client: Client, name: str, *, as_json: bool) -> None:
    """Delete the search NAME, or OWNER/NAME."""
    found = named(client, name)
    client.delete(f"/searches/{found['id']}")
    if as_json:
        json_line(found)
    else:
        click.echo(f"{found['name']} of {found['owner_name']} is deleted")


@searches.command("run", context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(context: click.Context, name: str, options: tuple[str, ...]) -> None:
    """Hunt with the search NAME, or OWNER/NAME; takes the options of `vedette hunt`."""
    with hunt.make_context("hunt", ["--saved", name, *options], parent=context) as inner:
        hunt.invoke(inner)
