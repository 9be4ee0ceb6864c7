"""The rows of the buffer: the SQL of its table `batch`, each function in the caller's transaction."""

import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from vedette.agent.core.batches import Facts
from vedette.agent.core.eviction import Removal, Row
from vedette.agent.core.joining import Piece
from vedette.agent.core.packing import Packed
from vedette.wire.join import join as join_payloads
from vedette.wire.join import renumber as renumber_payload

PORTION = 64
"""Batches that are walked over, or leave, at once."""
_JOINED = 2
"""Value of `offline`: joined once, so it is not joined again and spans no more than a run may."""
_INSERT = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM batch WHERE first = ?"
_SHRINK = "UPDATE batch SET last = ?, oldest = ?, crc = ?, payload = ? WHERE first = ?"
_MOVE = "UPDATE batch SET first = ?, last = ?, crc = ?, payload = ? WHERE first = ?"


class Kept(NamedTuple):
    """A row whole, as it is needed to send it."""

    first: int
    last: int
    kept: int
    facts: bytes
    crc: int
    payload: bytes
    offline: int

    @property
    def is_sound(self) -> bool:
        """Whether the payload is what was written."""
        return zlib.crc32(self.payload) == self.crc


def totals(db: sqlite3.Connection) -> tuple[int, int, int]:
    """Give the number of batches, of their events, and of their bytes."""
    row: tuple[int, int, int] = db.execute(
        "SELECT count(*), coalesce(sum(last - first + 1), 0), coalesce(sum(length(payload)), 0) FROM batch"
    ).fetchone()
    return row


def firsts(db: sqlite3.Connection, *, kept_since: int | None = None) -> Iterator[int]:
    """Give the first number of each batch, ascending; or only of those kept since a time."""
    if kept_since is None:
        rows = db.execute("SELECT first FROM batch ORDER BY first")
    else:
        live = "SELECT first FROM batch INDEXED BY batch_kept WHERE kept >= ? ORDER BY first"
        rows = db.execute(live, (kept_since,))
    return (first for (first,) in rows)


def unsent(db: sqlite3.Connection) -> set[int]:
    """Give the first numbers of those that were certainly never sent."""
    return {first for (first,) in db.execute("SELECT first FROM batch WHERE offline > 0")}


def oldest(db: sqlite3.Connection) -> int | None:
    """Give the time of the oldest event of the first batch."""
    row = db.execute("SELECT oldest FROM batch ORDER BY first LIMIT 1").fetchone()
    return row[0] if row else None


def read(db: sqlite3.Connection, first: int) -> Kept:
    """Give one row."""
    query = "SELECT first, last, kept, facts, crc, payload, offline FROM batch WHERE first = ?"
    return Kept(*db.execute(query, (first,)).fetchone())


def payload(db: sqlite3.Connection, first: int) -> bytes:
    """Give the payload of one row, sound or not."""
    found: bytes = db.execute("SELECT payload FROM batch WHERE first = ?", (first,)).fetchone()[0]
    return found


def find(db: sqlite3.Connection, first: int) -> Row | None:
    """Give the bounds of one row, if it is there."""
    row = db.execute("SELECT first, last, length(payload) FROM batch WHERE first = ?", (first,)).fetchone()
    return None if row is None else Row(*row)


def within(db: sqlite3.Connection, first: int, last: int) -> list[Row]:
    """Give the rows that lie in a range of numbers."""
    query = "SELECT first, last, length(payload) FROM batch WHERE first >= ? AND first <= ? AND last <= ?"
    return [Row(*row) for row in db.execute(query, (first, last, last))]


def portion(db: sqlite3.Connection, start: int) -> list[tuple[Row, int]]:
    """Give the next rows from the number `start` on, each with the time at which it was kept."""
    query = "SELECT first, last, length(payload), kept FROM batch WHERE first >= ? ORDER BY first LIMIT ?"
    return [(Row(*row[:3]), row[3]) for row in db.execute(query, (start, PORTION))]


def never_sent(db: sqlite3.Connection) -> list[Piece]:
    """Give the rows that may still be joined."""
    query = "SELECT first, last, kept, length(payload), facts FROM batch WHERE offline = 1 ORDER BY first"
    found = db.execute(query)
    return [Piece(first, last, kept, size, zlib.crc32(facts)) for first, last, kept, size, facts in found]


def insert(db: sqlite3.Connection, packed: Iterable[Packed], facts: Facts, *, kept: int, offline: bool) -> None:
    """Add batches, kept at the time `kept`."""
    blob = msgspec.msgpack.encode(facts)
    for part in packed:
        last, crc = part.first + part.events - 1, zlib.crc32(part.payload)
        db.execute(_INSERT, (part.first, last, part.oldest, kept, offline, blob, crc, part.payload))


def fix(db: sqlite3.Connection, first: int | None = None) -> None:
    """Fix the boundaries of one batch, or of all: they may be sent from now on."""
    if first is None:
        db.execute("UPDATE batch SET offline = 0 WHERE offline > 0")
    else:
        db.execute("UPDATE batch SET offline = 0 WHERE first = ?", (first,))


def remove(db: sqlite3.Connection, removals: Iterable[Removal]) -> None:
    """Remove batches, or leave of them what stays."""
    for row, _, left in removals:
        if left is None:
            db.execute(_DELETE, (row.first,))
        else:
            db.execute(_SHRINK, (left.last, left.oldest, zlib.crc32(left.payload), left.payload, row.first))


def renumber(db: sqlite3.Connection) -> None:
    """Number all events anew, from 1 on."""
    following = 1
    # In order: a new number is never above the old one, so it meets no row that is still to come.
    for first, last in db.execute("SELECT first, last FROM batch ORDER BY first").fetchall():
        moved = renumber_payload(payload(db, first), following - first)
        end = following + last - first
        db.execute(_MOVE, (following, end, zlib.crc32(moved), moved, first))
        following = end + 1


class Joined(NamedTuple):
    """The row that a run of rows becomes."""

    values: tuple[object, ...]
    size: int


def joined(db: sqlite3.Connection, run: list[Piece]) -> Joined:
    """Join a run. Raises WireError."""
    query = "SELECT oldest, facts, payload FROM batch WHERE first = ?"
    found = [db.execute(query, (piece.first,)).fetchone() for piece in run]
    one = join_payloads([row[2] for row in found])
    # The latest time of all: no event leaves before its 21 days are over.
    kept, begin, facts = run[-1].kept, min(row[0] for row in found), found[0][1]
    return Joined((run[0].first, run[-1].last, begin, kept, _JOINED, facts, zlib.crc32(one), one), len(one))


def replace(db: sqlite3.Connection, run: list[Piece], row: Joined) -> None:
    """Put one row in the place of a run."""
    db.executemany(_DELETE, [(piece.first,) for piece in run])
    db.execute(_INSERT, row.values)
