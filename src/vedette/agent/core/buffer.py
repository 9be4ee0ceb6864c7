"""Keeps events until the Central Node has them: 21 days, a byte quota, sequence numbers without gaps.

What `append` returned from survives kill -9 and a power cut. A batch's boundaries and bytes never change
once it may have been sent, so that the Central Node can tell a repetition from something new.
"""

import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from vedette.agent.core import buffer_rows as rows
from vedette.agent.core.batches import Batch, BufferStats, Facts
from vedette.agent.core.boot import this_boot
from vedette.agent.core.buffer_db import BufferDb
from vedette.agent.core.buffer_file import new_epoch
from vedette.agent.core.eviction import Removal, Row, gap_of, slimmed, whole
from vedette.agent.core.joining import Piece, runs
from vedette.agent.core.losses import Losses
from vedette.agent.core.packing import pack
from vedette.agent.core.passing import Boot, cutoff
from vedette.agent.core.reserve import Reserve
from vedette.runtime.clock import DAY, Clock
from vedette.runtime.errors import SpoolFull, WireError
from vedette.runtime.files import write_atomic
from vedette.schema.entities import Gap
from vedette.schema.events.base import Event

__all__ = ["CORRUPT", "REFUSED", "Batch", "Buffer", "BufferStats", "Facts"]

log = logging.getLogger(__name__)

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
        self.path, self._clock, self._agent = path, clock, agent
        self.days, self.quota = days, quota
        self.kept_bytes = 0
        """What has come in since the start, as it goes over the wire."""
        self._flight: set[int] = set()
        self._unsent: set[int] = set()
        self._slimmed = 0  # all below this number was looked at
        self._db = BufferDb(path, clock, boot=boot, agent=agent, opened=self._opened)
        self._lock = self._db.lock
        self._db.open()

    def _opened(self) -> None:
        self._flight.clear()
        self._unsent = self._db.read(rows.unsent)
        self._slimmed = 0
        if self._db.state.agent != self._agent:
            self.begin_epoch()

    @property
    def losses(self) -> Losses:
        """Counts what was lost before the buffer, by event type."""
        return self._db.losses

    @property
    def throttled(self) -> Losses:
        """Counts what the budget left out before the buffer, by event type and policy."""
        return self._db.throttled

    @property
    def reserve(self) -> Reserve:
        """The room that is kept for removing events on a full disk."""
        return self._db.reserve

    @property
    def epoch(self) -> str:
        """Name of the stream."""
        return self._db.state.epoch

    def begin_epoch(self) -> None:
        """Begin another stream: what waits is numbered anew from 1, the counts of the old stream end.

        For a host whose identity was replaced, or whose disk went back in time so that its numbers would come twice.
        """
        with self._lock:
            for first in self._db.read(lambda db: list(rows.firsts(db))):
                if not self._db.read(partial(rows.read, first=first)).is_sound:
                    self.discard(first, CORRUPT)
            fresh = {"epoch": new_epoch(), "agent": self._agent, "next": self._db.events + 1, "expired": 0}
            self._db.write(rows.renumber, **fresh, losses={}, aged={}, overflowed={}, throttled={})
            self.losses.restart({})
            self.throttled.restart({})
            self._flight.clear()
            self._unsent = set(self._db.read(lambda db: list(rows.firsts(db))))
            self._slimmed = 0
            log.warning("new epoch epoch=%s waiting=%d", self.epoch, self._db.events)

    def take_gaps(self) -> list[Gap]:
        """Say once which telemetry is missing: the agent was killed, the file damaged, events left unsent."""
        with self._lock:
            gaps, self._db.gaps = self._db.gaps, []
            return gaps

    # ------------------------------------------------------------------------------------------------- in and out

    def append(self, events: list[Event], facts: Facts, *, offline: bool = False) -> None:
        """Give `events` their numbers and keep them; on return they are durable.

        `offline` says that nothing is being sent now, so that small batches may be joined later.
        Raises SpoolFull when the file cannot be written: nothing was kept, no number was used.
        """
        with self._lock:
            packed = pack(events, self._db.state.next, self.losses)
            if not packed:
                return
            following = packed[-1].first + packed[-1].events
            insert = partial(rows.insert, packed=packed, facts=facts, kept=self._db.passing().at, offline=offline)
            self._db.write(insert, next=following)
            self._db.batches += len(packed)
            self._db.events += following - packed[0].first
            size = sum(len(part.payload) for part in packed)
            self._db.bytes += size
            self.kept_bytes += size + len(packed) * HEADER
            self._unsent.update(part.first for part in packed)

    def pick(self, *, live: int | None = None, skip: Collection[int] = ()) -> Batch | None:
        """Give the batch to send next, now in flight until `settle`, `release` or `discard`; None: none waits.

        The oldest of those kept within the last `live` microseconds if there is one, else the oldest of all; none in
        `skip`.
        """
        with self._lock:
            first = None if live is None else self._next(self._db.passing().at - live, skip)
            if first is None and (first := self._next(None, skip)) is None:
                return None
            row = self._db.read(partial(rows.read, first=first))
            if not row.is_sound:
                self.discard(first, CORRUPT)
                return self.pick(live=live, skip=skip)
            if row.offline:  # kept in the very moment in which the uplink came back
                self._db.write(partial(rows.fix, first=first))
            self._flight.add(first)
            fresh = first in self._unsent
            self._unsent.discard(first)
            facts = msgspec.msgpack.decode(row.facts, type=Facts)
            return Batch(row.first, row.last, row.kept, fresh, facts, row.payload)

    def _next(self, kept_since: int | None, skip: Collection[int]) -> int | None:
        found = self._db.read(partial(rows.firsts, kept_since=kept_since))
        return next((first for first in found if first not in self._flight and first not in skip), None)

    def contradicts(self, ranges: Iterable[tuple[int, int]]) -> bool:
        """Whether the Central Node has numbers that this buffer has not given, or whose events it never sent."""
        with self._lock:
            return any(
                last >= self._db.state.next or any(first <= number <= last for number in self._unsent)
                for first, last in ranges
            )

    def confirm_time(self, server: int) -> None:
        """Take note of the Central Node's time, just received; written down with whatever is written next."""
        self._db.confirm_time(server)

    def settle(self, ranges: Iterable[tuple[int, int]]) -> int:
        """Remove the batches that lie in one of the durable `ranges`; gives the number of their events."""
        with self._lock:
            found = [
                row for first, last in ranges for row in self._db.read(partial(rows.within, first=first, last=last))
            ]
            self._remove([Removal(row, {}, None) for row in found])
            return sum(row.last - row.first + 1 for row in found)

    def release(self, first: int) -> None:
        """Let the batch be picked again."""
        with self._lock:
            self._flight.discard(first)

    def discard(self, first: int, counted_as: str) -> None:
        """Remove a batch that can never be delivered; its events are counted as lost."""
        with self._lock:
            row = self._db.read(partial(rows.find, first=first))
            if row is not None:
                self.losses.add(counted_as, row.last - row.first + 1)
                self._remove([Removal(row, {}, None)])

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

    # ------------------------------------------------------------------------------------------- what leaves unsent

    def expire(self) -> int:
        """Remove what is too old; beyond the quota what is worth least, then the oldest; gives how many events."""
        with self._lock:
            gone = self._let_go(AGED, self._too_old())
            gone += self._let_go(OVERFLOWED, self._bulk())
            gone += self._let_go(OVERFLOWED, self._oldest())
            self._db.give_back()
            self.reserve.make()
            return gone

    def _too_old(self) -> Iterator[Removal]:
        limit = cutoff(self._db.passing(), self.days * DAY)
        for row, kept in self._walk():
            if kept >= limit:
                return
            yield whole(row, self._payload(row))

    def _bulk(self) -> Iterator[Removal]:
        excess = self._db.bytes - self.quota
        for row, _ in self._walk(self._slimmed) if excess > 0 else ():
            if excess <= 0:
                return
            self._slimmed = row.last + 1
            removal = slimmed(row, self._payload(row)) if row.first in self._unsent else None
            if removal is not None:
                excess -= removal.freed
                yield removal

    def _oldest(self) -> Iterator[Removal]:
        excess = self._db.bytes - self.quota
        for row, _ in self._walk() if excess > 0 else ():
            if excess <= 0:
                return
            excess -= row.size
            yield whole(row, self._payload(row))

    def _walk(self, start: int = 0) -> Iterator[tuple[Row, int]]:
        """Give each batch that is not in flight, and when it was kept; in order, read in portions."""
        while portion := self._db.read(partial(rows.portion, start=start)):
            yield from (item for item in portion if item[0].first not in self._flight)
            start = portion[-1][0].last + 1

    def _payload(self, row: Row) -> bytes:
        return self._db.read(partial(rows.payload, first=row.first))

    def _let_go(self, reason: str, removals: Iterator[Removal]) -> int:
        """Remove in portions, count by type, and remember what to tell."""
        done: list[Removal] = []
        try:
            while portion := list(islice(removals, rows.PORTION)):
                self._remove(portion, reason=reason)
                done += [one._replace(left=one.left and one.left._replace(payload=b"")) for one in portion]
        finally:
            self._db.gaps += gap_of(reason, done)
        return sum(removal.events for removal in done)

    def _remove(self, removals: list[Removal], *, reason: str = "") -> None:
        if not removals:
            return
        counts: Counter[str] = Counter()
        for removal in removals:
            counts.update({name: part.events for name, part in removal.gone.items()})
        changes: dict[str, Any] = {"expired": self._db.state.expired + counts.total()}
        if reason:
            name = "aged" if reason == AGED else "overflowed"
            changes[name] = dict(Counter(getattr(self._db.state, name)) + counts)
        remove = partial(rows.remove, removals=removals)
        try:
            self._db.write(remove, **changes)
        except SpoolFull:
            if not self.reserve.take():
                raise
            self._db.write(remove, **changes)
        for row, _, left in removals:
            self._db.batches -= left is None
            self._db.events -= row.last - (row.first - 1 if left is None else left.last)
            self._db.bytes -= row.size - (0 if left is None else len(left.payload))
            if left is None:
                self._flight.discard(row.first)
                self._unsent.discard(row.first)

    # ----------------------------------------------------------------------------------------------------- manners

    def online(self) -> None:
        """Fix the boundaries of all batches: from now on they may be sent."""
        self._db.write(rows.fix)

    def join(self) -> int:
        """Make one batch of neighbours that were never sent; gives how many batches are fewer now."""
        with self._lock:
            return sum(self._join(run) for run in runs(self._db.read(rows.never_sent)))

    def _join(self, run: list[Piece]) -> int:
        try:
            row = self._db.read(partial(rows.joined, run=run))
        except WireError as error:
            log.warning("batches not joined first=%d last=%d problem=%s", run[0].first, run[-1].last, error)
            return 0
        self._db.write(partial(rows.replace, run=run, row=row))
        self._unsent.difference_update(piece.first for piece in run[1:])
        self._db.batches -= len(run) - 1
        self._db.bytes += row.size - sum(piece.size for piece in run)
        return len(run) - 1

    def sign_of_life(self) -> None:
        """Note durably that the agent runs, and what it lost so far."""
        self._db.write(lambda _db: None)

    def stats(self) -> BufferStats:
        """Give the numbers for the header and for people."""
        with self._lock:
            oldest, db, state = self._db.read(rows.oldest), self._db, self._db.state
            counts = (state.expired, state.aged, state.overflowed)
            return BufferStats(db.batches, db.events, db.bytes, oldest, state.next, *counts)

    def close(self) -> None:
        """Stop in order."""
        self._db.close()
