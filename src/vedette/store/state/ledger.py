"""The ledger: for each stream of events what was sent, received, stored, and where the rest went.

Ingest writes absolute values (`record_streams`), the pipeline adds what a segment gave (`settle_segment`,
once a segment whatever happens). The two write different columns of the same row.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Connection, Text, bindparam, text

from vedette.schema.access import Right, Scope
from vedette.store.retention import day_of
from vedette.store.state import ledger_days, nodes
from vedette.store.state.ledger_days import COUNTERS, DayCount, Sums
from vedette.store.state.rows import any_of, to_json, to_structs
from vedette.store.state.scoping import tenants

Ranges = list[tuple[int, int]]
"""Sequence numbers, both ends included, ascending, not touching."""


class StreamReceived(msgspec.Struct, frozen=True, kw_only=True):
    """What ingest durably has of one stream; every value counts from the stream's beginning.

    What comes from the agent's batch headers is None when ingest has seen none since it started: then the
    value that is kept stays.

    `sent_last`: highest sequence number the agent has reported. `duplicates`: events dropped because ingest
    had them. `refused`: events in batches that were refused. `drops`, `throttled`: event type -> events lost
    in the agent (before they had a number), by that type. `expired`: events that left the agent's buffer by
    age or size; `aged` and `overflowed`: the same apart, by type.
    """

    agent: str
    epoch: str
    ranges: Sequence[tuple[int, int]]
    duplicates: int = 0
    refused: int = 0
    sent_last: int | None = None
    drops: dict[str, int] | None = None
    throttled: dict[str, int] | None = None
    expired: int | None = None
    aged: dict[str, int] | None = None
    overflowed: dict[str, int] | None = None
    spool_events: int | None = None
    spool_oldest: int | None = None


class StreamCount(msgspec.Struct, frozen=True, kw_only=True):
    """What one segment gave of one stream: events stored, kept whole as dead letters, fields set aside."""

    agent: str
    epoch: str
    stored: int = 0
    dead_letter: int = 0
    unknown_fields: int = 0
    clock_corrected: int = 0
    received: int = 0
    """When (one of) its batches came, microseconds UTC."""
    days: tuple[DayCount, ...] = ()
    """The stored ones by the day of the event."""


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One stream's line in the ledger, with what is known of its host."""

    hostname: str
    last_seen: int | None

    agent: str
    epoch: str
    tenant: str
    first_seen: int
    updated: int
    ranges: Ranges
    received: int
    sent_last: int
    duplicates: int
    refused: int
    drops: dict[str, int]
    throttled: dict[str, int]
    expired: int
    aged: dict[str, int]
    overflowed: dict[str, int]
    spool_events: int
    spool_oldest: int | None
    stored: int
    dead_letter: int
    unknown_fields: int
    clock_corrected: int
    removed: int
    """Stored and then removed by retention."""


RECORD = text("""
INSERT INTO stream (agent, epoch, tenant, first_seen, updated, ranges, received, duplicates, refused,
    sent_last, drops, throttled, expired, aged, overflowed, spool_events, spool_oldest)
VALUES (:agent, :epoch, COALESCE((SELECT tenant FROM agent WHERE id = :agent), ''), :now, :now, :ranges,
    :received, :duplicates, :refused, COALESCE(:sent_last, 0), COALESCE(:drops, '{}'),
    COALESCE(:throttled, '{}'), COALESCE(:expired, 0), COALESCE(:aged, '{}'),
    COALESCE(:overflowed, '{}'), COALESCE(:spool_events, 0), :spool_oldest)
ON CONFLICT (agent, epoch) DO UPDATE SET
    first_seen = CASE WHEN stream.first_seen = 0 THEN excluded.first_seen ELSE stream.first_seen END,
    updated = excluded.updated, ranges = excluded.ranges, received = excluded.received,
    duplicates = excluded.duplicates, refused = excluded.refused,
    sent_last = COALESCE(:sent_last, stream.sent_last), drops = COALESCE(:drops, stream.drops),
    throttled = COALESCE(:throttled, stream.throttled), expired = COALESCE(:expired, stream.expired),
    aged = COALESCE(:aged, stream.aged), overflowed = COALESCE(:overflowed, stream.overflowed),
    spool_events = COALESCE(:spool_events, stream.spool_events),
    spool_oldest = CASE WHEN :spool_events IS NULL THEN stream.spool_oldest ELSE excluded.spool_oldest END
""").bindparams(
    bindparam("sent_last", type_=BigInteger),
    bindparam("drops", type_=Text),
    bindparam("throttled", type_=Text),
    bindparam("expired", type_=BigInteger),
    bindparam("aged", type_=Text),
    bindparam("overflowed", type_=Text),
    bindparam("spool_events", type_=BigInteger),
    bindparam("spool_oldest", type_=BigInteger),
)


def record_streams(db: Connection, streams: Sequence[StreamReceived], *, now: int, node: int = 0) -> None:
    """Write what ingest has of each stream. Values are absolute: writing them again changes nothing.

    `node`: the number of the ingest node that has it, when there are several; 0 = there is one.
    """
    if not streams:
        return
    wholes = nodes.put_together(db, node, [_share(stream) for stream in streams]) if node else {}
    before = _sums(db, streams)
    if node:
        streams = [
            _of_all_nodes(stream, wholes[key], old) for stream in streams for key, old in [_known(stream, before)]
        ]
    changes = {key: (old, _told(stream, old)) for stream in streams for key, old in [_known(stream, before)]}
    ledger_days.add_arrived(db, day_of(now), changes)
    db.execute(
        RECORD,
        [
            msgspec.structs.asdict(stream)
            | {
                "now": now,
                "ranges": to_json(stream.ranges),
                "received": sum(last - first + 1 for first, last in stream.ranges),
            }
            | {name: None if (counts := getattr(stream, name)) is None else to_json(counts) for name in COUNTERS}
            for stream in streams
        ],
    )


def _share(stream: StreamReceived) -> nodes.Share:
    return nodes.Share(
        agent=stream.agent,
        epoch=stream.epoch,
        ranges=stream.ranges,
        duplicates=stream.duplicates,
        refused=stream.refused,
    )


def _of_all_nodes(stream: StreamReceived, whole: nodes.Whole, before: Sums) -> StreamReceived:
    """Put what all nodes have in place of one's. What an agent counts only grows: a node may have it from earlier."""
    return msgspec.structs.replace(
        stream,
        ranges=whole.ranges,
        duplicates=whole.duplicates,
        refused=whole.refused,
        sent_last=None if stream.sent_last is None else max(stream.sent_last, before.sent),
        expired=None if stream.expired is None else max(stream.expired, before.expired),
        **{
            name: None if (told := getattr(stream, name)) is None else _highest(told, getattr(before, name))
            for name in COUNTERS
        },
    )


def _highest(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {name: max(one.get(name, 0), other.get(name, 0)) for name in one | other}


BEFORE = text("""
SELECT agent, epoch, received, duplicates, refused, sent_last, ranges, expired, drops, throttled, aged, overflowed
FROM stream
WHERE agent IN :agents AND epoch IN :epochs
""").bindparams(any_of("agents"), any_of("epochs"))


def _sums(db: Connection, streams: Sequence[StreamReceived]) -> dict[ledger_days.Key, Sums]:
    """What the ledger has of these streams so far."""
    values = {"agents": [stream.agent for stream in streams], "epochs": [stream.epoch for stream in streams]}
    return {
        (row.agent, row.epoch): Sums(
            sent=max(row.sent_last, _last(msgspec.json.decode(row.ranges, type=Ranges))),
            received=row.received,
            duplicates=row.duplicates,
            refused=row.refused,
            expired=row.expired,
            **{name: msgspec.json.decode(getattr(row, name)) for name in COUNTERS},
        )
        for row in db.execute(BEFORE, values)
    }


def _known(stream: StreamReceived, before: dict[ledger_days.Key, Sums]) -> tuple[ledger_days.Key, Sums]:
    key = stream.agent, stream.epoch
    return key, before.get(key, Sums())


def _told(stream: StreamReceived, before: Sums) -> Sums:
    """What ingest tells now; where it knows nothing, what it told before."""
    return Sums(
        sent=max(before.sent if stream.sent_last is None else stream.sent_last, _last(stream.ranges)),
        received=sum(last - first + 1 for first, last in stream.ranges),
        duplicates=stream.duplicates,
        refused=stream.refused,
        expired=before.expired if stream.expired is None else stream.expired,
        **{name: getattr(before, name) if (told := getattr(stream, name)) is None else told for name in COUNTERS},
    )


def _last(ranges: Sequence[tuple[int, int]]) -> int:
    return ranges[-1][1] if ranges else 0


SETTLE = text("""
INSERT INTO segment (number, settled, stored, dead_letter) VALUES (:number, :now, :stored, :dead_letter)
ON CONFLICT (number) DO NOTHING
""")

ADD = text("""
INSERT INTO stream (agent, epoch, tenant, stored, dead_letter, unknown_fields, clock_corrected)
VALUES (:agent, :epoch, COALESCE((SELECT tenant FROM agent WHERE id = :agent), ''), :stored, :dead_letter,
    :unknown_fields, :clock_corrected)
ON CONFLICT (agent, epoch) DO UPDATE SET
    stored = stream.stored + excluded.stored,
    dead_letter = stream.dead_letter + excluded.dead_letter,
    unknown_fields = stream.unknown_fields + excluded.unknown_fields,
    clock_corrected = stream.clock_corrected + excluded.clock_corrected
""")


def settle_segment(db: Connection, number: int, per_stream: Sequence[StreamCount], *, now: int = 0) -> bool:
    """Add what segment `number` gave, once: False when it was settled before, and then nothing changes.

    The caller may write more in the same transaction (findings) and removes the segment after the commit.
    """
    counts = {
        "stored": sum(count.stored for count in per_stream),
        "dead_letter": sum(count.dead_letter for count in per_stream),
    }
    if db.execute(SETTLE, {"number": number, "now": now, **counts}).rowcount != 1:
        return False
    if per_stream:
        db.execute(ADD, [{name: getattr(count, name) for name in _ADDED} for count in per_stream])
        ledger_days.add_given(db, [_given(count) for count in per_stream if count.received])
        ledger_days.add_held(db, [_held(count, day, now) for count in per_stream for day in count.days])
    return True


_ADDED = ("agent", "epoch", "stored", "dead_letter", "unknown_fields", "clock_corrected")


def _given(count: StreamCount) -> dict[str, Any]:
    values = {name: getattr(count, name) for name in ("agent", "epoch", "stored", "dead_letter")}
    return values | {"day": day_of(count.received)}


def _held(count: StreamCount, day: DayCount, now: int) -> dict[str, Any]:
    return msgspec.structs.asdict(day) | {"agent": count.agent, "epoch": count.epoch, "now": now}


SETTLED = text("SELECT number FROM segment WHERE number IN :numbers").bindparams(any_of("numbers"))

FORGET = text("DELETE FROM segment WHERE number >= 0 AND number < :below")


def settled(db: Connection, numbers: Iterable[int]) -> set[int]:
    """Say which of these segments are settled."""
    return {row.number for row in db.execute(SETTLED, {"numbers": sorted(numbers)})}


def forget_segments(db: Connection, below: int) -> int:
    """Forget settled segments under `below`, which must be no more than the lowest number still on disk.

    Numbers are never used again, so a segment that is gone cannot come back; gives how many were forgotten.
    """
    return db.execute(FORGET, {"below": below}).rowcount


FORGET_OLD = text("DELETE FROM segment WHERE number >= 0 AND settled < :before")


def forget_old_segments(db: Connection, before: int) -> int:
    """Forget what was settled before a time, where segments come by a bus; gives how many were forgotten.

    One that comes again even later is stored no second time: all its batches are claimed (`claims`).
    """
    return db.execute(FORGET_OLD, {"before": before}).rowcount


class Redrive(msgspec.Struct, frozen=True, kw_only=True):
    """Dead letters that were processed again: when that was done, and how many events were stored by it."""

    number: int
    done: int
    stored: int


REDRIVES = text("""
SELECT -number AS number, settled AS done, stored FROM segment WHERE number < 0 ORDER BY number LIMIT :limit
""")


def redrives(db: Connection, scope: Scope, *, limit: int) -> list[Redrive]:
    """Give the redrives that are done, newest first. Needs the right to read the ledger."""
    tenants(scope, Right.LEDGER_READ)
    return to_structs(db.execute(REDRIVES, {"limit": limit}), Redrive)


RANGES = text("SELECT ranges FROM stream WHERE agent = :agent AND epoch = :epoch")


def ranges_of(db: Connection, agent: str, epoch: str) -> Ranges:
    """Give what was received of one stream."""
    found = db.execute(RANGES, {"agent": agent, "epoch": epoch}).scalar_one_or_none()
    return [] if found is None else msgspec.json.decode(found, type=Ranges)


OF_AGENTS = text("""
SELECT s.*, COALESCE(a.hostname, '') AS hostname, a.last_seen, COALESCE((
    SELECT CAST(SUM(d.removed) AS BIGINT) FROM event_day d WHERE d.agent = s.agent AND d.epoch = s.epoch), 0) AS removed
FROM stream s LEFT JOIN agent a ON a.id = s.agent
WHERE s.tenant IN :tenants AND s.agent IN :agents
ORDER BY hostname, s.agent, s.first_seen, s.epoch
""").bindparams(any_of("tenants"), any_of("agents"))

AGENTS = text("""
SELECT s.agent FROM (SELECT DISTINCT agent FROM stream WHERE tenant IN :tenants) s
LEFT JOIN agent a ON a.id = s.agent
WHERE (:host = '' OR s.agent = :host OR a.hostname = :host)
    AND (COALESCE(a.hostname, ''), s.agent) > (:hostname, :agent)
ORDER BY COALESCE(a.hostname, ''), s.agent LIMIT :limit
""").bindparams(any_of("tenants"))


def agents_of(
    db: Connection, scope: Scope, *, host: str = "", after: tuple[str, str] = ("", ""), limit: int
) -> list[str]:
    """Give the agents that have sent anything, by host name, after (host name, id); `host`: of one id or name."""
    values = {"tenants": tenants(scope, Right.LEDGER_READ), "host": host, "hostname": after[0], "agent": after[1]}
    return [row.agent for row in db.execute(AGENTS, values | {"limit": limit})]


def streams(db: Connection, scope: Scope, agents: Sequence[str]) -> list[Stream]:
    """Give the lines of these agents that the caller may see; by host name, oldest stream first."""
    rows = db.execute(OF_AGENTS, {"tenants": tenants(scope, Right.LEDGER_READ), "agents": list(agents)})
    return to_structs(rows, Stream, json=("ranges", *COUNTERS))
