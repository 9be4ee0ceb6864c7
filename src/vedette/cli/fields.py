"""`vedette fields`: what can be asked for."""

import click

from vedette.cli.printing import json_lines, table


@click.command("fields")
@click.argument("pattern", default="")
@click.option("--type", "event_type", default="", help="Only fields that events of this type carry.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines instead of a table.")
def fields(pattern: str, *, event_type: str, as_json: bool) -> None:
    """List fields with their other names (KATA, Sysmon and Sigma, ECS). PATTERN is a part of a name.

    Names ignore case. The dictionary is this program's own; no server is asked.

    \b
    Examples:
      vedette fields sha256
      vedette fields CommandLine
      vedette fields --type network_connect
    """  # noqa: D301 - click wants the backspace itself
    from vedette.schema.dictionary import EVENT_ID, FIELDS, known_names

    aliases: dict[str, list[str]] = {}
    for name, meanings in known_names():
        for meaning in meanings:
            if name.lower() != meaning.field.name.lower():
                aliases.setdefault(meaning.field.name, []).append(name)
    found = [
        {
            "name": field.name,
            "kind": field.kind.value + ("" if field.searchable else " (not searchable)"),
            "aliases": aliases.get(field.name, []),
            "description": field.description,
            "types": sorted(field.types),
        }
        for field in (*FIELDS.values(), EVENT_ID)
        if not event_type or event_type in field.types or field.server
    ]
    chosen = [one for one in found if pattern.lower() in " ".join([str(one["name"]), *one["aliases"]]).lower()]
    if as_json:
        json_lines(chosen)
    elif chosen:
        rows = [one | {"aliases": ", ".join(one["aliases"])} for one in chosen]
        table({"name": "FIELD", "kind": "KIND", "description": "MEANING", "aliases": "ALSO CALLED"}, rows)
    else:
        click.echo("no field has such a name", err=True)
