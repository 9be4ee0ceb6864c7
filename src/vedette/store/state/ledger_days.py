"""The ledger by day, twice: what arrived on a day, and the events of a day that the store must hold.

`stream_day` counts by day of receipt: differences of the absolute values that ingest tells, and what segments gave.
`event_day` counts by day of the event, as partitions are, so that the store's content can be compared with it.
Days are UTC, as 2026-11-24.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, text

from vedette.schema.access import Right, Scope
from vedette.store.state.rows import any_of, to_json, to_structs
from vedette.store.state.scoping import tenants

COUNTERS = ("drops", "throttled", "aged", "overflowed")
"""Columns of the ledger that count by event type."""


class DayCount(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one stream and one day that a segment stored, and their lowest and highest number."""

    day: str
    stored: int
    first: int
    last: int


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one stream on one day: `sent_from` < the numbers that its agent gave <= `sent_to`."""

    agent: str
    epoch: str
    day: str
    sent_from: int
    sent_to: int
    received: int
    duplicates: int
    refused: int
    expired: int
    stored: int
    dead_letter: int
    drops: dict[str, int]
    throttled: dict[str, int]
    aged: dict[str, int]
    overflowed: dict[str, int]


class Sums(msgspec.Struct, frozen=True, kw_only=True):
    """Absolute values of a stream as ingest tells them."""

    sent: int = 0
    received: int = 0
    duplicates: int = 0
    refused: int = 0
    expired: int = 0
    drops: dict[str, int] = {}
    throttled: dict[str, int] = {}
    aged: dict[str, int] = {}
    overflowed: dict[str, int] = {}


ARRIVED = text("""
INSERT INTO stream_day (agent, epoch, day, tenant, sent_from, sent_to, received, duplicates, refused, expired,
    drops, throttled, aged, overflowed)
VALUES (:agent, :epoch, :day, COALESCE((SELECT tenant FROM agent WHERE id = :agent), ''), :sent_from, :sent_to,
    :received, :duplicates, :refused, :expired, :drops, :throttled, :aged, :overflowed)
ON CONFLICT (agent, epoch, day) DO UPDATE SET
    sent_from = CASE WHEN stream_day.sent_to = 0 THEN excluded.sent_from ELSE stream_day.sent_from END,
    sent_to = CASE WHEN excluded.sent_to > stream_day.sent_to THEN excluded.sent_to ELSE stream_day.sent_to END,
    received = stream_day.received + excluded.received,
    duplicates = stream_day.duplicates + excluded.duplicates,
    refused = stream_day.refused + excluded.refused,
    expired = stream_day.expired + excluded.expired,
    drops = excluded.drops, throttled = excluded.throttled,
    aged = excluded.aged, overflowed = excluded.overflowed
""")

COUNTED = text("""
SELECT agent, epoch, drops, throttled, aged, overflowed FROM stream_day
WHERE day = :day AND agent IN :agents AND epoch IN :epochs
""").bindparams(any_of("agents"), any_of("epochs"))

Key = tuple[str, str]


def add_arrived(db: Connection, day: str, changes: Mapping[Key, tuple[Sums, Sums]]) -> None:
    """Add to `day` by how much each stream's values grew, from the first to the second. Only ingest calls this."""
    grown = {key: pair for key, pair in changes.items() if pair[0] != pair[1]}
    if not grown:
        return
    counted = _counted(db, day, grown)
    db.execute(ARRIVED, [_growth(key, day, *pair, counted.get(key, {})) for key, pair in grown.items()])


def _counted(db: Connection, day: str, grown: Mapping[Key, tuple[Sums, Sums]]) -> dict[Key, dict[str, dict[str, int]]]:
    """Counters by type, which the database cannot add up, as the day has them."""
    keys = [key for key, (_, new) in grown.items() if any(getattr(new, name) for name in COUNTERS)]
    if not keys:
        return {}
    values = {"day": day, "agents": [agent for agent, _ in keys], "epochs": [epoch for _, epoch in keys]}
    return {
        (row.agent, row.epoch): {name: msgspec.json.decode(getattr(row, name)) for name in COUNTERS}
        for row in db.execute(COUNTED, values)
    }


def _growth(key: Key, day: str, old: Sums, new: Sums, counted: Mapping[str, dict[str, int]]) -> dict[str, Any]:
    sums = {name: max(0, getattr(new, name) - getattr(old, name)) for name in _ADDED}
    by_type = {
        name: to_json(_grown(counted.get(name, {}), getattr(old, name), getattr(new, name))) for name in COUNTERS
    }
    whose = {"agent": key[0], "epoch": key[1], "day": day}
    return whose | sums | by_type | {"sent_from": old.sent, "sent_to": max(old.sent, new.sent)}


_ADDED = ("received", "duplicates", "refused", "expired")


def _grown(counted: dict[str, int], old: Mapping[str, int], new: Mapping[str, int]) -> dict[str, int]:
    more = {name: count - old.get(name, 0) for name, count in new.items() if count > old.get(name, 0)}
    return {name: counted.get(name, 0) + more.get(name, 0) for name in {*counted, *more}}


GAVE = text("""
INSERT INTO stream_day (agent, epoch, day, tenant, stored, dead_letter)
VALUES (:agent, :epoch, :day, COALESCE((SELECT tenant FROM agent WHERE id = :agent), ''), :stored, :dead_letter)
ON CONFLICT (agent, epoch, day) DO UPDATE SET
    stored = stream_day.stored + excluded.stored, dead_letter = stream_day.dead_letter + excluded.dead_letter
""")

HOLDS = text("""
INSERT INTO event_day (agent, epoch, day, tenant, stored, first, last, updated)
VALUES (:agent, :epoch, :day, COALESCE((SELECT tenant FROM agent WHERE id = :agent), ''), :stored, :first, :last, :now)
ON CONFLICT (agent, epoch, day) DO UPDATE SET
    stored = event_day.stored + excluded.stored,
    first = CASE WHEN excluded.first < event_day.first THEN excluded.first ELSE event_day.first END,
    last = CASE WHEN excluded.last > event_day.last THEN excluded.last ELSE event_day.last END,
    updated = excluded.updated
""")


def add_given(db: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add what a segment gave to the days of receipt: rows of agent, epoch, day, stored, dead_letter."""
    if rows:
        db.execute(GAVE, list(rows))


def add_held(db: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add what a segment stored to the days of its events: rows of agent, epoch, the names of DayCount, now."""
    if rows:
        db.execute(HOLDS, list(rows))


PAGE = text("""
SELECT * FROM stream_day WHERE tenant IN :tenants AND agent = :agent AND (day, epoch) < (:day, :epoch)
ORDER BY day DESC, epoch DESC LIMIT :limit
""").bindparams(any_of("tenants"))


def arrived(db: Connection, scope: Scope, agent: str, *, before: tuple[str, str], limit: int) -> list[Arrived]:
    """Give the days of a host's streams that come before (day, epoch), newest first."""
    values = {"tenants": tenants(scope, Right.LEDGER_READ), "agent": agent, "limit": limit}
    rows = db.execute(PAGE, values | {"day": before[0], "epoch": before[1]})
    return to_structs(rows, Arrived, json=COUNTERS)


REMOVED = text("UPDATE event_day SET removed = stored WHERE tenant = :tenant AND day = :day")


def note_removed(db: Connection, tenant: str, day: str) -> None:
    """Note that retention removed a day: its events are not missed any more."""
    db.execute(REMOVED, {"tenant": tenant, "day": day})
