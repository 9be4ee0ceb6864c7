"""What a statement is: text, bound values, limits, and the place in the results where the next page starts."""

import base64
import binascii
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from vedette.query.conditions import Value
from vedette.query.merge import Merge
from vedette.runtime.errors import QueryError

MAX_ROWS = 10_000
"""Most rows of one answer."""
LIMIT_CODES = {
    158: "rows",
    159: "time",
    160: "time",
    209: "time",
    241: "memory",
    307: "rows",
    396: "memory",
    394: "time",
}
"""ClickHouse's error codes that mean "more than the limits allow", and which limit it was."""


class Window(Struct, frozen=True):
    """Event times in [since, until), microseconds UTC."""

    since: int
    until: int


class Cursor(Struct, frozen=True, array_like=True):
    """Key of the last row that was given; the next page starts after it."""

    time: Annotated[int, Meta(ge=-(2**62), le=2**62)]
    host: Annotated[str, Meta(max_length=64)]
    epoch: Annotated[str, Meta(max_length=64)]
    sequence: Annotated[int, Meta(ge=0, le=2**63 - 1)]
    width: Annotated[int, Meta(ge=0, le=2**62)] = 0
    """Microseconds that the next page probably takes; 0 = not known."""


class Limits(Struct, frozen=True, kw_only=True):
    """What one statement may spend before it fails with one of `LIMIT_CODES`."""

    seconds: float = 30.0
    memory: int = 1_000_000_000
    """Bytes."""
    rows: int = 2_000_000_000
    """Rows read, before any condition."""
    answer: int = 128 * 2**20
    """Bytes of the answer: what this process has to hold."""


class Statement(Struct, frozen=True):
    """A query for the event store; `columns` names the values of a row in order."""

    sql: str
    parameters: dict[str, Value]
    settings: dict[str, int | float | str]
    columns: tuple[str, ...]
    merge: Merge | None = None
    """What several shards do with their rows; None = this runs on a store of one node only."""
    partial: bool = False
    """Whether the rows of the shards that answer will do; the answer's `Rows` then name the missing ones."""


def settings(limits: Limits) -> dict[str, int | float | str]:
    """Give the settings that hold a statement within `limits`."""
    return {
        "max_execution_time": max(limits.seconds, 0.001),
        "timeout_overflow_mode": "throw",
        "max_memory_usage": limits.memory,
        "max_rows_to_read": limits.rows,
        "read_overflow_mode": "throw",
        "max_result_bytes": limits.answer,
        "result_overflow_mode": "throw",
        # A pasted list of digests is data, but long conditions are text and nodes.
        "max_query_size": 4_194_304,
        "max_ast_elements": 500_000,
        "max_expanded_ast_elements": 1_000_000,
        # Read the other columns only of the rows that are given (measured: see docs/hunting.md).
        "query_plan_max_limit_for_lazy_materialization": MAX_ROWS + 1,
    }


def within(statement: Statement, limits: Limits) -> Statement:
    """Give the same statement under other limits."""
    return msgspec.structs.replace(statement, settings=statement.settings | settings(limits))


def encode_cursor(cursor: Cursor) -> str:
    """Give an opaque text that `decode_cursor` reads."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(cursor)).rstrip(b"=").decode()


def decode_cursor(text: str) -> Cursor:
    """Read a cursor; raises `QueryError` for any other text."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(raw, type=Cursor)
    except (binascii.Error, ValueError, msgspec.DecodeError) as error:
        raise QueryError("the cursor is not one that a search gave") from error
