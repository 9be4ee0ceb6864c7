"""Rows of the event table as Arrow.

Measured (25,000 rows an insert): dictionary arrays are the cheapest way to LowCardinality and String columns alike,
and a column that is left out of the stream costs almost nothing.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vedette.schema.dictionary import FIELDS, Field, Kind
from vedette.store.event_table import REQUIRED, integer_type, reference_ddl
from vedette.store.map_columns import map_array
from vedette.wire.merge import UNKNOWN, Batch, Dictionary

__all__ = ["arrow_table", "arrow_type", "ipc_stream", "reference_arrow", "reference_ddl"]


def arrow_table(batch: Batch) -> pa.Table:
    """Rows of the event table; columns in which nothing is known are left out."""
    names: list[str] = []
    arrays: list[pa.Array[Any]] = []
    for name, field in FIELDS.items():
        array = _array(batch, field)
        if array is not None:
            names.append(name)
            arrays.append(array)
    return pa.Table.from_arrays(arrays, names=names)


def _array(batch: Batch, field: Field) -> "pa.Array[Any] | None":
    if field.kind is Kind.MAP and field.name not in batch.dictionaries:
        return map_array(batch, field.name)
    if (numbers := batch.numbers.get(field.name)) is not None:
        return _number_array(field, numbers)
    if (column := batch.dictionaries.get(field.name)) is not None:
        return _dictionary_array(field, column)
    return None


def _number_array(field: Field, numbers: NDArray[np.int64]) -> "pa.Array[Any] | None":
    unknown = numbers == UNKNOWN
    if field.name not in REQUIRED and unknown.all():
        return None
    mask = unknown if unknown.any() else None
    if field.kind is Kind.TIME:
        times: pa.Array[Any] = pa.array(numbers, mask=mask).cast(pa.timestamp("us", "UTC"))
        return times
    integers: pa.Array[Any] = pa.array(numbers.astype(integer_type(field).lower()), mask=mask)
    return integers


def _dictionary_array(field: Field, column: Dictionary) -> "pa.Array[Any] | None":
    if len(column.values) == 1:
        return None
    unknown = column.indices == 0
    mask = unknown if unknown.any() else None
    if field.kind is not Kind.TEXT:
        whole: Any = pa.array(column.values, type=_ARROW[field.kind])
        taken: pa.Array[Any] = whole.take(pa.array(column.indices))
        return taken
    kind = np.uint8 if len(column.values) <= 256 else np.uint16 if len(column.values) <= 65_536 else np.int32
    # The store refuses a dictionary with equal values, so "unknown" has none of its own: an empty text may be known.
    known = np.maximum(column.indices - 1, 0).astype(kind)
    return pa.DictionaryArray.from_arrays(pa.array(known, mask=mask), pa.array(column.values[1:], type=pa.string()))


_ARROW: Mapping[Kind, "pa.DataType"] = {
    Kind.TEXT: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.TIME: pa.timestamp("us", "UTC"),
    Kind.BOOLEAN: pa.bool_(),
    Kind.LIST: pa.list_(pa.string()),
    Kind.MAP: pa.map_(pa.string(), pa.string()),
}


def arrow_type(kind: Kind) -> "pa.DataType":
    """Give the type of a column of exported events."""
    return _ARROW[kind]


def ipc_stream(table: pa.Table) -> bytes:
    """Bytes of a table in ClickHouse's format ArrowStream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def reference_arrow() -> str:
    """Text of the Arrow schema of exported events, one field a line, for the generated reference."""
    lines = (
        f"{field.name}: {_ARROW[field.kind]}" + (" not null" if name in REQUIRED else "")
        for name, field in FIELDS.items()
    )
    return "\n".join(lines) + "\n"
