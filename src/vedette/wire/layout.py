"""Which columns an event type has: derived once from its struct, by the path of attributes joined with dots."""

from collections.abc import Callable
from enum import Enum, auto
from functools import cache
from operator import attrgetter
from typing import Any

import msgspec
from msgspec import inspect

from vedette.schema.events import tag
from vedette.schema.events.base import Event
from vedette.schema.storage import ONLY_IN


class Kind(Enum):
    """How the values of a column are written."""

    SCALAR = auto()
    """Text or boolean."""
    INTEGER = auto()
    LIST = auto()
    MAP = auto()
    SPREAD = auto()
    """A map whose keys are columns of their own."""


class Leaf(msgspec.Struct, frozen=True):
    """One column; `position` is that of its attribute in the layout."""

    position: int
    column: str
    kind: Kind


class Layout(msgspec.Struct, frozen=True):
    """Those attributes of a struct that an event type sends: the leaves, and the entities below it."""

    struct: type[msgspec.Struct]
    attributes: tuple[str, ...]
    fetch: Callable[[Any], tuple[Any, ...]]
    """Gives the values of `attributes`."""
    leaves: tuple[Leaf, ...]
    entities: tuple[tuple[int, "Layout"], ...]
    """Position of the attribute, and what is in it."""


@cache
def layout_of(event_type: type[Event]) -> Layout:
    """Columns of an event type but for `event.type` and `event.sequence`."""
    kind = inspect.type_info(event_type)
    if not isinstance(kind, inspect.StructType):
        raise TypeError(f"{event_type.__name__} is no struct")
    return _layout(kind, "", tag_of(event_type))


@cache
def tag_of(event_type: type[Event]) -> str:
    """Name of the event type on the wire."""
    return tag(event_type)


def _layout(kind: inspect.StructType, prefix: str, event: str) -> Layout:
    names: list[str] = []
    leaves: list[Leaf] = []
    entities: list[tuple[int, Layout]] = []
    for field in kind.fields:
        inner, spread = _inner(field.type)
        column = f"{prefix or 'event.'}{field.name}"
        if isinstance(inner, inspect.StructType):
            below = _layout(inner, f"{prefix}{field.name}.", event)
            if not below.attributes:
                continue
            entities.append((len(names), below))
        elif event in ONLY_IN.get(column, (event,)):
            leaves.append(Leaf(len(names), column, Kind.SPREAD if spread else _kind_of(inner, column)))
        else:
            continue
        names.append(field.name)
    return Layout(kind.cls, tuple(names), _fetch(kind.cls, names), tuple(leaves), tuple(entities))


def _fetch(struct: type[msgspec.Struct], names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if tuple(names) == struct.__struct_fields__:
        return msgspec.structs.astuple
    if len(names) == 1:
        only = attrgetter(names[0])
        return lambda one: (only(one),)
    return attrgetter(*names) if names else lambda _one: ()


def _inner(kind: inspect.Type) -> tuple[inspect.Type, bool]:
    """Take off `| None` and metadata; says whether the metadata has `spread`."""
    spread = False
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            spread = spread or bool((kind.extra or {}).get("spread"))
            kind = kind.type
        else:
            kinds = [one for one in kind.types if not isinstance(one, inspect.NoneType)]
            if len(kinds) != 1:
                raise TypeError(f"a column of several types: {kinds}")
            kind = kinds[0]
    return kind, spread


def _kind_of(kind: inspect.Type, column: str) -> Kind:
    match kind:
        case inspect.IntType():
            return Kind.INTEGER
        case inspect.StrType() | inspect.BoolType() | inspect.EnumType():
            return Kind.SCALAR
        case inspect.VarTupleType() | inspect.ListType():
            return Kind.LIST
        case inspect.DictType():
            return Kind.MAP
        case _:
            raise TypeError(f"{column}: no column can hold {kind}")
