"""The definition of the event table in ClickHouse SQL, from the field dictionary."""

from collections.abc import Iterable

from vedette.schema.dictionary import EVENT_ID, FIELDS, Field, Kind
from vedette.schema.identity import EVENT_ID_SQL

DATABASE = "vedette"
"""Not `default`: the embedded engine's default database opens any path of the host as a table."""
TABLE = "event"
ENGINE = "MergeTree"
"""The embedded engine's; shards that are ClickHouse servers have another one (`cluster_tables`)."""

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
    # Merge fewer, larger groups (default 5): rows are written again less often, for some more parts to read.
    "merge_selector_base": 20,
    # Without this, dotted names make process.args and process.env parts of one nested column of equal lengths.
    "share_nested_offsets": 0,
    # Smaller parts (-10 %); sizes in a stream of their own serve `.size` queries that we do not make.
    "string_serialization_version": "'single_stream'",
    # Distinct counts of 236 columns cost an eighth of the insert and serve joins that we do not make.
    "auto_statistics_types": "''",
}


# The same segment again (after a crash) is dropped: its token is remembered this many inserts long.
REMEMBERED = "non_replicated_deduplication_window = 10000"


def create_table(engine: str = ENGINE, *, where: str = "", remembered: str = REMEMBERED) -> str:
    """Statement that makes the event table, unless it is there, with the table engine `engine`.

    `where`: ` ON CLUSTER ...`; `remembered`: the settings of that engine that keep tokens of inserts.
    """
    lines = [f"{_quoted(field.name)} {column_type(field)}" for field in FIELDS.values()]
    lines.append(f"{_quoted(EVENT_ID.name)} String ALIAS {EVENT_ID_SQL}")
    lines += [index for field in FIELDS.values() if (index := _index(field))]
    settings = ", ".join([remembered, *(f"{name} = {value}" for name, value in _SETTINGS.items())])
    return (
        f"CREATE TABLE IF NOT EXISTS {TABLE}{where} (\n    "
        + ",\n    ".join(lines)
        + f"\n) ENGINE = {engine}\n"
        + "PARTITION BY (`tenant`, toDate(`event.time`))\n"
        + "ORDER BY (`tenant`, `host.id`, `event.time`)\n"
        + f"SETTINGS {settings}"
    )


def add_columns(present: Iterable[str], *, where: str = "") -> str:
    """Statement that adds what the table of an older version lacks; "" if nothing. `present`: its columns."""
    missing = [field for name, field in FIELDS.items() if name not in set(present)]
    if not missing:
        return ""
    changes = [f"ADD COLUMN IF NOT EXISTS {_quoted(field.name)} {column_type(field)}" for field in missing]
    changes += [
        f"ADD {index.replace('INDEX', 'INDEX IF NOT EXISTS', 1)}" for field in missing if (index := _index(field))
    ]
    return f"ALTER TABLE {TABLE}{where} " + ", ".join(changes)


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
            return _nullable(field, integer_type(field)) + f" CODEC({codec})"
        case Kind.BOOLEAN:
            return _nullable(field, "Bool")
        case Kind.LIST:
            return "Array(String)"
        case Kind.MAP:
            return "Map(LowCardinality(String), String)"


def _nullable(field: Field, bare: str) -> str:
    return bare if field.name in REQUIRED else f"Nullable({bare})"


INTEGERS = (
    ("UInt8", 0, 2**8 - 1),
    ("UInt16", 0, 2**16 - 1),
    ("Int32", -(2**31), 2**31 - 1),
    ("UInt32", 0, 2**32 - 1),
    ("Int64", -(2**63), 2**63 - 1),
)
"""Integer types of columns: name, smallest and largest value."""


def integer_type(field: Field) -> str:
    """Give the smallest integer type that holds the field's bounds."""
    for name, smallest, largest in INTEGERS:
        if smallest <= field.minimum and field.maximum <= largest:
            return name
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


def reference_ddl() -> str:
    """Text of the table's definition, for the generated reference."""
    return create_table() + "\n"
