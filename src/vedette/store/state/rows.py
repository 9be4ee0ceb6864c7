"""Rows become structs here and nowhere else."""

import re
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import msgspec
from sqlalchemy import BindParameter, Row, bindparam

T = TypeVar("T", bound=msgspec.Struct)

_UNKEEPABLE = re.compile("[\0\ud800-\udfff]")


def to_struct(row: Row[Any], kind: type[T], *, json: Sequence[str] = ()) -> T:
    """Read one row; the columns named in `json` hold JSON text. Columns that `kind` lacks are left out."""
    values = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name for it
    for name in json:
        values[name] = msgspec.json.decode(values[name])
    return msgspec.convert(values, kind)


def to_structs(rows: Iterable[Row[Any]], kind: type[T], *, json: Sequence[str] = ()) -> list[T]:
    """Read each row as `to_struct` does."""
    return [to_struct(row, kind, json=json) for row in rows]


def to_json(value: object) -> str:
    """Write a value for a JSON column; sets and keys are sorted so that equal values give equal text."""
    return msgspec.json.encode(value, order="sorted").decode()


def keepable(text: str) -> str:
    """Replace what databases cannot keep in a text: NUL (PostgreSQL) and lone surrogates (both)."""
    return _UNKEEPABLE.sub("\ufffd", text)


def any_of(name: str) -> BindParameter[Any]:
    """Declare `:name` in `IN :name` to be a list of values, each bound."""
    return bindparam(name, expanding=True)
