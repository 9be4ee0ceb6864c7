"""Counts from the table of hours, for queries that ask for nothing but the event's type and host."""

from collections.abc import Iterator

from vedette.query import ast, conditions
from vedette.query.ast import Anywhere, Condition, Node, Not
from vedette.query.conditions import Parameters, column
from vedette.query.simplify import simplify
from vedette.query.sql import BUCKETS, COUNTED, MAX_HOSTS, check_buckets, tenants
from vedette.query.statement import Limits, Statement, Window, settings
from vedette.schema.access import Scope

TABLE = "event_hour"
HOUR = 3_600_000_000
_KNOWN = frozenset({"event.type", "host.id"})


def answers(node: Node) -> bool:
    """Whether the table of hours knows all that the query asks for."""
    match node:
        case Condition():
            return node.field.name in _KNOWN
        case Anywhere():
            return False
        case Not():
            return answers(node.operand)
        case _:
            return all(map(answers, node.operands))


def pieces(window: Window) -> Iterator[tuple[Window, bool]]:
    """Cut a window, newest first, into whole hours (True) and what is left at its ends."""
    first, last = -(-window.since // HOUR) * HOUR, window.until // HOUR * HOUR
    if first >= last:
        yield window, False
        return
    for part, whole in (
        (Window(last, window.until), False),
        (Window(first, last), True),
        (Window(window.since, first), False),
    ):
        if part.since < part.until:
            yield part, whole


def compile_count(node: Node, scope: Scope, window: Window) -> Statement:
    """Count events of whole hours, and list their hosts, at most 20,000."""
    bind = Parameters()
    where = _where(node, scope, window, bind)
    sql = f"SELECT sum(events), groupUniqArray({MAX_HOSTS})({column('host.id')})\nFROM {TABLE}\nWHERE {where}"
    return Statement(sql, bind.values, settings(Limits()), ("count", "hosts"), COUNTED)


def compile_histogram(node: Node, scope: Scope, window: Window, *, bucket: int) -> Statement:
    """Count events of whole hours per `bucket` microseconds, which are whole hours too."""
    check_buckets(window, bucket)
    bind = Parameters()
    where = _where(node, scope, window, bind)
    width = bind.number(bucket)
    sql = (
        f"SELECT intDiv(toInt64(toUnixTimestamp(hour)) * 1000000, {width}) * {width} AS bucket, sum(events)\n"
        f"FROM {TABLE}\nWHERE {where}\nGROUP BY bucket\nORDER BY bucket"
    )
    return Statement(sql, bind.values, settings(Limits()), ("bucket", "count"), BUCKETS)


def _where(node: Node, scope: Scope, window: Window, bind: Parameters) -> str:
    parts = [tenants(scope, bind), f"hour >= {bind.moment(window.since)}", f"hour < {bind.moment(window.until)}"]
    node = simplify(node)
    if node != ast.EVERYTHING:
        parts.append(conditions.expression(node, bind))
    return "\n  AND ".join(parts)
