"""The ledger: for each host what its agent sent, what arrived, what is stored, and where the rest went."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Annotated

import msgspec
from fastapi import Query

from vedette.central.api.bodies import Page, from_cursor, to_cursor
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork
from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right
from vedette.store.state import ledger, ledger_check, ledger_days, refusals
from vedette.store.state.ledger import Stream
from vedette.store.state.ledger_check import Difference
from vedette.store.state.ledger_days import Arrived
from vedette.store.state.refusals import Refusal

routes = Routes("ledger")

_MOST_GAPS = 100
_MOST_DIFFERENCES = 1_000
_ADDED = (
    "sent", "received", "stored", "dead_lettered", "in_flight", "missing", "duplicates", "refused", "expired",
    "unknown_fields", "clock_corrected", "removed", "gaps_total",
)  # fmt: skip


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """Sequence numbers that the agent has given and the Central Node has not received; both ends included."""

    first: int
    last: int


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """One stream, or all streams of a host together. Counts of events, times in microseconds UTC.

    `sent` = `received` + `missing`; `received` = `stored` + `dead_lettered` + `in_flight`. `missing` are
    numbers that the agent has given and the Central Node does not have: still in the agent's buffer
    (`spooled`), or gone from it (`expired`: by type `aged`, too old, and `overflowed`, no room). `lost`: dropped
    in the agent before they had a number, by type; `throttled`: left out by the agent because of its budget, by
    `type/policy`, for example `file_change/budget.cpu`. All that happened is `sent` + `lost` + `throttled`. `removed`:
    stored, and gone since by retention. `gaps`: where the missing numbers are, oldest first, at most 100 of
    `gaps_total`; for all streams together only their number.
    """

    epoch: str
    first_seen: int
    updated: int
    sent: int
    received: int
    stored: int
    dead_lettered: int
    in_flight: int
    missing: int
    duplicates: int
    refused: int
    expired: int
    aged: dict[str, int]
    overflowed: dict[str, int]
    spooled: int
    spool_oldest: int | None
    throttled: dict[str, int]
    lost: dict[str, int]
    unknown_fields: int
    clock_corrected: int
    removed: int
    gaps_total: int
    gaps: list[Gap]


class HostLedger(msgspec.Struct, frozen=True, kw_only=True):
    """One host's ledger: all its streams together, and each. A stream is one buffer file of the agent."""

    host: str
    hostname: str
    tenant: str
    last_seen: int | None
    balance: Balance
    streams: list[Balance]


class LedgerReport(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger of hosts, and what ingest refused by reason. `cursor` asks for more hosts; null = no more."""

    hosts: list[HostLedger]
    refusals: list[Refusal]
    cursor: str | None = None


class LedgerDay(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one stream's events on one day (UTC, by receipt; 2026-11-24).

    `sent`: numbers that the agent gave on that day; `missing`: those of them that have not arrived to this
    moment, and `gaps` where they are, at most 100. `received`, `stored`, `dead_lettered` and the others count what
    happened on that day, whenever the events were numbered.
    """

    epoch: str
    day: str
    sent: int
    received: int
    stored: int
    dead_lettered: int
    missing: int
    duplicates: int
    refused: int
    expired: int
    aged: dict[str, int]
    overflowed: dict[str, int]
    throttled: dict[str, int]
    lost: dict[str, int]
    gaps: list[Gap]


class LedgerCheck(msgspec.Struct, frozen=True, kw_only=True):
    """The ledger against what the store holds, by stream and day of the events; the upkeep goes on with it.

    `checked` and `waiting`: days of streams that were and were not looked at; `removed`: those that retention
    took. `oldest`: the oldest of the looks. `differences`: at most 1,000, newest day first.
    """

    checked: int
    waiting: int
    removed: int
    oldest: int | None
    differences: list[Difference]


@routes.get("/ledger", needs=Right.LEDGER_READ, answers=LedgerReport)
def ledger_of_all(
    work: InWork,
    host: Annotated[str, Query(max_length=255)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 1000,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> LedgerReport:
    """Give the ledger of every host that has sent anything, by host name; `host`: of this id or name only."""
    place = from_cursor(cursor, str, str) if cursor else ("", "")
    with work.read() as db:
        agents = ledger.agents_of(db, work.scope, host=host, after=(place[0], place[1]), limit=limit + 1)
        lines = ledger.streams(db, work.scope, agents[:limit])
        refused = refusals.totals(db, work.scope)
    by_host = groupby(lines, key=lambda line: line.agent)
    found = [of_host(list(streams)) for _, streams in by_host]
    more = to_cursor(found[-1].hostname, found[-1].host) if len(agents) > limit else None
    return LedgerReport(hosts=found, refusals=refused, cursor=more)


@routes.get("/ledger/check", needs=Right.LEDGER_READ, answers=LedgerCheck)
def checked_ledger(work: InWork) -> LedgerCheck:
    """Tell where the ledger and the store do not agree, and how far they were compared."""
    with work.read() as db:
        progress = ledger_check.progress(db, work.scope)
        found = ledger_check.differences(db, work.scope, limit=_MOST_DIFFERENCES)
    return LedgerCheck(differences=found, **msgspec.structs.asdict(progress))


@routes.get("/ledger/{host}", needs=Right.LEDGER_READ, answers=HostLedger)
def ledger_of_host(work: InWork, host: str) -> HostLedger:
    """Give the ledger of one host."""
    with work.read() as db:
        lines = ledger.streams(db, work.scope, [host])
    if not lines:
        raise NotFoundError(f"there is no host {host}, or it has sent nothing yet")
    return of_host(lines)


@routes.get("/ledger/{host}/days", needs=Right.LEDGER_READ, answers=Page[LedgerDay])
def ledger_days_of_host(
    work: InWork,
    host: str,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[LedgerDay]:
    """Give one host's ledger day by day, newest first."""
    before = from_cursor(cursor, str, str) if cursor else ("9", "")
    with work.read() as db:
        found = ledger_days.arrived(db, work.scope, host, before=(before[0], before[1]), limit=limit + 1)
        streams = {line.epoch: line for line in ledger.streams(db, work.scope, [host])}
    more = to_cursor(found[limit - 1].day, found[limit - 1].epoch) if len(found) > limit else None
    return Page(items=[_day(one, streams.get(one.epoch)) for one in found[:limit]], cursor=more)


def _day(one: Arrived, stream: Stream | None) -> LedgerDay:
    gaps = [] if stream is None else _cut(gaps_of(stream), one.sent_from + 1, one.sent_to)
    same = {name: getattr(one, name) for name in ("epoch", "day", "received", "stored", "duplicates", "refused")}
    return LedgerDay(
        **same,
        sent=one.sent_to - one.sent_from,
        dead_lettered=one.dead_letter,
        missing=sum(gap.last - gap.first + 1 for gap in gaps),
        expired=one.expired,
        aged=one.aged,
        overflowed=one.overflowed,
        throttled=one.throttled,
        lost=one.drops,
        gaps=gaps[:_MOST_GAPS],
    )


def _cut(gaps: Sequence[Gap], first: int, last: int) -> list[Gap]:
    cut = (Gap(first=max(gap.first, first), last=min(gap.last, last)) for gap in gaps)
    return [gap for gap in cut if gap.first <= gap.last]


def of_host(streams: Sequence[Stream]) -> HostLedger:
    """Draw up the ledger of one host from its streams; there is at least one."""
    balances = [balance(stream) for stream in streams]
    newest = streams[-1]
    return HostLedger(
        host=newest.agent,
        hostname=newest.hostname,
        tenant=newest.tenant,
        last_seen=newest.last_seen,
        balance=total(balances),
        streams=balances,
    )


def balance(stream: Stream) -> Balance:
    """Draw up one stream. The agent's word may lag behind what has arrived: then that counts as sent."""
    gaps = gaps_of(stream)
    sent = max(stream.sent_last, stream.ranges[-1][1] if stream.ranges else 0)
    return Balance(
        epoch=stream.epoch,
        first_seen=stream.first_seen,
        updated=stream.updated,
        sent=sent,
        received=stream.received,
        stored=stream.stored,
        dead_lettered=stream.dead_letter,
        in_flight=max(0, stream.received - stream.stored - stream.dead_letter),
        missing=sent - stream.received,
        duplicates=stream.duplicates,
        refused=stream.refused,
        expired=stream.expired,
        aged=stream.aged,
        overflowed=stream.overflowed,
        spooled=stream.spool_events,
        spool_oldest=stream.spool_oldest,
        throttled=stream.throttled,
        lost=stream.drops,
        unknown_fields=stream.unknown_fields,
        clock_corrected=stream.clock_corrected,
        removed=stream.removed,
        gaps_total=len(gaps),
        gaps=gaps[:_MOST_GAPS],
    )


def total(balances: Sequence[Balance]) -> Balance:
    """Add up the streams of a host; the depth of the buffer is that of the newest."""
    newest = balances[-1]
    sums = {name: sum(getattr(one, name) for one in balances) for name in _ADDED}
    return msgspec.structs.replace(
        newest,
        epoch="",
        gaps=[],
        first_seen=min(one.first_seen for one in balances),
        updated=max(one.updated for one in balances),
        aged=_add_up(one.aged for one in balances),
        overflowed=_add_up(one.overflowed for one in balances),
        throttled=_add_up(one.throttled for one in balances),
        lost=_add_up(one.lost for one in balances),
        **sums,
    )


def gaps_of(stream: Stream) -> list[Gap]:
    """Give the numbers from 1 to the last one sent that were not received."""
    gaps, following = [], 1
    for first, last in stream.ranges:
        if first > following:
            gaps.append(Gap(first=following, last=first - 1))
        following = last + 1
    if stream.sent_last >= following:
        gaps.append(Gap(first=following, last=stream.sent_last))
    return gaps


def _add_up(counts: Iterable[dict[str, int]]) -> dict[str, int]:
    added: Counter[str] = Counter()
    for one in counts:
        added.update(one)
    return dict(added)
