"""The spool: where a batch is made durable before its receipt, and the unit of everything behind it.

    <12 digits>.open   the segment being written (or left by a crash)
    <12 digits>.seg    a sealed segment: whole, never changed, removed by the pipeline when it is stored
    reserve            disk space for the next segment, taken before anything is promised
    next               a number that no segment has reached yet

A segment becomes one insert whose token is its number. The store drops a second insert with the same token
in silence, so a number is never used again. The spool belongs to one thread at a time.
"""

import logging
import os
from collections.abc import Sequence
from enum import Enum
from pathlib import Path

import msgspec

from vedette.runtime.clock import SECOND, Clock
from vedette.runtime.errors import StoreError
from vedette.runtime.files import fsync_directory, write_atomic
from vedette.schema.fields import Micros
from vedette.store.segment import (
    HEAD_BYTES,
    Record,
    pack_head,
    read_heads,
    read_segment,
    scan,
)
from vedette.store.streams import Placement, StreamKey, Streams, StreamState
from vedette.wire.limits import FRAME_BYTES

__all__ = ["Backlog", "Outcome", "Record", "Sealed", "Spool", "SpoolLimits", "read_segment", "scan"]

NUMBER_STEP = 1_000
"""How far ahead `next` is written: one sync for so many segments; a crash skips the rest of a step."""

_LOG = logging.getLogger(__name__)


class Outcome(Enum):
    """What became of a batch."""

    STORED = "stored"
    """It is durable."""
    DUPLICATE = "duplicate"
    """It was durable before; not written again."""
    OVERLAP = "overlap"
    """Some of its sequence numbers are durable, some are not: its boundaries changed. Not written."""
    SCATTERED = "scattered"
    """The agent's streams are in too many pieces. Not written."""
    FULL = "full"
    """Nothing can be promised now. Not written."""


class SpoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """When a segment is sealed, and how much disk is left alone."""

    events: int = 20_000
    size: int = 8 * 1024 * 1024
    """Bytes of a segment."""
    age: Micros = SECOND
    """From the first record to the seal."""
    headroom: int = 256 * 1024 * 1024
    """Bytes of the file system that the store and the state need to empty the spool."""


class Sealed(msgspec.Struct, frozen=True, kw_only=True):
    """A segment that was sealed, and the streams to which it or a duplicate added."""

    number: int
    events: int
    size: int
    streams: tuple[StreamState, ...]


class Backlog(msgspec.Struct, frozen=True, kw_only=True):
    """What waits for the pipeline; `drained` counts the events taken since this process began."""

    segments: int
    """Sealed ones, with `size` bytes."""
    events: int
    """With those in the open segment."""
    size: int
    drained: int


class _Segment:
    """An open segment: written at `size`, durable up to `synced`."""

    def __init__(self, number: int, path: Path, opened: Micros) -> None:
        self.number, self.path, self.opened = number, path, opened
        self.handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        self.size = self.synced = self.events = self.synced_events = 0

    def write(self, record: Record) -> None:
        """Write one record behind the last; it is durable after `sync`."""
        parts = [pack_head(record), record.body]
        wanted = HEAD_BYTES + len(record.body)
        written = os.pwritev(self.handle, parts, self.size)
        if written < wanted:
            rest = b"".join(parts)
            while written < wanted:
                written += os.pwrite(self.handle, rest[written:], self.size + written)
        self.size += wanted
        self.events += record.count

    def sync(self) -> None:
        """Make everything written durable."""
        os.fdatasync(self.handle)
        self.synced, self.synced_events = self.size, self.events


class Spool:
    """Appends groups of batches; each group costs one sync. `close` seals what is open."""

    def __init__(self, folder: Path, *, clock: Clock, limits: SpoolLimits | None = None) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder, self._clock, self._limits = folder, clock, limits or SpoolLimits()
        self.streams = Streams(folder)
        self._open: _Segment | None = None
        self._closing: list[tuple[int, Path, int, int]] = []  # number, path, size, events: to be sealed
        self._unsynced: list[tuple[StreamKey, int, int]] = []
        self._waiting: dict[int, tuple[int, int]] = {}  # sealed number -> events, size
        self._drained = 0
        self._sealed: list[Sealed] = []
        self._refusing = ""
        self._reserve = folder / "reserve"
        self._reserve.unlink(missing_ok=True)
        self._number = self._ceiling = self._recover()
        self._finish_closing()

    def append(self, records: Sequence[Record]) -> list[Outcome]:
        """Write what is new of `records` and make it durable; the outcomes stand in the same order."""
        outcomes: list[Outcome] = []
        settled = 0
        room = self._has_headroom()
        try:
            for record in records:
                outcomes.append(self._take(record, room=room))
                if self._is_full():
                    self._sync()
                    settled = len(outcomes)
                    self._seal()
            self._sync()
        except OSError as error:
            self._give_up(error)
            outcomes[settled:] = [Outcome.FULL] * (len(records) - settled)
        return outcomes

    def tick(self) -> None:
        """Seal the open segment when it is old enough, and what could not be sealed before."""
        self._finish_closing()
        if self._open is not None and self._clock() - self._open.opened >= self._limits.age:
            self._seal()

    def take_sealed(self) -> list[Sealed]:
        """Give the segments sealed since the last call, those recovered at the start included."""
        sealed, self._sealed = self._sealed, []
        return sealed

    def backlog(self) -> Backlog:
        """Look how much the pipeline has not taken yet."""
        there = {int(path.stem) for path in self._folder.glob("*.seg")}
        for number in [number for number in self._waiting if number not in there]:
            self._drained += self._waiting.pop(number)[0]
        return Backlog(
            segments=len(self._waiting),
            events=sum(events for events, _ in self._waiting.values()) + (self._open.events if self._open else 0),
            size=sum(size for _, size in self._waiting.values()),
            drained=self._drained,
        )

    def close(self) -> None:
        """Seal what is open, give the reserve back and write down the next number exactly."""
        self._seal()
        self._finish_closing()
        self._reserve.unlink(missing_ok=True)
        if self._ceiling > self._number:
            write_atomic(self._folder / "next", str(self._number).encode())
            self._ceiling = self._number

    def _take(self, record: Record, *, room: bool) -> Outcome:
        key = StreamKey(record.agent, record.epoch)
        placement = self.streams.place(key, record.first, record.last)
        if placement is Placement.DUPLICATE:
            self.streams.count_duplicate(key, record.count)
            return Outcome.DUPLICATE
        if placement is not Placement.NEW:
            self.streams.count_refused(key, record.count)
            return Outcome.OVERLAP if placement is Placement.OVERLAP else Outcome.SCATTERED
        segment = self._writable() if room else None
        if segment is None:
            return Outcome.FULL
        segment.write(record)
        self.streams.add(key, record.first, record.last)
        self._unsynced.append((key, record.first, record.last))
        return Outcome.STORED

    def _writable(self) -> _Segment | None:
        """Give the open segment, with the space of the next one reserved; None when that cannot be had."""
        try:
            if self._closing:
                self._finish_closing()
            if not self._reserve.exists():
                self._allocate()
            if self._open is None and not self._closing:
                self._open = self._open_next()
                self._allocate()
        except OSError as error:
            self._refuse(str(error))
            return None
        if self._closing:
            return None
        self._refuse("")
        return self._open

    def _allocate(self) -> None:
        handle = os.open(self._reserve, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            # room for one batch beyond the size that seals
            os.posix_fallocate(handle, 0, self._limits.size + HEAD_BYTES + FRAME_BYTES)
        except OSError:
            self._reserve.unlink()
            raise
        finally:
            os.close(handle)

    def _open_next(self) -> _Segment:
        """Turn the reserve into a segment whose name survives a power cut. Raises OSError."""
        if self._number >= self._ceiling:
            write_atomic(self._folder / "next", str(self._number + NUMBER_STEP).encode())
            self._ceiling = self._number + NUMBER_STEP
        path = self._folder / f"{self._number:012d}.open"
        self._reserve.rename(path)
        fsync_directory(self._folder)
        segment = _Segment(self._number, path, self._clock())
        self._number += 1
        return segment

    def _is_full(self) -> bool:
        segment, limits = self._open, self._limits
        return segment is not None and (segment.size >= limits.size or segment.events >= limits.events)

    def _has_headroom(self) -> bool:
        room = os.statvfs(self._folder)
        if room.f_bavail * room.f_frsize >= self._limits.headroom:
            return True
        self._refuse(f"less than {self._limits.headroom >> 20} MiB are left on the disk of {self._folder}")
        return False

    def _sync(self) -> None:
        if self._open is not None and self._unsynced:
            self._open.sync()
            self._unsynced.clear()

    def _seal(self) -> None:
        """Close the open segment at its last durable byte; never raises, what fails is tried again."""
        segment, self._open = self._open, None
        if segment is not None:
            os.close(segment.handle)
            self._closing.append((segment.number, segment.path, segment.synced, segment.synced_events))
            self._finish_closing()

    def _give_up(self, error: OSError) -> None:
        """Forget what could not be made durable: after a failed sync the pages may be gone."""
        self._refuse(f"the segment could not be written: {error}")
        for key, first, last in self._unsynced:
            self.streams.take_back(key, first, last)
        self._unsynced.clear()
        self._seal()

    def _finish_closing(self) -> None:
        while self._closing:
            number, path, size, events = self._closing[0]
            try:
                self._finish(number, path, size, events)
            except OSError as error:
                self._refuse(f"segment {number} could not be sealed: {error}")
                return
            self._closing.pop(0)

    def _finish(self, number: int, path: Path, size: int, events: int) -> None:
        if size == 0:
            path.unlink(missing_ok=True)
            return
        touched: tuple[StreamState, ...] = ()
        if path.exists():  # else only the last step is to be repeated
            handle = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.ftruncate(handle, size)
                os.fsync(handle)
            finally:
                os.close(handle)
            touched = self.streams.commit(number)
            path.rename(path.with_suffix(".seg"))
        fsync_directory(self._folder)
        self._waiting[number] = (events, size)
        self._sealed.append(Sealed(number=number, events=events, size=size, streams=touched))

    def _refuse(self, why: str) -> None:
        """Log when the spool begins or ceases to refuse, not at every batch."""
        if why and not self._refusing:
            _LOG.error("spool refuses batches: %s", why)
        elif self._refusing and not why:
            _LOG.info("spool accepts batches again")
        self._refusing = why

    def _recover(self) -> int:
        """Take up what a crash left; gives the first number never used."""
        committed = self.streams.segment
        highest = max(committed, self._read_next() - 1)
        for path in sorted(self._folder.glob("*.seg")):
            number = int(path.stem)
            if number > committed:  # the streams log lost its end
                self._know(scan(path.read_bytes())[0])
            self._waiting[number] = (sum(head.count for head in read_heads(path)), path.stat().st_size)
            highest = max(highest, number)
        for path in sorted(self._folder.glob("*.open")):
            data = path.read_bytes()
            records, end = scan(data)
            torn = len(data[end:].rstrip(b"\0"))
            if torn:
                _LOG.warning("segment %s: %d bytes of an unfinished batch were cut off", path.stem, torn)
            self._know(records)
            self._closing.append((int(path.stem), path, end, sum(record.count for record in records)))
            highest = max(highest, int(path.stem))
        return highest + 1

    def _know(self, records: Sequence[Record]) -> None:
        for record in records:
            self.streams.add(StreamKey(record.agent, record.epoch), record.first, record.last)

    def _read_next(self) -> int:
        path = self._folder / "next"
        if not path.exists():
            return 0
        try:
            return int(path.read_bytes())
        except ValueError as error:
            raise StoreError(
                f"{path} is damaged: write a number into it above that of any segment ever sealed"
            ) from error
