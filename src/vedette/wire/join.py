"""Several small batches -> one: an agent that is offline keeps thousands of batches of a few events each.

Works on the columns, row by row, in plain Python: about 5 us an event, spent only while nobody listens.
"""

from collections.abc import Sequence
from typing import Any

from vedette.runtime.errors import WireError
from vedette.wire.builder import TypeColumns, compress
from vedette.wire.columns import Column, column_of_values, integers
from vedette.wire.decode import RawColumns, decode_body
from vedette.wire.expand import cells

_SEQUENCE = "event.sequence"


def join(payloads: Sequence[bytes]) -> bytes:
    """Give the body of one batch with the events of all `payloads`, which follow one another in sequence.

    Raises WireError when they do not fit into one batch.
    """
    parts = [decode_body(payload) for payload in payloads]
    names = dict.fromkeys(name for part in parts for name in part)
    return compress({name: _join([part[name] for part in parts if name in part]) for name in names})


def renumber(payload: bytes, shift: int) -> bytes:
    """Give the same batch with `shift` added to every sequence number. Raises WireError for a broken payload."""
    types: dict[str, TypeColumns] = {}
    for name, part in decode_body(payload).items():
        numbers = cells(part.columns.get(_SEQUENCE, ([], b"")))
        columns = part.columns | {_SEQUENCE: (integers(number + shift for number in numbers), b"")}
        types[name] = TypeColumns(part.rows, columns)
    return compress(types)


def _join(parts: list[RawColumns]) -> TypeColumns:
    total = sum(part.rows for part in parts)
    names = dict.fromkeys(column for part in parts for column in part.columns)
    columns: dict[str, Column] = {}
    for name in names:
        values: list[Any] = []
        for part in parts:
            content = part.columns.get(name)
            values += [None] * part.rows if content is None else map(_hashable, cells(content))
        if name == _SEQUENCE:
            columns[name] = (integers(values), b"")
        elif (column := column_of_values(name, values)) is not None:
            columns[name] = column
    if _SEQUENCE not in columns:
        raise WireError("a batch without sequence numbers")
    return TypeColumns(total, columns)


def _hashable(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
