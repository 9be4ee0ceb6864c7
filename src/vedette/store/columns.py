"""The event table: its definition in ClickHouse SQL and its rows as Arrow, both from the field dictionary.

Measured (25,000 rows an insert): compact parts halve the cost of an insert, dictionary arrays are the cheapest way
to LowCardinality and String columns alike, and a column that is left out of the stream costs almost nothing.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from vedette.schema.dictionary import EVENT_ID, FIELDS, Field, Kind
from vedette.schema.identity import EVENT_ID_SQL
from vedette.store.map_columns import map_array
from vedette.wire.merge import UNKNOWN, Batch, Dictionary

TABLE = "event"
ENGINE = "MergeTree"
"""The embedded engine's; a cluster has ReplicatedMergeTree with a Distributed table before it."""

REQUIRED = frozenset(
    {"event.type", "event.time", "event.received", "event.sequence", "event.epoch", "host.id", "tenant"}
)
"""Columns that every row has; all others can be unknown."""

# All events of a process carry these, so a dictionary holds them although a host has many (-10 % of the bytes).
_RECURRING = frozenset(
    "process.entity_id process.parent.entity_id process.command_line process.parent.command_line".split()
)

# The search compiler compares these as they are; any other text through lower(ifNull(x, '')), and an index must
# be on the very expression that the query has.
_AS_THEY_ARE = ("md5", "sha1", "sha256", "imphash", "entity_id")

_SETTINGS = {
    # Parts below this are one file instead of one a column: a part of 20,000 rows would otherwise pay for each of
    # the 236 columns, filled or not.
    "min_bytes_for_wide_part": 134_217_728,
    # The spool segment is removed once the insert has answered, so the part must be on the disk by then.
    "fsync_after_insert": 1,
    "fsync_part_directory": 1,
    # The same segment again (after a crash) is dropped: its token is remembered this many inserts long.
    "non_replicated_deduplication_window": 10_000,
    # Without this, dotted names make process.args and process.env parts of one nested column of equal lengths.
    "share_nested_offsets": 0,
    # Smaller parts (-10 %); sizes in a stream of their own serve `.size` queries that we do not make.
    "string_serialization_version": "'single_stream'",
    # Distinct counts of 236 columns cost an eighth of the insert and serve joins that we do not make.
    "auto_statistics_types": "''",
}


def create_table(engine: str = ENGINE) -> str:
    """Statement that makes the event table, unless it is there, with the table engine `engine`."""
    lines = [f"{_quoted(field.name)} {column_type(field)}" for field in FIELDS.values()]
    lines.append(f"{_quoted(EVENT_ID.name)} String ALIAS {EVENT_ID_SQL}")
    lines += [index for field in FIELDS.values() if (index := _index(field))]
    settings = ", ".join(f"{name} = {value}" for name, value in _SETTINGS.items())
    return (
        f"CREATE TABLE IF NOT EXISTS {TABLE} (\n    "
        + ",\n    ".join(lines)
        + f"\n) ENGINE = {engine}\n"
        + "PARTITION BY (`tenant`, toDate(`event.time`))\n"
        + "ORDER BY (`tenant`, `host.id`, `event.time`)\n"
        + f"SETTINGS {settings}"
    )


def add_columns(present: Iterable[str]) -> str:
    """Statement that adds what the table of an older version lacks; "" if nothing. `present`: its columns."""
    missing = [field for name, field in FIELDS.items() if name not in set(present)]
    if not missing:
        return ""
    changes = [f"ADD COLUMN IF NOT EXISTS {_quoted(field.name)} {column_type(field)}" for field in missing]
    changes += [
        f"ADD {index.replace('INDEX', 'INDEX IF NOT EXISTS', 1)}" for field in missing if (index := _index(field))
    ]
    return f"ALTER TABLE {TABLE} " + ", ".join(changes)


def column_type(field: Field) -> str:
    """Type and codec of a field's column."""
    match field.kind:
        case Kind.TEXT:
            bare = "String" if field.name in REQUIRED else "Nullable(String)"
            low = field.low_cardinality or field.name in _RECURRING
            return f"LowCardinality({bare})" if low else bare
        case Kind.TIME:
            return _nullable(field, "DateTime64(6, 'UTC')") + " CODEC(Delta, ZSTD(1))"
        case Kind.INTEGER:
            codec = "Delta, ZSTD(1)" if field.name == "event.sequence" else "ZSTD(1)"
            return _nullable(field, _integer(field)[0]) + f" CODEC({codec})"
        case Kind.BOOLEAN:
            return _nullable(field, "Bool")
        case Kind.LIST:
            return "Array(String)"
        case Kind.MAP:
            return "Map(LowCardinality(String), String)"


def _nullable(field: Field, bare: str) -> str:
    return bare if field.name in REQUIRED else f"Nullable({bare})"


_INTEGERS = (
    ("UInt8", np.uint8), ("UInt16", np.uint16), ("Int32", np.int32), ("UInt32", np.uint32), ("Int64", np.int64),
)  # fmt: skip


def _integer(field: Field) -> tuple[str, type[np.integer]]:
    """Give the smallest integer type that holds the field's bounds."""
    for name, kind in _INTEGERS:
        bounds = np.iinfo(kind)
        if bounds.min <= field.minimum and field.maximum <= bounds.max:
            return name, kind
    raise ValueError(f"{field.name}: no integer type holds {field.minimum}..{field.maximum}")


def _index(field: Field) -> str:
    name = "index_" + field.name.replace(".", "_")
    folded = f"lower(ifNull({_quoted(field.name)}, ''))"
    if field.index == "ngram":
        return f"INDEX {name} {folded} TYPE ngrambf_v1(4, 65536, 3, 0) GRANULARITY 1"
    if field.index == "bloom":
        what = _quoted(field.name) if field.name.endswith(_AS_THEY_ARE) else folded
        return f"INDEX {name} {what} TYPE bloom_filter(0.01) GRANULARITY 1"
    return ""


def _quoted(name: str) -> str:
    return f"`{name}`"


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


def _number_array(field: Field, numbers: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> "pa.Array[Any] | None":
    unknown = numbers == UNKNOWN
    if field.name not in REQUIRED and unknown.all():
        return None
    mask = unknown if unknown.any() else None
    if field.kind is Kind.TIME:
        return pa.array(numbers, mask=mask).cast(pa.timestamp("us", "UTC"))
    return pa.array(numbers.astype(_integer(field)[1]), mask=mask)


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
    values = pa.array(["", *column.values[1:]], type=pa.string())
    return pa.DictionaryArray.from_arrays(pa.array(column.indices.astype(kind), mask=mask), values)


_ARROW: Mapping[Kind, "pa.DataType"] = {
    Kind.TEXT: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.TIME: pa.timestamp("us", "UTC"),
    Kind.BOOLEAN: pa.bool_(),
    Kind.LIST: pa.list_(pa.string()),
    Kind.MAP: pa.map_(pa.string(), pa.string()),
}


def ipc_stream(table: pa.Table) -> bytes:
    """Bytes of a table in ClickHouse's format ArrowStream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def reference_ddl() -> str:
    """Text of the table's definition, for the generated reference."""
    return create_table() + "\n"


def reference_arrow() -> str:
    """Text of the Arrow schema of exported events, one field a line, for the generated reference."""
    lines = (
        f"{field.name}: {_ARROW[field.kind]}" + (" not null" if name in REQUIRED else "")
        for name, field in FIELDS.items()
    )
    return "\n".join(lines) + "\n"
