"""The value of a computed field in one row."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from vedette.query import glob
from vedette.schema.dictionary import Field, Kind
from vedette.schema.views import FORMS

_EPOCH = dt.datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout, and strftime is quicker without a zone


def computed(field: Field, row: Mapping[str, Any]) -> str | None:
    """Give a field's value in `row` as text, as `conditions.operand` does in SQL; None when it is not known."""
    if field.view:
        return FORMS[field.view.form].value(*(computed(part, row) for part in field.view.inputs))
    value = row.get(field.column)
    if value is None:
        return None
    if field.key:
        key, same = glob.fold(field.key), glob.fold_ascii if field.key.isascii() else glob.fold
        return next((text for name, text in value.items() if same(name) == key), None)
    return text_of(field.kind, value)


def text_of(kind: Kind, value: Any) -> str | None:
    """Give a known value as Sysmon writes it: times to the millisecond, each entry of a list with a semicolon."""
    match kind:
        case Kind.LIST:
            return "".join(f"{one};" for one in value) or None
        case Kind.BOOLEAN:
            return "true" if value else "false"
        case Kind.TIME:
            seconds, micros = divmod(value, 1_000_000)
            return f"{_EPOCH + dt.timedelta(seconds=seconds):%Y-%m-%d %H:%M:%S}.{micros // 1000:03d}"
        case Kind.MAP:
            raise TypeError("a map has no single value")
        case _:
            return str(value)
