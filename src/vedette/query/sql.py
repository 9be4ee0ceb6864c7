"""Statements about events: rows, counts, histograms, top values; every value bound, every statement bounded.

Overflow modes are `throw`: a statement answers wholly or not at all, so that nobody takes a part for the whole.
`search` asks for one slice of time after another and says how far it came.
"""

import msgspec

from vedette.query import ast, conditions
from vedette.query.ast import Node
from vedette.query.conditions import Parameters, column, name_of
from vedette.query.merge import Fold, Merge
from vedette.query.position import error_at
from vedette.query.simplify import simplify
from vedette.query.statement import MAX_ROWS, Cursor, Limits, Statement, Window, settings
from vedette.runtime.errors import AccessDenied, QueryError
from vedette.schema.access import Right, Scope
from vedette.schema.dictionary import FIELDS, Field, Kind, Meaning, UnknownFieldError, resolve

TABLE = "event"
ENVIRONMENT = "process.env"
KEY = ("event.time", "host.id", "event.epoch", "event.sequence")
"""Columns that name a row; results are in this order, descending."""
MAX_GROUPS = 1_000
MAX_BUCKETS = 5_000
MAX_HOSTS = 20_000
SHARD_GROUPS = 10_000
"""Values that each of several shards gives, of which the most frequent ones of all are chosen."""

COUNTED = Merge(fold=("sum", "union"))
BUCKETS = Merge(fold=("key", "sum"), order=((0, False),))
FREQUENT = ((1, True), (0, False))


def visible_columns(scope: Scope) -> tuple[str, ...]:
    """Columns of an event that the caller may see."""
    return tuple(name for name in FIELDS if name != ENVIRONMENT or scope.allows(Right.ENVIRONMENT_READ))


def event_columns(scope: Scope, columns: tuple[str, ...]) -> tuple[str, ...]:
    """Columns of a result row when `columns` are asked for (empty: all): the key, then the rest."""
    allowed = visible_columns(scope)
    for name in columns:
        if name not in allowed:
            raise AccessDenied(f"the column {name} does not exist or is not yours to see")
    return tuple(dict.fromkeys((*KEY, *(columns or allowed))))


def compile_events(
    node: Node,
    scope: Scope,
    window: Window,
    *,
    limit: int,
    after: Cursor | None = None,
    columns: tuple[str, ...] = (),
) -> Statement:
    """Newest `limit` events that match, after `after` if given; `columns` empty = all that the caller may see.

    The key columns always come first. Times are given as microseconds UTC.
    """
    bind = Parameters()
    where = _where(node, scope, window, bind)
    if after:
        where += f"\n  AND {_after(after, bind)}"
    names = event_columns(scope, columns)
    order = ", ".join(f"{column(name)} DESC" for name in KEY)
    sql = (  # every name is a column of the dictionary, every value is bound
        f"SELECT {', '.join(map(_read, names))}\nFROM {TABLE}\nWHERE {where}\n"
        f"ORDER BY {order}\nLIMIT {bind.count(_bounded(limit, MAX_ROWS + 1))}"
    )
    newest = Merge(order=tuple((place, True) for place in range(len(KEY))), limit=limit)
    return Statement(sql, bind.values, settings(Limits()), names, newest)


def compile_count(node: Node, scope: Scope, window: Window) -> Statement:
    """Count matching events and list the hosts they are from, at most 20,000."""
    bind = Parameters()
    where = _where(node, scope, window, bind)
    sql = f"SELECT count(), groupUniqArray({MAX_HOSTS})({column('host.id')})\nFROM {TABLE}\nWHERE {where}"
    return Statement(sql, bind.values, settings(Limits()), ("count", "hosts"), COUNTED)


def check_buckets(window: Window, bucket: int) -> None:
    """Refuse a histogram with too many buckets of `bucket` microseconds."""
    if bucket <= 0 or (window.until - window.since) // bucket > MAX_BUCKETS:
        raise QueryError(f"a histogram has at most {MAX_BUCKETS:,} buckets; take wider ones")


def compile_histogram(node: Node, scope: Scope, window: Window, *, bucket: int) -> Statement:
    """Count matching events per `bucket` microseconds, from the epoch on; empty buckets are left out."""
    check_buckets(window, bucket)
    bind = Parameters()
    where = _where(node, scope, window, bind)
    width = bind.number(bucket)
    sql = (
        f"SELECT intDiv(toUnixTimestamp64Micro({column('event.time')}), {width}) * {width} AS bucket, count()\n"
        f"FROM {TABLE}\nWHERE {where}\nGROUP BY bucket\nORDER BY bucket"
    )
    return Statement(sql, bind.values, settings(Limits()), ("bucket", "count"), BUCKETS)


def compile_top(node: Node, scope: Scope, window: Window, *, name: str, limit: int = 20) -> Statement:
    """Most frequent values of the field `name` in matching events, as text, with hosts, first and last time."""
    bind = Parameters()
    where = _where(node, scope, window, bind)
    value = _value(_readable(name, scope), bind)
    most = bind.count(_bounded(limit, MAX_GROUPS))
    sql = (
        f"SELECT value, count() AS events, uniq({column('host.id')}),\n"  # noqa: S608 - columns and bound values
        f"  toUnixTimestamp64Micro(min({column('event.time')})), toUnixTimestamp64Micro(max({column('event.time')}))\n"
        f"FROM (SELECT {value} AS value, {column('host.id')}, {column('event.time')} FROM {TABLE} WHERE {where})\n"
        f"WHERE isNotNull(value)\nGROUP BY value\nORDER BY events DESC, value\nLIMIT {most}"
    )
    fold: tuple[Fold, ...] = ("key", "sum", "sum", "min", "max")
    frequent = Merge(fold=fold, order=FREQUENT, limit=limit, widened=(name_of(most), SHARD_GROUPS))
    return Statement(sql, bind.values, settings(Limits()), ("value", "count", "hosts", "first", "last"), frequent)


def compile_values(name: str, prefix: str, scope: Scope, window: Window, *, limit: int = 20) -> Statement:
    """Values of the field `name` that start with `prefix`, most frequent first: what a console completes.

    Best effort: it stops after 1 s or 20 M rows and gives what it has seen.
    """
    bind = Parameters()
    where = _where(ast.EVERYTHING, scope, window, bind)
    value = _value(_readable(name, scope), bind)
    most = bind.count(_bounded(limit, MAX_GROUPS))
    sql = (
        f"SELECT value, count() AS events FROM (SELECT {value} AS value FROM {TABLE} WHERE {where})\n"  # noqa: S608
        f"WHERE startsWith(lower(ifNull(value, '')), lower({bind.text(prefix)})) AND isNotNull(value)\n"
        f"GROUP BY value\nORDER BY events DESC, value\nLIMIT {most}"
    )
    bounded = settings(Limits(seconds=1.0, memory=256_000_000, rows=20_000_000))
    bounded |= {"timeout_overflow_mode": "break", "read_overflow_mode": "break"}
    frequent = Merge(fold=("key", "sum"), order=FREQUENT, limit=limit, widened=(name_of(most), MAX_GROUPS))
    return Statement(sql, bind.values, bounded, ("value", "count"), frequent, partial=True)


def explain(statement: Statement) -> Statement:
    """Ask which indexes the statement uses and how many granules they leave."""
    sql = f"EXPLAIN indexes = 1 {statement.sql}"
    return msgspec.structs.replace(statement, sql=sql, columns=("explain",))


def tenants(scope: Scope, bind: Parameters) -> str:
    """Restrict to the caller's tenants; raises `AccessDenied` without the right to read events."""
    if not scope.allows(Right.EVENTS_READ) or not scope.tenants:
        raise AccessDenied("you have no right to read events")
    return f"{column('tenant')} IN {bind.texts(tuple(sorted(scope.tenants)))}"


def _where(node: Node, scope: Scope, window: Window, bind: Parameters) -> str:
    _check_rights(node, scope)
    time = column("event.time")
    parts = [
        tenants(scope, bind),
        f"{time} >= {bind.moment(window.since)}",
        f"{time} < {bind.moment(window.until)}",
    ]
    node = simplify(node)
    if node != ast.EVERYTHING:
        parts.append(conditions.expression(node, bind))
    return "\n  AND ".join(parts)


def _check_rights(node: Node, scope: Scope) -> None:
    """Refuse a search in the environment to those who may not see it: asking often enough reads a secret."""
    if scope.allows(Right.ENVIRONMENT_READ):
        return
    if any(condition.field.column == ENVIRONMENT for condition in ast.conditions(node)):
        raise AccessDenied("you have no right to search environment variables")


def _after(cursor: Cursor, bind: Parameters) -> str:
    """Rows that come after `cursor`; the first comparison alone lets the engine skip partitions."""
    time = bind.moment(cursor.time)
    key = ", ".join(map(column, KEY))
    last = f"{time}, {bind.text(cursor.host)}, {bind.text(cursor.epoch)}, {bind.number(cursor.sequence)}"
    return f"{column('event.time')} <= {time} AND ({key}) < ({last})"


def _read(name: str) -> str:
    quoted = column(name)
    return f"toUnixTimestamp64Micro({quoted})" if FIELDS[name].kind is Kind.TIME else quoted


def _readable(name: str, scope: Scope) -> tuple[Meaning, ...]:
    try:
        meanings = resolve(name)
    except UnknownFieldError as error:
        raise error_at(name, 0, f"there is no field “{name}”", error.suggestions) from error
    if not scope.allows(Right.ENVIRONMENT_READ) and any(meaning.field.column == ENVIRONMENT for meaning in meanings):
        raise AccessDenied("you have no right to see environment variables")
    if not all(meaning.field.searchable for meaning in meanings):
        raise QueryError(f"{name} is stored, not searchable")
    return meanings


def _value(meanings: tuple[Meaning, ...], bind: Parameters) -> str:
    """Value of a name as text: that of its first known reading. Each entry of a list or map counts alone."""
    if len(meanings) == 1 and meanings[0].field.kind in {Kind.LIST, Kind.MAP} and not meanings[0].field.key:
        name = column(meanings[0].field.column)
        entries = name if meanings[0].field.kind is Kind.LIST else f"mapValues({name})"
        return f"toNullable(arrayJoin({entries}))"
    readings = [
        _reading(meaning, bind)
        for meaning in meanings
        if meaning.field.key or meaning.field.kind not in {Kind.LIST, Kind.MAP}
    ]
    return readings[0] if len(readings) == 1 else f"coalesce({', '.join(readings)})"


def _reading(meaning: Meaning, bind: Parameters) -> str:
    value = _one_value(meaning.field, bind)
    if not meaning.types or meaning.field.types <= meaning.types:
        return value
    return f"if({column('event.type')} IN {bind.texts(tuple(sorted(meaning.types)))}, {value}, NULL)"


def _one_value(field: Field, bind: Parameters) -> str:
    name = column(field.column)
    if field.key:
        key = bind.text(field.key)
        return f"if(mapContains({name}, {key}), {name}[{key}], NULL)"
    return f"CAST({name}, 'Nullable(String)')"


def _bounded(limit: int, most: int) -> int:
    if not 1 <= limit <= most:
        raise QueryError(f"the limit is from 1 to {most:,}")
    return limit
