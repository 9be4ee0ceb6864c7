"""Alerts that may tell the same story as another one, and how they are related to it."""

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.clock import DAY
from vedette.schema.access import Scope
from vedette.schema.alerts import Alert
from vedette.store.state import alerts
from vedette.store.state.rows import any_of, to_struct

NEAR = DAY
"""How far apart alerts of one host, or of one rule, may be."""


class Relation(msgspec.Struct, frozen=True, kw_only=True):
    """Another alert; `by`: event (the same event), chain (of processes), host, or rule (on another host)."""

    by: str
    alert: Alert


RELATED = text(f"""
SELECT CASE
    WHEN a.id IN (SELECT g.alert FROM finding f JOIN finding g ON g.event = f.event WHERE f.alert = :alert) THEN 0
    WHEN a.chain = :chain AND a.chain <> '' AND a.host = :host THEN 1
    WHEN a.host = :host AND a.host <> '' THEN 2
    ELSE 3 END AS place, {alerts.COLUMNS}
WHERE {alerts.SEEN} AND a.id <> :alert AND a.tenant = :tenant AND a.first <= :until AND a.last >= :since
    AND ((a.host = :host AND a.host <> '') OR a.rule = :rule)
ORDER BY place, a.raised DESC, a.id LIMIT :limit
""").bindparams(any_of("tenants"))  # noqa: S608 - columns and conditions are constants of ours

_BY = ("event", "chain", "host", "rule")


def of(db: Connection, alert: Alert, scope: Scope, *, limit: int = 20) -> list[Relation]:
    """Give the alerts nearest to one that the caller may see, the closest relation first."""
    values = alerts.seen_by(scope) | {
        "alert": alert.id, "tenant": alert.tenant, "chain": alert.chain, "host": alert.host, "rule": alert.rule,
        "since": alert.first - NEAR, "until": alert.last + NEAR, "limit": limit,
    }  # fmt: skip
    rows = db.execute(RELATED, values)
    return [Relation(by=_BY[row.place], alert=to_struct(row, Alert, json=alerts.JSON)) for row in rows]
