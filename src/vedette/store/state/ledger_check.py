"""What the store holds against what the ledger says it must hold: the state of the comparison."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, text

from vedette.schema.access import Right, Scope
from vedette.store.state.rows import any_of, to_json, to_structs
from vedette.store.state.scoping import tenants


class Expected(msgspec.Struct, frozen=True, kw_only=True):
    """The events of one stream and day that the store must hold; `updated` in microseconds UTC."""

    agent: str
    epoch: str
    day: str
    tenant: str
    stored: int
    first: int
    last: int
    updated: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was found for one `Expected`.

    `held`: different sequence numbers in the store. `missing`: the ledger has more; `extra`: it has fewer;
    `doubled`: rows whose number is there already. `places`: ranges of missing numbers, as far as was looked.
    """

    held: int
    missing: int = 0
    extra: int = 0
    doubled: int = 0
    places: Sequence[tuple[int, int]] = ()


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """A stream's day on which ledger and store do not agree."""

    host: str
    hostname: str
    epoch: str
    day: str
    stored: int
    held: int
    missing: int
    extra: int
    doubled: int
    places: list[tuple[int, int]]
    checked: int


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the comparison has come: days of streams, and the oldest of the newest looks at each."""

    checked: int
    waiting: int
    removed: int
    oldest: int | None


_LIVE = "NOT EXISTS (SELECT 1 FROM retention_removal r WHERE r.tenant = d.tenant AND r.day = d.day)"

DUE = text(f"""
SELECT agent, epoch, day, tenant, stored, first, last, updated FROM event_day d
WHERE tenant <> '' AND stored > 0 AND {_LIVE}
    AND (checked IS NULL OR checked < :often AND checked < updated OR checked < :seldom)
ORDER BY COALESCE(checked, 0), tenant, day, agent, epoch LIMIT :limit
""")  # noqa: S608 - the text is a constant

NOTE = text("""
UPDATE event_day SET checked = :now, held = :held, missing = :missing, extra = :extra, doubled = :doubled,
    places = :places
WHERE agent = :agent AND epoch = :epoch AND day = :day AND stored = :stored
""")


def due(db: Connection, *, often: int, seldom: int, limit: int) -> list[Expected]:
    """Give what to look at, the longest unseen first: what changed and was seen before `often`, all before `seldom`."""
    return to_structs(db.execute(DUE, {"often": often, "seldom": seldom, "limit": limit}), Expected)


def note(db: Connection, found: Sequence[tuple[Expected, Verdict]], *, now: int) -> None:
    """Keep verdicts; one whose day has grown meanwhile is left out and comes again."""
    if found:
        rows = [
            msgspec.structs.asdict(verdict)
            | {"places": to_json(verdict.places), "now": now, "agent": one.agent, "epoch": one.epoch}
            | {"day": one.day, "stored": one.stored}
            for one, verdict in found
        ]
        db.execute(NOTE, rows)


DIFFERENCES = text(f"""
SELECT d.agent AS host, COALESCE(a.hostname, '') AS hostname, d.epoch, d.day, d.stored, d.held, d.missing, d.extra,
    d.doubled, d.places, d.checked
FROM event_day d LEFT JOIN agent a ON a.id = d.agent
WHERE d.tenant IN :tenants AND d.missing + d.extra + d.doubled > 0 AND {_LIVE}
ORDER BY d.day DESC, d.agent, d.epoch LIMIT :limit
""").bindparams(any_of("tenants"))  # noqa: S608 - the text is a constant

PROGRESS = text(f"""
SELECT COALESCE(SUM(CASE WHEN {_LIVE} AND checked IS NOT NULL THEN 1 ELSE 0 END), 0) AS checked,
    COALESCE(SUM(CASE WHEN {_LIVE} AND checked IS NULL THEN 1 ELSE 0 END), 0) AS waiting,
    COALESCE(SUM(CASE WHEN {_LIVE} THEN 0 ELSE 1 END), 0) AS removed,
    MIN(CASE WHEN {_LIVE} THEN checked END) AS oldest
FROM event_day d WHERE d.tenant IN :tenants AND d.stored > 0
""").bindparams(any_of("tenants"))  # noqa: S608 - the text is a constant


def differences(db: Connection, scope: Scope, *, limit: int) -> list[Difference]:
    """Give where ledger and store do not agree, newest day first."""
    values = {"tenants": tenants(scope, Right.LEDGER_READ), "limit": limit}
    return to_structs(db.execute(DIFFERENCES, values), Difference, json=("places",))


def progress(db: Connection, scope: Scope) -> Progress:
    """Say how far the comparison has come."""
    rows = db.execute(PROGRESS, {"tenants": tenants(scope, Right.LEDGER_READ)})
    return to_structs(rows, Progress)[0]
