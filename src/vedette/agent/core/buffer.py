"""Keeps events until the Central Node has them: 21 days, a byte quota, sequence numbers without gaps.

What `append` returned from survives kill -9 and a power cut. A batch's boundaries and bytes never change
once it may have been sent, so that the Central Node can tell a repetition from something new.
"""

import logging
import sqlite3
import threading
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from vedette.agent.core.batches import Batch, BufferStats, Facts
from vedette.agent.core.boot import this_boot
from vedette.agent.core.buffer_file import (
    BufferDamagedError,
    State,
    new_epoch,
    open_file,
    save,
    set_aside,
    translate,
)
from vedette.agent.core.eviction import Removal, Row, gap_of, slimmed, whole
from vedette.agent.core.joining import Piece, runs
from vedette.agent.core.losses import Losses
from vedette.agent.core.packing import Packed, pack
from vedette.agent.core.passing import Boot, Passing, confirm, cutoff, look
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
AGED, OVERFLOWED = "expired", "overflow"
"""Why events left unsent: reasons of a `telemetry_gap`."""
UNDELIVERED = 15
"""Files of undeliverable batches kept for people to look at, beside the newest one."""
HEADER = 700
"""Bytes that a batch takes beside its payload: header, request and answer, measured."""
_SPARE_PAGES = 1024
"""Free pages (4 KiB) that the file may keep."""
_PORTION = 64
"""Batches that leave in one transaction."""

_ALL_FIRSTS = "SELECT first FROM batch ORDER BY first"
_LIVE_FIRSTS = "SELECT first FROM batch INDEXED BY batch_kept WHERE kept >= ? ORDER BY first"
_ROW = "SELECT first, last, kept, facts, crc, payload, offline FROM batch WHERE first = ?"
_FIX = "UPDATE batch SET offline = 0 WHERE first = ?"
_NEVER_SENT = "SELECT first, last, kept, length(payload), facts FROM batch WHERE offline = 1 ORDER BY first"
_UNSENT = "SELECT first FROM batch WHERE offline > 0"
_JOINED = 2
"""Value of `offline`: joined once, so it is not joined again and spans no more than a run may."""
_WHOLE = "SELECT oldest, kept, facts, payload FROM batch WHERE first = ?"
_WALK = "SELECT first, last, kept, length(payload) FROM batch WHERE first >= ? ORDER BY first LIMIT ?"
_WITHIN = "SELECT first, last, length(payload) FROM batch WHERE first >= ? AND first <= ? AND last <= ?"
_CHECK = "SELECT payload, crc FROM batch WHERE first = ?"
_MOVE = "UPDATE batch SET first = ?, last = ?, crc = ?, payload = ? WHERE first = ?"
_SHRINK = "UPDATE batch SET last = ?, oldest = ?, crc = ?, payload = ? WHERE first = ?"
_INSERT = "INSERT INTO batch VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
_DELETE = "DELETE FROM batch WHERE first = ?"
_TOTALS = "SELECT count(*), coalesce(sum(last - first + 1), 0), coalesce(sum(length(payload)), 0) FROM batch"


class Buffer:
    """The buffer; safe for several threads. `boot` says for how long the system runs."""

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        boot: Callable[[], Boot] = this_boot,
        agent: str = "",
        days: int = 21,
        quota: int = 1 << 30,
    ) -> None:
        self.path, self._clock, self._boot, self._agent = path, clock, boot, agent
        self.days, self.quota = days, quota
        self.losses, self.throttled = Losses(), Losses()
        self.kept_bytes = 0
        """What has come in since the start, as it goes over the wire."""
        self.reserve = Reserve(path.with_name("reserve"))
        self._lock = threading.RLock()
        self._flight: set[int] = set()
        self._gaps: list[Gap] = []
        self._closed = False
        self._open()

    def _open(self) -> None:
        try:
            self._db, self._state, reason = open_file(self.path, self._clock, self._agent)
        except SpoolFull:
            if not self.reserve.take():
                raise
            self._db, self._state, reason = open_file(self.path, self._clock, self._agent)
        self.reserve.make()
        self.losses.restart(self._state.losses)
        self.throttled.restart(self._state.throttled)
        self._batches, self._events, self._bytes = self._db.execute(_TOTALS).fetchone()
        self._flight.clear()
        self._unsent = {first for (first,) in self._db.execute(_UNSENT)}
        self._slimmed = 0  # all below this number was looked at
        self._closed = False
        if reason:
            self._gaps.append(Gap(reason=reason, start=self._state.alive, end=self._clock()))
        if self._state.agent != self._agent:
            self.begin_epoch()

    @property
    def epoch(self) -> str:
        """Name of the stream."""
        return self._state.epoch

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
            fresh = {"epoch": new_epoch(), "agent": self._agent, "next": self._events + 1, "expired": 0}
            self._write(self._renumber, **fresh, losses={}, aged={}, overflowed={}, throttled={})
            self.losses.restart({})
            self.throttled.restart({})
            self._flight.clear()
            self._unsent = {first for (first,) in self._db.execute(_ALL_FIRSTS)}
            self._slimmed = 0
            log.warning("new epoch epoch=%s waiting=%d", self.epoch, self._events)

    def _renumber(self, db: sqlite3.Connection) -> None:
        following = 1
        # In order: a new number is never above the old one, so it meets no row that is still to come.
        for first, last in db.execute("SELECT first, last FROM batch ORDER BY first").fetchall():
            payload, _ = db.execute(_CHECK, (first,)).fetchone()
            payload = renumber(payload, following - first)
            end = following + last - first
            db.execute(_MOVE, (following, end, zlib.crc32(payload), payload, first))
            following = end + 1

    def take_gaps(self) -> list[Gap]:
        """Say once which telemetry is missing: the agent was killed, the file damaged, events left unsent."""
        with self._lock:
            gaps, self._gaps = self._gaps, []
            return gaps

    def append(self, events: list[Event], facts: Facts, *, offline: bool = False) -> None:
        """Give `events` their numbers and keep them; on return they are durable.

        `offline` says that nothing is being sent now, so that small batches may be joined later.
        Raises SpoolFull when the file cannot be written: nothing was kept, no number was used.
        """
        with self._lock:
            packed = pack(events, self._state.next, self.losses)
            if not packed:
                return
            following = packed[-1].first + packed[-1].events
            self._write(lambda db: self._insert(db, packed, facts, offline=offline), next=following)
            self._batches += len(packed)
            self._events += following - packed[0].first
            size = sum(len(part.payload) for part in packed)
            self._bytes += size
            self.kept_bytes += size + len(packed) * HEADER
            self._unsent.update(part.first for part in packed)

    def _insert(self, db: sqlite3.Connection, packed: list[Packed], facts: Facts, *, offline: bool) -> None:
        now, blob = self._passing().at, msgspec.msgpack.encode(facts)
        for part in packed:
            last, crc = part.first + part.events - 1, zlib.crc32(part.payload)
            db.execute(_INSERT, (part.first, last, part.oldest, now, offline, blob, crc, part.payload))

    def pick(self, *, live: int | None = None, skip: Collection[int] = ()) -> Batch | None:
        """Give the batch to send next, now in flight until `settle`, `release` or `discard`; None: none waits.

        The oldest of those kept within the last `live` microseconds if there is one, else the oldest of all; none in
        `skip`.
        """
        with self._lock:
            first = None
            if live is not None:
                first = self._next_first(_LIVE_FIRSTS, (self._passing().at - live,), skip)
            if first is None and (first := self._next_first(_ALL_FIRSTS, (), skip)) is None:
                return None
            row = self._guarded(lambda: self._db.execute(_ROW, (first,)).fetchone())
            if zlib.crc32(row[5]) != row[4]:
                self.discard(first, CORRUPT)
                return self.pick(live=live, skip=skip)
            if row[6]:  # kept in the very moment in which the uplink came back
                self._write(lambda db: db.execute(_FIX, (first,)))
            self._flight.add(first)
            fresh = first in self._unsent
            self._unsent.discard(first)
            return Batch(row[0], row[1], row[2], fresh, msgspec.msgpack.decode(row[3], type=Facts), row[5])

    def _next_first(self, query: str, parameters: tuple[int, ...], skip: Collection[int]) -> int | None:
        rows: Iterable[tuple[int]] = self._guarded(lambda: self._db.execute(query, parameters))
        return next((first for (first,) in rows if first not in self._flight and first not in skip), None)

    def contradicts(self, ranges: Iterable[tuple[int, int]]) -> bool:
        """Whether the Central Node has numbers that this buffer has not given, or whose events it never sent."""
        with self._lock:
            return any(
                last >= self._state.next or any(first <= number <= last for number in self._unsent)
                for first, last in ranges
            )

    def confirm_time(self, server: int) -> None:
        """Take note of the Central Node's time, just received; written down with whatever is written next."""
        with self._lock:
            passing = confirm(self._passing(), server)
            self._state = msgspec.structs.replace(self._state, passing=passing)

    def settle(self, ranges: Iterable[tuple[int, int]]) -> int:
        """Remove the batches that lie in one of the durable `ranges`; gives the number of their events."""
        with self._lock:
            rows = [Row(*row) for first, last in ranges for row in self._db.execute(_WITHIN, (first, last, last))]
            self._remove([Removal(row, {}, None) for row in rows])
            return sum(row.last - row.first + 1 for row in rows)

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
                self.losses.add(counted_as, row[1] - row[0] + 1)
                self._remove([Removal(Row(*row), {}, None)])

    def set_aside(self, batch: Batch, counted_as: str) -> None:
        """Write the payload of a batch that cannot be delivered to a file beside the buffer, then discard it.

        Raises OSError when the file cannot be written; the batch then stays.
        """
        folder = self.path.with_name("undelivered")
        folder.mkdir(mode=0o700, exist_ok=True)
        for old in sorted(folder.iterdir())[:-UNDELIVERED]:
            old.unlink()
        write_atomic(folder / f"{self._clock()}-{self.epoch}-{batch.first}.zst", batch.payload)
        self.discard(batch.first, counted_as)

    def expire(self) -> int:
        """Remove what is too old; beyond the quota what is worth least, then the oldest; gives how many events."""
        with self._lock:
            gone = self._let_go(AGED, self._too_old())
            gone += self._let_go(OVERFLOWED, self._bulk())
            gone += self._let_go(OVERFLOWED, self._oldest())
            self._give_back()
            self.reserve.make()
            return gone

    def _too_old(self) -> Iterator[Removal]:
        limit = cutoff(self._passing(), self.days * DAY)
        for row, kept in self._walk():
            if kept >= limit:
                return
            yield whole(row, self._payload(row))

    def _bulk(self) -> Iterator[Removal]:
        excess = self._bytes - self.quota
        for row, _ in self._walk(self._slimmed) if excess > 0 else ():
            if excess <= 0:
                return
            self._slimmed = row.last + 1
            removal = slimmed(row, self._payload(row)) if row.first in self._unsent else None
            if removal is not None:
                excess -= removal.freed
                yield removal

    def _oldest(self) -> Iterator[Removal]:
        excess = self._bytes - self.quota
        for row, _ in self._walk() if excess > 0 else ():
            if excess <= 0:
                return
            excess -= row.size
            yield whole(row, self._payload(row))

    def _walk(self, start: int = 0) -> Iterator[tuple[Row, int]]:
        """Give each batch that is not in flight, and when it was kept; in order, read in portions."""
        while rows := self._guarded(partial(self._portion, start)):
            for first, last, kept, size in rows:
                if first not in self._flight:
                    yield Row(first, last, size), kept
            start = rows[-1][1] + 1

    def _portion(self, start: int) -> list[tuple[int, int, int, int]]:
        return self._db.execute(_WALK, (start, _PORTION)).fetchall()

    def _payload(self, row: Row) -> bytes:
        payload: bytes = self._guarded(lambda: self._db.execute(_CHECK, (row.first,)).fetchone())[0]
        return payload

    def _let_go(self, reason: str, removals: Iterator[Removal]) -> int:
        """Remove in portions, count by type, and remember what to tell."""
        done: list[Removal] = []
        try:
            while portion := list(islice(removals, _PORTION)):
                self._remove(portion, reason=reason)
                done += [one._replace(left=one.left and one.left._replace(payload=b"")) for one in portion]
        finally:
            self._gaps += gap_of(reason, done)
        return sum(removal.events for removal in done)

    def _remove(self, removals: list[Removal], *, reason: str = "") -> None:
        if not removals:
            return
        counts: Counter[str] = Counter()
        for removal in removals:
            counts.update({name: part.events for name, part in removal.gone.items()})
        changes: dict[str, Any] = {"expired": self._state.expired + counts.total()}
        if reason:
            name = "aged" if reason == AGED else "overflowed"
            changes[name] = dict(Counter(getattr(self._state, name)) + counts)
        try:
            self._write(lambda db: _apply(db, removals), **changes)
        except SpoolFull:
            if not self.reserve.take():
                raise
            self._write(lambda db: _apply(db, removals), **changes)
        for row, _, left in removals:
            self._batches -= left is None
            self._events -= row.last - (row.first - 1 if left is None else left.last)
            self._bytes -= row.size - (0 if left is None else len(left.payload))
            if left is None:
                self._flight.discard(row.first)
                self._unsent.discard(row.first)

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
        self._unsent.difference_update(piece.first for piece in run[1:])
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
            state, oldest = self._state, row[0] if row else None
            counts = (state.expired, state.aged, state.overflowed)
            return BufferStats(self._batches, self._events, self._bytes, oldest, state.next, *counts)

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

    def _passing(self) -> Passing:
        """Give what is known of time now."""
        return look(self._state.passing, self._clock(), self._boot())

    def _write(self, action: Callable[[sqlite3.Connection], object], **changes: Any) -> None:
        """Do `action` and save the state with its `changes` in one durable transaction; all of it holds or nothing."""
        with self._lock:
            counts = {"losses": self.losses.totals(), "throttled": self.throttled.totals()}
            now = counts | {"alive": self._clock(), "clean": False, "passing": self._passing()}
            state: State = msgspec.structs.replace(self._state, **now | changes)
            self._guarded(lambda: self._transaction(action, state))
            self._state = state

    def _transaction(self, action: Callable[[sqlite3.Connection], object], state: State) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            action(self._db)
            save(self._db, state)
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    def _guarded(self, action: Callable[[], T]) -> T:
        """Do `action`; a damaged file is replaced by a new one, and the caller told to try again."""
        if self._closed:  # there was no room for a new file
            self._begin_anew()
        try:
            return action()
        except sqlite3.Error as error:
            problem = translate(error, self.path)
            if isinstance(problem, BufferDamagedError):
                log.error("buffer damaged, set aside problem=%s", error)  # noqa: TRY400 - the trace adds nothing
                self._closed = True
                self._db.close()
                now = self._clock()
                self._gaps.append(Gap(reason="buffer_corrupt", start=now, end=now, count=self._events))
                set_aside(self.path, now)
                self._begin_anew()
            raise problem from error

    def _begin_anew(self) -> NoReturn:
        """Make a new file. Raises SpoolFull in any case: what the caller was doing belongs to the old one."""
        self._open()
        raise SpoolFull("the buffer was damaged; a new one was started", retry_after=0)


def _apply(db: sqlite3.Connection, removals: list[Removal]) -> None:
    for row, _, left in removals:
        if left is None:
            db.execute(_DELETE, (row.first,))
        else:
            db.execute(_SHRINK, (left.last, left.oldest, zlib.crc32(left.payload), left.payload, row.first))
