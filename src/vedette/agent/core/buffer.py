"""Keeps events until the Central Node has them: 21 days, a byte quota, sequence numbers without gaps.

What `append` returned from survives kill -9 and a power cut. A batch's boundaries and bytes never change
once it may have been sent, so that the Central Node can tell a repetition from something new.
"""

import logging
import sqlite3
import threading
import zlib
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from vedette.agent.core.batches import Batch, BufferStats, Facts
from vedette.agent.core.buffer_file import BufferDamagedError, new_epoch, open_file, set_aside, translate
from vedette.agent.core.joining import Piece, runs
from vedette.agent.core.losses import Losses
from vedette.agent.core.packing import Packed, pack
from vedette.agent.core.reserve import Reserve
from vedette.runtime.clock import DAY, Clock
from vedette.runtime.errors import SpoolFull, WireError
from vedette.runtime.files import write_atomic
from vedette.schema.entities import Gap
from vedette.schema.events.base import Event
from vedette.wire.join import join, renumber

__all__ = ["CORRUPT", "REFUSED", "Batch", "Buffer", "BufferStats", "Facts"]

log = logging.getLogger(__name__)

T = TypeVar("T")
CORRUPT = "buffer_corrupt"
"""Counts events that were kept but could not be read back."""
REFUSED = "batch_refused"
"""Counts events that the Central Node will not take."""
UNDELIVERED = 15
"""Files of undeliverable batches kept for people to look at, beside the newest one."""
_SPARE_PAGES = 1024
"""Free pages (4 KiB) that the file may keep."""

_ALL_FIRSTS = "SELECT first FROM batch ORDER BY first"
_LIVE_FIRSTS = "SELECT first FROM batch INDEXED BY batch_kept WHERE kept >= ? ORDER BY first"
_ROW = "SELECT first, last, kept, facts, crc, payload, offline FROM batch WHERE first = ?"
_FIX = "UPDATE batch SET offline = 0 WHERE first = ?"
_NEVER_SENT = "SELECT first, last, kept, length(payload), facts FROM batch WHERE offline = 1 ORDER BY first"
_JOINED = 2
"""Value of `offline`: joined once, so it is not joined again and spans no more than a run may."""
_WHOLE = "SELECT oldest, kept, facts, payload FROM batch WHERE first = ?"
_SIZES = "SELECT first, last, kept, length(payload) FROM batch ORDER BY first"
_WITHIN = "SELECT first, last, length(payload) FROM batch WHERE first >= ? AND first <= ? AND last <= ?"
_CHECK = "SELECT payload, crc FROM batch WHERE first = ?"
_MOVE = "UPDATE batch SET first = ?, last = ?, crc = ?, payload = ? WHERE first = ?"
_INSERT = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM batch WHERE first = ?"
_SAVE = "UPDATE state SET next = ?, expired = ?, losses = ?, alive = ?, clean = ?"
_TOTALS = "SELECT count(*), coalesce(sum(last - first + 1), 0), coalesce(sum(length(payload)), 0) FROM batch"


class _Piece(NamedTuple):
    """A row that goes."""

    first: int
    last: int
    size: int


class Buffer:
    """The buffer; safe for several threads."""

    def __init__(self, path: Path, clock: Clock, *, agent: str = "", days: int = 21, quota: int = 1 << 30) -> None:
        self.path, self._clock, self._agent, self.days, self.quota = path, clock, agent, days, quota
        self.losses = Losses()
        self.reserve = Reserve(path.with_name("reserve"))
        self._lock = threading.RLock()
        self._flight: set[int] = set()
        self._open()

    def _open(self) -> None:
        try:
            self._db, state, reason = open_file(self.path, self._clock, self._agent)
        except SpoolFull:
            if not self.reserve.take():
                raise
            self._db, state, reason = open_file(self.path, self._clock, self._agent)
        self.reserve.make()
        self.epoch, self._next, self._expired = state.epoch, state.next, state.expired
        self.losses.restart(state.losses)
        self._batches, self._events, self._bytes = self._db.execute(_TOTALS).fetchone()
        self._flight.clear()
        self._gap = Gap(reason=reason, start=state.alive, end=self._clock()) if reason else None
        if state.agent != self._agent:
            self.begin_epoch()

    def begin_epoch(self) -> None:
        """Begin another stream: what waits is numbered anew from 1, the counts of the old stream end.

        For a host whose identity was replaced, or whose disk went back in time so that its numbers would come twice.
        """
        with self._lock:
            firsts = [first for (first,) in self._guarded(lambda: self._db.execute(_ALL_FIRSTS).fetchall())]
            for first in firsts:
                payload, crc = self._db.execute(_CHECK, (first,)).fetchone()
                if zlib.crc32(payload) != crc:
                    self.discard(first, CORRUPT)
            epoch = new_epoch()
            state = (self._events + 1, 0, "{}", self._clock(), 0)
            self._guarded(lambda: self._transaction(lambda db: self._renumber(db, epoch), state))
            self.epoch, self._next, self._expired = epoch, self._events + 1, 0
            self.losses.restart({})
            self._flight.clear()
            log.warning("new epoch epoch=%s waiting=%d", epoch, self._events)

    def _renumber(self, db: sqlite3.Connection, epoch: str) -> None:
        following = 1
        # In order: a new number is never above the old one, so it meets no row that is still to come.
        for first, last in db.execute("SELECT first, last FROM batch ORDER BY first").fetchall():
            payload, _ = db.execute(_CHECK, (first,)).fetchone()
            payload = renumber(payload, following - first)
            end = following + last - first
            db.execute(_MOVE, (following, end, zlib.crc32(payload), payload, first))
            following = end + 1
        db.execute("UPDATE state SET epoch = ?, agent = ?", (epoch, self._agent))

    def take_gap(self) -> Gap | None:
        """Say once why telemetry may be missing: the agent was killed, or the file was damaged."""
        gap, self._gap = self._gap, None
        return gap

    def append(self, events: list[Event], facts: Facts, *, offline: bool = False) -> None:
        """Give `events` their numbers and keep them; on return they are durable.

        `offline` says that nothing is being sent now, so that small batches may be joined later.
        Raises SpoolFull when the file cannot be written: nothing was kept, no number was used.
        """
        with self._lock:
            packed = pack(events, self._next, self.losses)
            if not packed:
                return
            following = packed[-1].first + packed[-1].events
            self._write(lambda db: self._insert(db, packed, facts, offline=offline), following=following)
            self._batches += len(packed)
            self._events += following - packed[0].first
            self._bytes += sum(len(part.payload) for part in packed)

    def _insert(self, db: sqlite3.Connection, packed: list[Packed], facts: Facts, *, offline: bool) -> None:
        now, blob = self._clock(), msgspec.msgpack.encode(facts)
        for part in packed:
            last, crc = part.first + part.events - 1, zlib.crc32(part.payload)
            db.execute(_INSERT, (part.first, last, part.oldest, now, offline, blob, crc, part.payload))

    def pick(self, *, live_since: int | None = None, skip: Collection[int] = ()) -> Batch | None:
        """Give the batch to send next, now in flight until `settle`, `release` or `discard`; None: none waits.

        The oldest of those kept at or after `live_since` if there is one, else the oldest of all; none in `skip`.
        """
        with self._lock:
            first = None
            if live_since is not None:
                first = self._next_first(_LIVE_FIRSTS, (live_since,), skip)
            if first is None and (first := self._next_first(_ALL_FIRSTS, (), skip)) is None:
                return None
            row = self._guarded(lambda: self._db.execute(_ROW, (first,)).fetchone())
            if zlib.crc32(row[5]) != row[4]:
                self.discard(first, CORRUPT)
                return self.pick(live_since=live_since, skip=skip)
            if row[6]:  # kept in the very moment in which the uplink came back
                self._write(lambda db: db.execute(_FIX, (first,)))
            self._flight.add(first)
            return Batch(row[0], row[1], row[2], msgspec.msgpack.decode(row[3], type=Facts), row[5])

    def _next_first(self, query: str, parameters: tuple[int, ...], skip: Collection[int]) -> int | None:
        rows: Iterable[tuple[int]] = self._guarded(lambda: self._db.execute(query, parameters))
        return next((first for (first,) in rows if first not in self._flight and first not in skip), None)

    def settle(self, ranges: Iterable[tuple[int, int]]) -> int:
        """Remove the batches that lie in one of the durable `ranges`; gives the number of their events."""
        with self._lock:
            pieces = [_Piece(*row) for first, last in ranges for row in self._db.execute(_WITHIN, (first, last, last))]
            self._remove(pieces)
            return sum(piece.last - piece.first + 1 for piece in pieces)

    def release(self, first: int) -> None:
        """Let the batch be picked again."""
        with self._lock:
            self._flight.discard(first)

    def discard(self, first: int, counted_as: str) -> None:
        """Remove a batch that can never be delivered; its events are counted as lost."""
        with self._lock:
            row = self._db.execute(
                "SELECT first, last, length(payload) FROM batch WHERE first = ?", (first,)
            ).fetchone()
            if row is not None:
                piece = _Piece(*row)
                self.losses.add(counted_as, piece.last - piece.first + 1)
                self._remove([piece])

    def set_aside(self, batch: Batch, counted_as: str) -> None:
        """Write the payload of a batch that cannot be delivered to a file beside the buffer, then discard it."""
        folder = self.path.with_name("undelivered")
        folder.mkdir(mode=0o700, exist_ok=True)
        for old in sorted(folder.iterdir())[:-UNDELIVERED]:
            old.unlink()
        write_atomic(folder / f"{self._clock()}-{self.epoch}-{batch.first}.zst", batch.payload)
        self.discard(batch.first, counted_as)

    def expire(self) -> int:
        """Remove what is too old, then the oldest beyond the quota; gives and counts the number of events."""
        with self._lock:
            limit, excess = self._clock() - self.days * DAY, self._bytes - self.quota
            pieces: list[_Piece] = []
            for first, last, kept, size in self._guarded(lambda: self._db.execute(_SIZES)):
                if kept >= limit and excess <= 0:
                    break
                if first not in self._flight:
                    pieces.append(_Piece(first, last, size))
                    excess -= size
            gone = sum(piece.last - piece.first + 1 for piece in pieces)
            self._remove(pieces, expired=gone)
            self._give_back()
            self.reserve.make()
            return gone

    def _remove(self, pieces: list[_Piece], *, expired: int = 0) -> None:
        if not pieces:
            return
        firsts = [(piece.first,) for piece in pieces]
        try:
            self._write(lambda db: db.executemany(_DELETE, firsts), expired=expired)
        except SpoolFull:
            if not self.reserve.take():
                raise
            self._write(lambda db: db.executemany(_DELETE, firsts), expired=expired)
        self._batches -= len(pieces)
        self._events -= sum(piece.last - piece.first + 1 for piece in pieces)
        self._bytes -= sum(piece.size for piece in pieces)
        self._flight.difference_update(piece.first for piece in pieces)

    def online(self) -> None:
        """Fix the boundaries of all batches: from now on they may be sent."""
        self._write(lambda db: db.execute("UPDATE batch SET offline = 0 WHERE offline > 0"))

    def join(self) -> int:
        """Make one batch of neighbours that were never sent; gives how many batches are fewer now."""
        with self._lock:
            rows = self._guarded(lambda: self._db.execute(_NEVER_SENT).fetchall())
            pieces = [Piece(first, last, kept, size, zlib.crc32(facts)) for first, last, kept, size, facts in rows]
            return sum(self._join(run) for run in runs(pieces))

    def _join(self, run: list[Piece]) -> int:
        rows = [self._db.execute(_WHOLE, (piece.first,)).fetchone() for piece in run]
        try:
            payload = join([row[3] for row in rows])
        except WireError as error:
            log.warning("batches not joined first=%d last=%d problem=%s", run[0].first, run[-1].last, error)
            return 0
        oldest, facts = min(row[0] for row in rows), rows[0][2]
        # The latest time of all: no event leaves before its 21 days are over.
        one = (run[0].first, run[-1].last, oldest, run[-1].kept, _JOINED, facts, zlib.crc32(payload), payload)
        firsts = [(piece.first,) for piece in run]
        self._write(lambda db: (db.executemany(_DELETE, firsts), db.execute(_INSERT, one)))
        self._batches -= len(run) - 1
        self._bytes += len(payload) - sum(piece.size for piece in run)
        return len(run) - 1

    def sign_of_life(self) -> None:
        """Note durably that the agent runs, and what it lost so far."""
        self._write(lambda _db: None)

    def stats(self) -> BufferStats:
        """Give the numbers for the header and for people."""
        with self._lock:
            row = self._guarded(lambda: self._db.execute("SELECT oldest FROM batch ORDER BY first LIMIT 1").fetchone())
            oldest = row[0] if row else None
            return BufferStats(self._batches, self._events, self._bytes, oldest, self._next, self._expired)

    def close(self) -> None:
        """Stop in order."""
        with self._lock:
            self._write(lambda _db: None, clean=True)
            self._db.close()

    def _give_back(self) -> None:
        spare = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        if spare > 2 * _SPARE_PAGES:
            # `execute` would stop after the first page.
            self._db.executescript(f"PRAGMA incremental_vacuum({spare - _SPARE_PAGES})")

    def _write(
        self,
        action: Callable[[sqlite3.Connection], object],
        *,
        following: int | None = None,
        expired: int = 0,
        clean: bool = False,
    ) -> None:
        """Do `action` and save the state in one durable transaction; the counts change only if it holds."""
        with self._lock:
            following = self._next if following is None else following
            losses = msgspec.json.encode(self.losses.totals()).decode()
            state = (following, self._expired + expired, losses, self._clock(), clean)
            self._guarded(lambda: self._transaction(action, state))
            self._next = following
            self._expired += expired

    def _transaction(self, action: Callable[[sqlite3.Connection], object], state: tuple[object, ...]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            action(self._db)
            self._db.execute(_SAVE, state)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _guarded(self, action: Callable[[], T]) -> T:
        """Do `action`; a damaged file is replaced by a new one, and the caller told to try again."""
        try:
            return action()
        except sqlite3.Error as error:
            problem = translate(error, self.path)
            if isinstance(problem, BufferDamagedError):
                log.error("buffer damaged, set aside problem=%s", error)  # noqa: TRY400 - the trace adds nothing
                self._db.close()
                set_aside(self.path, self._clock())
                lost = self._events
                self._open()
                self._gap = Gap(reason="buffer_corrupt", start=self._clock(), end=self._clock(), count=lost)
                raise SpoolFull("the buffer was damaged; a new one was started", retry_after=0) from error
            raise problem from error
