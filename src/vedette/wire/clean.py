"""Makes values fit the wire format: the slow path, for events that broke the quick one.

A file name that is no UTF-8, a number beyond 64 bits, a text beyond the limit: the event must not take the
batch down with it. Texts are cut, bad characters become escapes, what has another type becomes unknown.
"""

from typing import Any, TypeVar

import msgspec

from vedette.wire import limits
from vedette.wire.layout import Kind, Layout

S = TypeVar("S", bound=msgspec.Struct)


def clean(layout: Layout, struct: S, seen: dict[tuple[int, int], Any]) -> S:
    """Give what the layout sends of `struct`, every value within the limits.

    `seen` (ids of layout and struct -> result) keeps shared entities shared.
    """
    key = (id(layout), id(struct))
    known = seen.get(key)
    if known is not None:
        return known  # type: ignore[no-any-return] # what was put in for this very object
    changes: dict[str, Any] = {}
    for leaf in layout.leaves:
        name = layout.attributes[leaf.position]
        changes[name] = _value(leaf.kind, getattr(struct, name, None))
    for position, below in layout.entities:
        name = layout.attributes[position]
        entity = getattr(struct, name, None)
        changes[name] = clean(below, entity, seen) if isinstance(entity, msgspec.Struct) else None
    result: S = layout.struct(**changes)  # type: ignore[assignment] # the class that the layout is of
    seen[key] = result
    return result


def _value(kind: Kind, value: Any) -> Any:
    match kind:
        case _ if value is None:
            return None
        case Kind.INTEGER:
            fits = type(value) is int and limits.INTEGER_MINIMUM <= value <= limits.INTEGER_MAXIMUM
            return value if fits else None
        case Kind.LIST:
            return tuple(map(_text, value[: limits.ITEMS])) if isinstance(value, list | tuple) else None
        case Kind.MAP | Kind.SPREAD:
            return _map(value, limits.NAME_CHARACTERS // 2 if kind is Kind.SPREAD else limits.TEXT_CHARACTERS)
        case _:
            return value if isinstance(value, bool) else _text(value)


def _map(value: Any, key_characters: int) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    entries = list(value.items())[: limits.ITEMS]
    return {_text(key)[:key_characters]: _text(text) for key, text in entries}


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else str(value)
    return text[: limits.TEXT_CHARACTERS].encode(errors="backslashreplace").decode()[: limits.TEXT_CHARACTERS]
