"""The field dictionary and the event types: what can be asked for."""

from collections import defaultdict
from functools import cache

import msgspec

from vedette.central.api.routes import Anyone, Routes
from vedette.central.api.work import InWork
from vedette.schema import dictionary
from vedette.schema.dictionary import Kind

routes = Routes("dictionary")


class FieldEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One field: its canonical name, the other names that mean it, and the event types that carry it."""

    name: str
    kind: Kind
    description: str
    aliases: list[str]
    types: list[str]
    searchable: bool


@routes.get("/fields", needs=Anyone.SIGNED_IN, answers=list[FieldEntry])
def fields(_work: InWork) -> list[FieldEntry]:
    """List every field with its aliases (KATA, Sysmon and Sigma, ECS); names ignore case."""
    return entries()


@cache
def entries() -> list[FieldEntry]:
    """Draw up the dictionary once."""
    aliases: defaultdict[str, list[str]] = defaultdict(list)
    for name, meanings in dictionary.known_names():
        for meaning in meanings:
            if name.lower() != meaning.field.name.lower():
                aliases[meaning.field.name].append(name)
    return [
        FieldEntry(
            name=field.name,
            kind=field.kind,
            description=field.description,
            aliases=aliases[field.name],
            types=sorted(field.types),
            searchable=field.searchable,
        )
        for field in (*dictionary.FIELDS.values(), dictionary.EVENT_ID)
    ]
