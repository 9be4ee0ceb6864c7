"""One segment's records -> rows to insert, dead letters, and counts for the ledger. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from vedette.central.pipeline.clock_rule import correct_times
from vedette.central.pipeline.dead_letter import DeadLetter, Only, key_of
from vedette.central.pipeline.task_reports import task_updates
from vedette.runtime.clock import DAY
from vedette.runtime.errors import WireError
from vedette.store.retention import day_of
from vedette.store.segment import Record
from vedette.store.state.ledger import StreamCount
from vedette.store.state.ledger_days import DayCount
from vedette.store.state.tasks import TaskUpdate
from vedette.wire.batch import RawBatch, decode
from vedette.wire.merge import KNOWN_TYPES, Arrival, Batch, merge
from vedette.wire.values import Indices


class Prepared(msgspec.Struct, frozen=True):
    """What a segment gave."""

    batch: Batch
    letters: tuple[DeadLetter, ...]
    counts: tuple[StreamCount, ...]
    updates: tuple[TaskUpdate, ...]


class _Stream(NamedTuple):
    agent: str
    epoch: str


def prepare(records: Sequence[Record], tenants: Mapping[str, str], only: Only | None = None) -> Prepared:
    """Decode and join `records`; `tenants`: agent id -> tenant. Nothing an agent sent raises an error.

    `only`: of these records no more than the named event types (the others are stored already).
    """
    arrivals: list[Arrival] = []
    letters: list[DeadLetter] = []
    for record in records:
        tenant = tenants.get(record.agent)
        batch = _decode(record, tenant)
        wanted = (only or {}).get(key_of(record), ())
        if isinstance(batch, str) or tenant is None:
            reason = batch if isinstance(batch, str) else ""
            letters.append(DeadLetter(record, reason, wanted, events=record.count))
            continue
        if wanted:
            batch = msgspec.structs.replace(batch, types={name: batch.types[name] for name in wanted})
        if unknown := batch.types.keys() - KNOWN_TYPES:
            events = sum(batch.types[name].rows for name in unknown)
            letters.append(DeadLetter(record, "unknown event type", tuple(sorted(unknown)), events))
        arrivals.append(
            Arrival(batch=batch, host=record.agent, tenant=tenant, epoch=record.epoch, received=record.received)
        )
    joined = merge(arrivals)
    corrected = correct_times(joined)
    updates = task_updates(joined, arrivals)
    return Prepared(joined, tuple(letters), _counts(joined, arrivals, letters, corrected), updates)


def dead_counts(records: Sequence[Record]) -> tuple[StreamCount, ...]:
    """Give the counts of records of which nothing is stored."""
    events: Counter[_Stream] = Counter()
    for record in records:
        events[_Stream(record.agent, record.epoch)] += record.count
    received = max((record.received for record in records), default=0)
    return tuple(
        StreamCount(agent=s.agent, epoch=s.epoch, dead_letter=count, received=received) for s, count in events.items()
    )


def _decode(record: Record, tenant: str | None) -> RawBatch | str:
    """Give the batch, or why it cannot be stored."""
    if tenant is None:
        return "unknown agent"
    try:
        batch = decode(record.body)
    except WireError as error:
        return f"broken: {error}"
    header = batch.header
    stated = (header.agent, header.epoch, header.first, header.last)
    if stated != (record.agent, record.epoch, record.first, record.last):
        return "the batch's header is not that of its record"
    return batch


def _counts(
    batch: Batch, arrivals: Sequence[Arrival], letters: Sequence[DeadLetter], corrected: Indices
) -> tuple[StreamCount, ...]:
    size = len(arrivals)
    stored = np.bincount(batch.arrival, minlength=size).tolist()
    extras = np.bincount(batch.arrival, weights=batch.extras, minlength=size).astype(int).tolist()
    moved = np.bincount(batch.arrival[corrected], minlength=size).tolist()
    dead: Counter[_Stream] = Counter()
    totals: dict[_Stream, list[int]] = {}
    for number, arrival in enumerate(arrivals):
        total = totals.setdefault(_Stream(arrival.host, arrival.epoch), [0, 0, 0])
        for place, of_arrivals in enumerate((stored, extras, moved)):
            total[place] += of_arrivals[number]
    nothing = [0, 0, 0]
    times = [arrival.received for arrival in arrivals] + [letter.record.received for letter in letters]
    days = _days(batch, [_Stream(arrival.host, arrival.epoch) for arrival in arrivals])
    for letter in letters:
        dead[_Stream(letter.record.agent, letter.record.epoch)] += letter.events
    return tuple(
        StreamCount(
            agent=stream.agent,
            epoch=stream.epoch,
            stored=totals.get(stream, nothing)[0],
            unknown_fields=totals.get(stream, nothing)[1],
            clock_corrected=totals.get(stream, nothing)[2],
            dead_letter=dead[stream],
            received=max(times),
            days=tuple(days.get(stream, ())),
        )
        for stream in dict.fromkeys([*totals, *dead])
    )


def _days(batch: Batch, streams: Sequence[_Stream]) -> dict[_Stream, list[DayCount]]:
    """Count the rows of each stream by the day of the event, with their lowest and highest number."""
    if not batch.rows:
        return {}
    order = {stream: number for number, stream in enumerate(dict.fromkeys(streams))}
    days = batch.numbers["event.time"] // DAY
    first_day = int(days.min())
    width = int(days.max()) - first_day + 1
    of_arrival = np.array([order[stream] for stream in streams], np.int64)
    groups = of_arrival[batch.arrival] * width + (days - first_day)
    by_group = np.argsort(groups, kind="stable")
    starts = np.flatnonzero(np.diff(groups[by_group], prepend=-1))
    numbers = batch.numbers["event.sequence"][by_group]
    lows, highs = np.minimum.reduceat(numbers, starts), np.maximum.reduceat(numbers, starts)
    sizes = np.diff(starts, append=batch.rows)
    found: dict[_Stream, list[DayCount]] = {}
    known = list(order)
    for group, size, low, high in zip(
        groups[by_group][starts].tolist(), sizes.tolist(), lows.tolist(), highs.tolist(), strict=True
    ):
        stream, day = divmod(group, width)
        count = DayCount(day=day_of((first_day + day) * DAY), stored=size, first=low, last=high)
        found.setdefault(known[stream], []).append(count)
    return found
