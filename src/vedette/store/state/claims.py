"""Which batches the pipelines have taken from the bus: none twice, though two ingest nodes had it.

An agent whose receipt was lost sends its batch again, maybe to another ingest node, which cannot know. So a segment
is claimed before it is stored: of each stream the sequence numbers already claimed are kept here, and what a segment
was told is kept until it is settled, so that the same segment again (after a crash) is told the same.
"""

from collections.abc import Iterator, Sequence

import msgspec
from sqlalchemy import Connection, text

from vedette.store.intervals import Intervals, Overlap
from vedette.store.segment import RecordHead
from vedette.store.state.nodes import Key, Ranges
from vedette.store.state.rows import any_of, to_json

STREAMS = 500
"""Streams of one question."""


class Claim(msgspec.Struct, frozen=True):
    """What is to become of a segment's records, by their places in it; all others are to be stored."""

    duplicates: tuple[int, ...] = ()
    """Claimed with another segment."""
    overlaps: tuple[tuple[int, int], ...] = ()
    """A part of it was claimed with another segment: place, and how many numbers are new."""
    settled: bool = False
    """The segment is stored and counted: there is nothing to do."""


SETTLED = text("SELECT 1 FROM segment WHERE number = :segment")
FATES = text("SELECT fates FROM claim WHERE segment = :segment")
KEEP = text("INSERT INTO claim (segment, fates) VALUES (:segment, :fates)")
RELEASE = text("DELETE FROM claim WHERE segment = :segment")

HELD = text("SELECT agent, epoch, ranges FROM claimed_stream WHERE agent IN :agents AND epoch IN :epochs").bindparams(
    any_of("agents"), any_of("epochs")
)

PUT = text("""
INSERT INTO claimed_stream (agent, epoch, ranges) VALUES (:agent, :epoch, :ranges)
ON CONFLICT (agent, epoch) DO UPDATE SET ranges = excluded.ranges
""")


def claim(db: Connection, segment: int, records: Sequence[RecordHead]) -> Claim:
    """Take the records of `segment` that no other segment has; the same answer until it is released."""
    if db.execute(SETTLED, {"segment": segment}).first() is not None:
        return Claim(settled=True)
    told = db.execute(FATES, {"segment": segment}).scalar_one_or_none()
    if told is not None:
        return msgspec.json.decode(told, type=Claim)
    keys = list(dict.fromkeys((record.agent, record.epoch) for record in records))
    held = {key: Intervals() for key in keys} | dict(_held(db, keys))
    made = place(held, records)
    if keys:
        rows = [{"agent": key[0], "epoch": key[1], "ranges": to_json(held[key].pairs())} for key in keys]
        db.execute(PUT, rows)
    db.execute(KEEP, {"segment": segment, "fates": to_json(made)})
    return made


def release(db: Connection, segment: int) -> None:
    """Forget what a segment was told, in the transaction that settles it."""
    db.execute(RELEASE, {"segment": segment})


def place(held: dict[Key, Intervals], records: Sequence[RecordHead]) -> Claim:
    """Say what becomes of each record, and put its numbers into what is held."""
    duplicates: list[int] = []
    overlaps: list[tuple[int, int]] = []
    for at, record in enumerate(records):
        ranges = held[record.agent, record.epoch]
        overlap = ranges.overlap(record.first, record.last)
        before = ranges.total()
        ranges.add(record.first, record.last)
        if overlap is Overlap.WHOLE:
            duplicates.append(at)
        elif overlap is Overlap.PART:
            overlaps.append((at, ranges.total() - before))
    return Claim(tuple(duplicates), tuple(overlaps))


def _held(db: Connection, keys: Sequence[Key]) -> Iterator[tuple[Key, Intervals]]:
    for start in range(0, len(keys), STREAMS):
        part = keys[start : start + STREAMS]
        wanted = {"agents": sorted({agent for agent, _ in part}), "epochs": sorted({epoch for _, epoch in part})}
        for row in db.execute(HELD, wanted):
            yield (row.agent, row.epoch), Intervals(msgspec.json.decode(row.ranges, type=Ranges))
