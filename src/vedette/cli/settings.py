"""`vedette settings`: what the operator sets for groups of hosts."""

from typing import Any

import click
import msgspec

from vedette.cli.client import ApiError, Client
from vedette.cli.connection import connected
from vedette.cli.printing import json_line, json_lines, table, when
from vedette.schema.policies import Settings


@click.group("settings")
def settings() -> None:
    """Show and publish the settings of host groups. Agents fetch them by themselves, signed.

    \b
    Examples:
      vedette settings show
      vedette settings set default send_interval=5 keep_environment=false
      vedette settings set servers budget_cpu_percent=5 budget_bytes_per_day=20000000
      vedette settings set builders budget_events_per_hour=file_create:20000,module_load:50000
      vedette settings groups --add servers
    """  # noqa: D301 - click wants the backspace itself


@settings.command("show")
@click.argument("group", default="")
@connected
def show(client: Client, group: str, *, as_json: bool) -> None:
    """Show the settings in force, of GROUP or of all."""
    found = [client.get(f"/settings/{group}")] if group else client.get("/settings")
    if as_json:
        json_lines(found)
        return
    for one in found:
        click.secho(
            f"{one['group']}: version {one['version']}, {when(one['created'])} by {one['created_by']}", bold=True
        )
        rows = [{"name": name, "value": value} for name, value in one["settings"].items() if name not in _FIXED]
        table({"name": "SETTING", "value": "VALUE"}, rows)


@settings.command("set")
@click.argument("group")
@click.argument("changes", nargs=-1, required=True, metavar="NAME=VALUE...")
@connected
def publish(client: Client, group: str, changes: tuple[str, ...], *, as_json: bool) -> None:
    """Change settings of GROUP; the others stay. Lists are written with commas, limits as TYPE:NUMBER.

    \b
    The budget of an agent, obeyed by leaving out what is worth least and counting it (vedette ledger):
      budget_cpu_percent       of one core, for the agent and its processes, over a minute
      budget_rss_bytes         memory
      budget_bytes_per_day     of events, as they are sent
      budget_events_per_hour   of a type: file_change, file_create and module_load can be limited

    \b
    Examples:
      vedette settings set servers budget_cpu_percent=5
      vedette settings set builders budget_events_per_hour=file_create:20000,module_load:50000
    """  # noqa: D301 - click wants the backspace itself
    try:
        held = client.get(f"/settings/{group}")
    except ApiError as error:
        if error.status != 404:
            raise
        held = {"settings": {}, "version": None}
    body = {name: value for name, value in held["settings"].items() if name not in _FIXED}
    for change in changes:
        name, equals, value = change.partition("=")
        if not equals or name not in _TYPES or name in _FIXED:
            raise click.UsageError(f"{change!r} is not NAME=VALUE with a name of {', '.join(sorted(_TYPES))}")
        body[name] = _value(name, value)
    match = {} if held["version"] is None else {"If-Match": f'"{held["version"]}"'}
    made = client.put(f"/settings/{group}", body, **match)
    if as_json:
        json_line(made)
    else:
        click.echo(f"{group} is at version {made['version']} now")


@settings.command("groups")
@click.option("--add", default="", metavar="NAME", help="Make this group.")
@click.option("--description", default="", help="What the new group is for.")
@connected
def groups(client: Client, *, add: str, description: str, as_json: bool) -> None:
    """List the groups of hosts."""
    found = client.post("/groups", {"name": add, "description": description}) if add else client.get("/groups")
    if as_json:
        json_lines(found)
    else:
        table({"name": "GROUP", "hosts": "HOSTS", "tenant": "TENANT", "description": "DESCRIPTION"}, found)


_FIXED = frozenset({"version", "group", "keys"})
_TYPES = {field.name: field.type for field in msgspec.structs.fields(Settings) if field.name not in _FIXED}


def _value(name: str, text: str) -> Any:
    """Read a value as the setting's type has it. Raises UsageError."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    try:
        if msgspec.inspect.type_info(_TYPES[name]).__class__.__name__ == "VarTupleType":
            return parts
        if name == "budget_events_per_hour":
            return msgspec.convert(dict(part.rpartition(":")[::2] for part in parts), _TYPES[name], strict=False)
        return msgspec.convert(text, _TYPES[name], strict=False)
    except msgspec.ValidationError as error:
        raise click.UsageError(f"{name}: {error}") from error
