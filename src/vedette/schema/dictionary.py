"""The field dictionary: every stored column, its meaning, its other names, and how a name is resolved.

Built once from the event structs, the aliases and the storage hints; nothing here is typed twice.
"""

import difflib
import types as python_types
import typing
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from msgspec import Meta, Struct

from vedette.runtime.errors import VedetteError
from vedette.schema import windows_data
from vedette.schema.aliases import ALIASES, KATA_TYPES, PREFIXES, SHOWN
from vedette.schema.entities import Entity, Host, Os
from vedette.schema.events import EVENT_TYPES, tag
from vedette.schema.events.base import Event
from vedette.schema.storage import BLOOM, LOW_PREFIXES, NGRAM, ONLY_IN


class Kind(StrEnum):
    """What the values of a field are."""

    TEXT = "text"
    INTEGER = "integer"
    TIME = "time"
    BOOLEAN = "boolean"
    LIST = "list"
    MAP = "map"


class Field(Struct, frozen=True, kw_only=True):
    """One stored column, or one key of a map column."""

    name: str
    kind: Kind
    description: str = ""
    types: frozenset[str] = frozenset()
    """Event types that carry it."""
    searchable: bool = True
    low_cardinality: bool = False
    index: str = ""
    """Skip index in the store: "", "bloom" or "ngram"."""
    minimum: int = 0
    maximum: int = 0
    """Characters of a text, items of a list or map, or the largest integer."""
    column: str = ""
    """Physical column: the name, or the map that holds the key."""
    key: str = ""
    """Key within a map column, verbatim; "" for a column."""
    header: bool = False
    """Travels once in the batch header."""
    server: bool = False
    """Filled by the Central Node."""
    spread: bool = False
    """A map whose keys travel on the wire as columns `name.key`."""
    view: "View | None" = None
    """Not stored: how its text is computed of other fields."""


class View(Struct, frozen=True):
    """A text computed by a form of `schema.views` from the texts of `inputs`."""

    form: str
    inputs: tuple[Field, ...]


def view(form: str, *inputs: Field) -> Field:
    """Give the field that is computed by `form`; equal ones have equal names."""
    types = inputs[0].types if form != "first" else frozenset().union(*(one.types for one in inputs))
    name = f"{form}({', '.join(one.name for one in inputs)})"
    return Field(name=name, kind=Kind.TEXT, types=types, maximum=131_072, column=name, view=View(form, inputs))


class Meaning(Struct, frozen=True):
    """One reading of a name: `field`, in events of `types` only (empty = in any)."""

    field: Field
    types: frozenset[str] = frozenset()


class UnknownFieldError(VedetteError):
    """No field, alias or map key has this name; `suggestions` are near ones."""

    def __init__(self, name: str, suggestions: tuple[str, ...]) -> None:
        self.name, self.suggestions = name, suggestions
        hint = f"; did you mean {', '.join(suggestions)}?" if suggestions else ""
        super().__init__(f"unknown field {name!r}{hint}")


_SERVER_FIELDS = (
    ("event.type", Kind.TEXT, "Event type", 64, True),
    ("event.received", Kind.TIME, "When the Central Node received it", 2**62, False),
    ("event.time_reported", Kind.TIME, "Time that the agent gave, where it was not credible", 2**62, False),
    ("event.epoch", Kind.TEXT, "Epoch of the agent's buffer", 16, True),
    (
        "event.sequence",
        Kind.INTEGER,
        "Number of the event in the agent's stream, without gaps",
        2**63 - 1,
        False,
    ),
    ("tenant", Kind.TEXT, "Tenant of the host", 64, True),
    ("event.extra", Kind.MAP, "Fields of a newer agent that this Central Node does not know yet", 256, False),
)
EVENT_ID = Field(
    name="event.id",
    kind=Kind.TEXT,
    description="Id of the event: computed from host, epoch and sequence number",
    maximum=32,
    column="event.id",
    server=True,
)
"""Not stored: computed by the store (`vedette.schema.identity`)."""


def _unwrap(hint: Any) -> tuple[Any, list[Meta]]:
    """Give the bare type and all `Meta` around and inside it; None is taken out of unions."""
    metas: list[Meta] = []
    while True:
        origin = typing.get_origin(hint)
        if origin is typing.Annotated:
            hint, *found = typing.get_args(hint)
            metas = [meta for meta in found if isinstance(meta, Meta)] + metas
        elif origin in (typing.Union, python_types.UnionType):
            (hint,) = [part for part in typing.get_args(hint) if part is not type(None)]
        else:
            return hint, metas


def _kind(bare: Any, extra: Mapping[str, Any]) -> Kind:
    if extra.get("kind") == "time":
        return Kind.TIME
    origin = typing.get_origin(bare) or bare
    return {str: Kind.TEXT, bool: Kind.BOOLEAN, int: Kind.INTEGER, tuple: Kind.LIST, dict: Kind.MAP}[origin]


def _field(name: str, bare: Any, metas: list[Meta]) -> Field:
    extra: dict[str, Any] = {}
    minimum, maximum, description = 0, 0, ""
    for meta in metas:
        extra |= meta.extra or {}
        description = meta.description or description
        minimum = int(meta.ge) if meta.ge is not None else minimum
        maximum = int(meta.le) if meta.le is not None else maximum or (meta.max_length or 0)
    index = "bloom" if name in BLOOM else "ngram" if name in NGRAM else ""
    kind = _kind(bare, extra)
    low = kind is Kind.TEXT and bool(extra.get("low") or name.startswith(LOW_PREFIXES))
    return Field(
        name=name,
        kind=kind,
        description=description,
        searchable=not extra.get("hidden"),
        low_cardinality=low,
        index=index,
        minimum=minimum,
        maximum=maximum,
        column=name,
        spread=bool(extra.get("spread")),
    )


def leaves(kind: type[Struct], prefix: str) -> Iterator[tuple[str, Any, list[Meta]]]:
    """(column, bare type, metas) of every scalar, list and map below `kind`; `prefix` ends with a dot."""
    hints = typing.get_type_hints(kind, include_extras=True)
    for name in kind.__struct_fields__:
        bare, metas = _unwrap(hints[name])
        if isinstance(bare, type) and issubclass(bare, Entity):
            yield from leaves(bare, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", bare, metas


def event_leaves(event: type[Event]) -> Iterator[tuple[str, str, Any, list[Meta]]]:
    """(column, attribute path, bare type, metas) of what events of this type send: what an encoder walks."""
    for path, bare, metas in leaves(event, ""):
        column = path if "." in path else f"event.{path}"
        only = ONLY_IN.get(column)
        if only is None or tag(event) in only:
            yield column, path, bare, metas


def _collect() -> dict[str, Field]:
    found: dict[str, Field] = {}
    carried: dict[str, set[str]] = {}
    for event in EVENT_TYPES:
        for name, _path, bare, metas in event_leaves(event):
            found.setdefault(name, _field(name, bare, metas))
            carried.setdefault(name, set()).add(tag(event))
    everywhere = frozenset(tag(event) for event in EVENT_TYPES)
    fields = {name: _with(field, types=frozenset(carried[name])) for name, field in found.items()}
    for prefix, entity in (("host.", Host), ("os.", Os)):
        for name, bare, metas in leaves(entity, prefix):
            fields[name] = _with(_field(name, bare, metas), types=everywhere, header=True)
    for name, kind, description, maximum, low in _SERVER_FIELDS:
        fields[name] = Field(
            name=name, kind=kind, description=description, maximum=maximum, low_cardinality=low,
            types=everywhere, column=name, server=True,
        )  # fmt: skip
    types = fields["winlog.data"].types
    for item in windows_data.COLUMNS.split():
        fields[f"winlog.data.{item}"] = _data_field(item, types, column=f"winlog.data.{item}")
    return fields


def _with(field: Field, **changes: Any) -> Field:
    return Field(**{name: getattr(field, name) for name in field.__struct_fields__} | changes)


def _data_field(item: str, types: frozenset[str], *, column: str = "winlog.data") -> Field:
    return Field(
        name=f"winlog.data.{item}", kind=Kind.TEXT, description=f"Windows event data item {item}",
        types=types, maximum=65_536, column=column, key="" if column != "winlog.data" else item,
    )  # fmt: skip


FIELDS: Mapping[str, Field] = python_types.MappingProxyType(dict(sorted(_collect().items())))
"""Every stored column by its name."""

EVENT_TYPE_VALUES: Mapping[str, tuple[str, ...]] = python_types.MappingProxyType(
    {tag(event): (tag(event),) for event in EVENT_TYPES} | KATA_TYPES
)
"""Accepted value of `event.type`, in lower case -> our event types."""


def _names() -> dict[str, list[Meaning]]:
    names: dict[str, list[Meaning]] = {name.lower(): [Meaning(field)] for name, field in FIELDS.items()}
    names[EVENT_ID.name] = [Meaning(EVENT_ID)]
    for item in windows_data.KNOWN_NAMES.split():
        field = FIELDS.get(f"winlog.data.{item}") or _data_field(item, FIELDS["winlog.data"].types)
        names.setdefault(field.name.lower(), [Meaning(field)])
    for prefix, columns, kinds in PREFIXES:
        for name, field in FIELDS.items():
            if name.startswith(f"{columns}.") and (not kinds or field.types & set(kinds)):
                other = f"{prefix}{name[len(columns) :]}".lower()
                names.setdefault(other, [Meaning(field, frozenset(kinds))])
    for _space, aliases in ALIASES:
        for alias in aliases:
            field = FIELDS.get(alias.field) or names[alias.field.lower()][0].field
            for name in alias.names.lower().split():
                _add(names.setdefault(name, []), Meaning(field, frozenset(alias.types)))
    for item in windows_data.KNOWN_NAMES.split():
        # A name of a field of ours means that field; only in a log record as such does it mean the record's item.
        meanings = names.setdefault(item.lower(), [])
        types = frozenset({"os_log"}) if meanings else frozenset()
        _add(meanings, Meaning(names[f"winlog.data.{item}".lower()][0].field, types))
    return names


def _add(meanings: list[Meaning], meaning: Meaning) -> None:
    if meaning not in meanings:
        meanings.append(meaning)


_NAMES = _names()
_MAPS = {"winlog.data.": "winlog.data", "event.extra.": "event.extra", "process.env.": "process.env"}
_SHORTEST_GUESS = 0.6


def resolve(name: str) -> tuple[Meaning, ...]:
    """All readings of `name`, whatever its case: canonical, KATA, Sysmon/Sigma, ECS, or a key of a map column.

    Several readings mean: any of them, each in its event types. Raises UnknownFieldError with near names.
    """
    lower = name.lower()
    if found := _NAMES.get(lower):
        return tuple(found)
    for prefix, column in _MAPS.items():
        if lower.startswith(prefix) and len(name) > len(prefix):
            of = FIELDS[column]
            key = name[len(prefix) :]
            return (
                Meaning(Field(name=column + "." + key, kind=Kind.TEXT, description=of.description, types=of.types,
                              maximum=65_536, column=column, key=key)),
            )  # fmt: skip
    near = difflib.get_close_matches(lower, _NAMES, n=3, cutoff=_SHORTEST_GUESS)
    raise UnknownFieldError(name, tuple(spelled(one) for one in near))


_SPELLING = {name.lower(): name for name in FIELDS} | {
    name.lower(): name for _space, aliases in ALIASES for alias in aliases for name in alias.names.split()
}


def spelled(name: str) -> str:
    """`name` in its customary spelling."""
    return _SPELLING.get(name.lower(), name.lower())


def known_names() -> Iterator[tuple[str, tuple[Meaning, ...]]]:
    """Every name that resolves, with its readings; for completion and the reference."""
    for name, meanings in sorted(_NAMES.items()):
        yield spelled(name), tuple(meanings)


def shown(event_type: str, column: str) -> str:
    """Give the name under which `column` of an event of `event_type` is shown."""
    start, name = SHOWN.get(event_type, ("", ""))
    return name + column[len(start) :] if start and column.startswith(start) else column
