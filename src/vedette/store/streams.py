"""Which sequence numbers of which agent are durable: what tells a new batch from one that came before.

An agent sends a batch again when its receipt was lost, and the event store cannot see that. So each
*stream* (an agent and the random epoch of its buffer file) has a set of ranges here, in memory, written
down when a spool segment is sealed:

    streams       a snapshot, replaced whole
    streams.log   what was added since, one checked entry a segment

What is in segments not yet sealed is found again in their records, so nothing here is lost by kill -9.
"""

import logging
import os
import zlib
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import msgspec

from vedette.runtime.errors import StoreError
from vedette.runtime.files import fsync_directory, write_atomic
from vedette.store.intervals import Intervals, Overlap

AGENT_RANGES = 20_000
"""The most ranges one agent may hold in all its streams; holes come only from expiry and from overtaking."""

LOG_BYTES = 4 * 1024 * 1024
"""A log longer than this, and than its snapshot, becomes a new snapshot."""

_LOG = logging.getLogger(__name__)


class Placement(Enum):
    """What a batch is to its stream."""

    NEW = "new"
    DUPLICATE = "duplicate"
    OVERLAP = "overlap"
    SCATTERED = "scattered"


class StreamKey(NamedTuple):
    """An agent (32 hex) and the epoch of its buffer (16 hex)."""

    agent: str
    epoch: str


class StreamState(msgspec.Struct, frozen=True, kw_only=True):
    """What is durable of a stream, and how many of its events came again or were refused."""

    key: StreamKey
    ranges: tuple[tuple[int, int], ...]
    duplicates: int
    refused: int


class _Row(msgspec.Struct, array_like=True, frozen=True):
    """One stream in a snapshot (all its ranges) or in a log entry (the ranges it gained)."""

    agent: str
    epoch: str
    duplicates: int
    refused: int
    ranges: tuple[tuple[int, int], ...]


class _Entry(msgspec.Struct, array_like=True, frozen=True):
    """What one sealed segment added; `segment` is its number."""

    segment: int
    rows: list[_Row]


class _Stream:
    """A stream in memory: its ranges, those not yet committed, and its counters."""

    __slots__ = ("added", "duplicates", "ranges", "refused")

    def __init__(self) -> None:
        self.ranges = Intervals()
        self.duplicates = self.refused = 0
        self.added = Intervals()  # since the last commit


class Streams:
    """All streams. One thread at a time; `commit` is the only call that waits for the disk."""

    def __init__(self, folder: Path) -> None:
        self._snapshot, self._log = folder / "streams", folder / "streams.log"
        self._streams: dict[StreamKey, _Stream] = {}
        self._agent_ranges: dict[str, int] = {}
        self._touched: set[StreamKey] = set()
        self.segment = -1
        """The highest segment number committed so far."""
        self._snapshot_bytes = self._load_snapshot()
        self._log_bytes = self._load_log()

    def place(self, key: StreamKey, first: int, last: int) -> Placement:
        """Say what a batch first..last is to its stream; changes nothing."""
        stream = self._streams.get(key)
        if stream is not None:
            overlap = stream.ranges.overlap(first, last)
            if overlap is not Overlap.NONE:
                return Placement.DUPLICATE if overlap is Overlap.WHOLE else Placement.OVERLAP
        full = self._agent_ranges.get(key.agent, 0) >= AGENT_RANGES
        return Placement.SCATTERED if full else Placement.NEW

    def add(self, key: StreamKey, first: int, last: int) -> None:
        """Take first..last into the stream, to be committed with the segment that holds it."""
        stream = self._open(key)
        self._change(key.agent, stream.ranges, first, last)
        stream.added.add(first, last)

    def take_back(self, key: StreamKey, first: int, last: int) -> None:
        """Undo an `add` of a range that was wholly new: its record did not become durable."""
        stream = self._open(key)
        self._change(key.agent, stream.ranges, first, last, remove=True)
        stream.added.remove(first, last)

    def count_duplicate(self, key: StreamKey, events: int) -> None:
        """Count the events of a batch that was durable already."""
        self._open(key).duplicates += events

    def count_refused(self, key: StreamKey, events: int) -> None:
        """Count the events of a batch that its stream cannot take."""
        self._open(key).refused += events

    def state(self, key: StreamKey) -> StreamState:
        """Give what is known of `key`. Raises KeyError for a stream never seen."""
        stream = self._streams[key]
        return StreamState(key=key, ranges=stream.ranges.pairs(), duplicates=stream.duplicates, refused=stream.refused)

    def __iter__(self) -> Iterator[StreamKey]:
        return iter(self._streams)

    def commit(self, segment: int) -> tuple[StreamState, ...]:
        """Make durable what was added since the last commit; `segment` holds it. Gives the streams touched.

        Raises OSError (then nothing was committed and the call may be repeated).
        """
        touched = [(key, self._streams[key]) for key in self._touched]
        self._append(_Entry(segment, [_row(key, stream, stream.added) for key, stream in touched]))
        self.segment = max(self.segment, segment)
        for _, stream in touched:
            stream.added = Intervals()
        self._touched.clear()
        if self._log_bytes > max(LOG_BYTES, self._snapshot_bytes):
            try:
                self._write_snapshot()
            except OSError as error:  # only an economy: the log goes on
                _LOG.warning("streams snapshot could not be written: %s", error)
        return tuple(self.state(key) for key, _ in touched)

    def _open(self, key: StreamKey) -> _Stream:
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = _Stream()
        self._touched.add(key)
        return stream

    def _change(self, agent: str, ranges: Intervals, first: int, last: int, *, remove: bool = False) -> None:
        before = len(ranges)
        (ranges.remove if remove else ranges.add)(first, last)
        self._agent_ranges[agent] = self._agent_ranges.get(agent, 0) + len(ranges) - before

    def _append(self, entry: _Entry) -> None:
        data = _sealed(msgspec.msgpack.encode(entry))
        fresh = not self._log.exists()
        handle = os.open(self._log, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(handle, self._log_bytes)  # what a failed attempt left
            written = os.pwrite(handle, data, self._log_bytes)
            if written != len(data):
                raise OSError(f"{self._log}: only {written} of {len(data)} bytes could be written")
            os.fdatasync(handle)
        finally:
            os.close(handle)
        if fresh:
            fsync_directory(self._log.parent)
        self._log_bytes += len(data)

    def _write_snapshot(self) -> None:
        rows = [
            _Row(key.agent, key.epoch, s.duplicates, s.refused, s.ranges.pairs()) for key, s in self._streams.items()
        ]
        data = _sealed(msgspec.msgpack.encode(_Entry(self.segment, rows)))
        write_atomic(self._snapshot, data)
        self._snapshot_bytes = len(data)
        os.truncate(self._log, 0)  # until this lands the log only repeats what the snapshot has
        self._log_bytes = 0

    def _load_snapshot(self) -> int:
        if not self._snapshot.exists():
            return 0
        data = self._snapshot.read_bytes()
        entry, end = _unseal(data, 0)
        if entry is None or end != len(data):
            raise StoreError(
                f"{self._snapshot} is damaged: without it batches sent again would be stored twice. "
                "Restore it, or remove it together with streams.log to accept that"
            )
        self._apply(entry)
        return len(data)

    def _load_log(self) -> int:
        """Replay the log up to its first unfinished entry, which is cut off by the next append."""
        data = self._log.read_bytes() if self._log.exists() else b""
        at = 0
        while at < len(data):
            entry, end = _unseal(data, at)
            if entry is None:
                break
            self._apply(entry)
            at = end
        return at

    def _apply(self, entry: _Entry) -> None:
        self.segment = max(self.segment, entry.segment)
        for row in entry.rows:
            key = StreamKey(row.agent, row.epoch)
            stream = self._streams.setdefault(key, _Stream())
            stream.duplicates = max(stream.duplicates, row.duplicates)
            stream.refused = max(stream.refused, row.refused)
            for first, last in row.ranges:
                self._change(row.agent, stream.ranges, first, last)


_DECODE = msgspec.msgpack.Decoder(_Entry).decode


def _row(key: StreamKey, stream: _Stream, ranges: Intervals) -> _Row:
    return _Row(key.agent, key.epoch, stream.duplicates, stream.refused, ranges.pairs())


def _sealed(body: bytes) -> bytes:
    return len(body).to_bytes(4, "little") + zlib.crc32(body).to_bytes(4, "little") + body


def _unseal(data: bytes, at: int) -> tuple[_Entry | None, int]:
    """Read the entry at `at`; None when it is cut short or damaged."""
    start = at + 8
    if start > len(data):
        return None, at
    end = start + int.from_bytes(data[at : at + 4], "little")
    body = data[start:end]
    if end > len(data) or zlib.crc32(body) != int.from_bytes(data[at + 4 : start], "little"):
        return None, at
    try:
        return _DECODE(body), end
    except msgspec.MsgspecError:
        return None, at
