"""Sigma's field names -> fields of the dictionary, for one event type.

A rule of a category reads what we store under the name; a rule of a Windows log reads the record's item of that name
first. Channel, provider and id of a record are the log source's: an item of such a name (UserData of 104 and 1102
has a `Channel`) comes before them.
"""

from collections.abc import Iterable, Iterator
from functools import lru_cache

from vedette.schema import aliases, dictionary
from vedette.schema.dictionary import FIELDS, Field, Kind, view

_DIGESTS = {"md5": "md5", "sha256": "sha256", "imphash": "imphash"}
_WHOLE = frozenset(FIELDS["event.type"].types)


def _names() -> dict[str, list[tuple[Field, frozenset[str]]]]:
    found: dict[str, list[tuple[Field, frozenset[str]]]] = {}
    for computed in aliases.COMPUTED:
        made = view(computed.form, *(_as_text(FIELDS[name]) for name in computed.fields.split()))
        found.setdefault(computed.name.lower(), []).append((made, frozenset(computed.types) or made.types))
    for alias in (*aliases.SIGMA, *aliases.SYSMON, *aliases.WINDOWS_HEADER):
        if (field := FIELDS.get(alias.field)) is not None:
            for name in alias.names.split():
                found.setdefault(name.lower(), []).append((field, frozenset(alias.types) or field.types))
    return found


def _as_text(field: Field) -> Field:
    """Give a field whose values are text: Sigma compares texts."""
    return field if field.kind is Kind.TEXT else view("text", field)


@lru_cache(4096)
def item(name: str) -> Field:
    """Give the item of a Windows record of this name."""
    return dictionary.resolve(f"winlog.data.{name}")[0].field


@lru_cache(65_536)
def reading(name: str, kind: str, *, record: bool) -> Field:
    """Give what `name` means in events of type `kind`; `record`: in a rule of a Windows log."""
    lower = name.lower()
    if "." in name and lower in FIELDS:
        return _as_text(FIELDS[lower])
    own = next((field for field, types in _NAMES.get(lower, ()) if kind in types), None)
    if own is None:
        return item(name)
    if own.name == "winlog.system.event_id":
        return _as_text(own)
    if own.view or record or own.name.startswith("winlog."):
        return view("first", item(name), _as_text(own))
    return _as_text(own)


def readings(name: str, kinds: Iterable[str], *, record: bool) -> Iterator[tuple[Field, tuple[str, ...]]]:
    """Give each meaning of `name` with the types in which it has it; no types = in all of `kinds`."""
    found: dict[str, tuple[Field, list[str]]] = {}
    wanted = sorted(kinds)
    for kind in wanted:
        field = reading(name, kind, record=record)
        found.setdefault(field.name, (field, []))[1].append(kind)
    for field, types in found.values():
        yield field, () if len(types) == len(wanted) else tuple(types)


def all_types() -> frozenset[str]:
    """Give every event type: what a source without types means."""
    return _WHOLE


@lru_cache(64)
def digests(kind: str) -> dict[str, Field]:
    """Give the digests that `Hashes` of an event of type `kind` lists, by their names in it."""
    prefix = "process.file." if kind in {"process_start", "process_stop"} else "file."
    return {name: FIELDS[prefix + leaf] for name, leaf in _DIGESTS.items() if kind in FIELDS[prefix + leaf].types}


KEYWORDS: tuple[Field, ...] = tuple(
    FIELDS[name]
    for name in (
        "oslog.message oslog.unit script.content process.command_line process.parent.command_line process.file.path "
        "file.path registry.path registry.value_data detect.object_name detect.category winlog.system.provider_name "
        "winlog.data"
    ).split()
) + tuple(field for name, field in FIELDS.items() if name.startswith("winlog.data."))
"""Where a rule's bare words are looked for: the texts of records, and what typed events have of them."""

_NAMES = _names()
