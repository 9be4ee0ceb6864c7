"""The ledger: for each host what its agent sent, what arrived, what is stored, and where the rest went."""

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby

import msgspec

from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork
from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right
from vedette.store.state import ledger, refusals
from vedette.store.state.ledger import Stream
from vedette.store.state.refusals import Refusal

routes = Routes("ledger")

_MOST_GAPS = 100
_ADDED = (
    "sent", "received", "stored", "dead_lettered", "in_flight", "missing", "duplicates", "refused", "expired",
    "unknown_fields", "clock_corrected", "gaps_total",
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
    in the agent before they had a number, by type; `throttled`: held back by the agent on purpose. `gaps`: where
    the missing numbers are, oldest first, at most 100 of `gaps_total`; for all streams together only their number.
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
    """The ledger of all hosts, and what ingest refused by reason."""

    hosts: list[HostLedger]
    refusals: list[Refusal]


@routes.get("/ledger", needs=Right.LEDGER_READ, answers=LedgerReport)
def ledger_of_all(work: InWork) -> LedgerReport:
    """Give the ledger of every host that has sent anything, by host name."""
    with work.read() as db:
        lines = ledger.streams(db, work.scope)
        refused = refusals.totals(db, work.scope)
    by_host = groupby(lines, key=lambda line: line.agent)
    return LedgerReport(hosts=[of_host(list(streams)) for _, streams in by_host], refusals=refused)


@routes.get("/ledger/{host}", needs=Right.LEDGER_READ, answers=HostLedger)
def ledger_of_host(work: InWork, host: str) -> HostLedger:
    """Give the ledger of one host."""
    with work.read() as db:
        lines = ledger.streams(db, work.scope, agent=host)
    if not lines:
        raise NotFoundError(f"there is no host {host}, or it has sent nothing yet")
    return of_host(lines)


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
