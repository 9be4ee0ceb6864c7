"""Alerts: raised once while open, moved by people (or by Vedette itself) with a note each time."""

import secrets
from typing import NamedTuple

import msgspec
from sqlalchemy import Connection, text

from vedette.query.glob import escape
from vedette.runtime.clock import DAY
from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import Right, Scope
from vedette.schema.alerts import Alert, AlertStatus, AlertStep, NewAlert, Resolution, Technology
from vedette.store.state.rows import any_of, keepable, to_json, to_struct, to_structs
from vedette.store.state.scoping import tenants

OPEN = (AlertStatus.NEW, AlertStatus.IN_PROGRESS)
NEWEST = (2**62, "")
"""Before the first alert of a list."""
JOINED = DAY
"""An open alert that was raised longer ago is not joined any more: the same found again is news."""

RAISE = text("""
INSERT INTO alert (id, tenant, technology, rule, title, severity, status, host, chain, why, first, last, count,
    raised, changed)
VALUES (:id, :tenant, :technology, :rule, :title, :severity, 'new', :host, :chain, :why, :first, :last, :count,
    :now, :now)
ON CONFLICT (tenant, technology, rule, host, chain, slot) WHERE status <> 'closed' DO UPDATE SET
    first = CASE WHEN excluded.first < alert.first THEN excluded.first ELSE alert.first END,
    last = CASE WHEN excluded.last > alert.last THEN excluded.last ELSE alert.last END,
    count = alert.count + excluded.count, changed = excluded.changed
RETURNING id
""")

AGE = text("""
UPDATE alert SET slot = raised
WHERE tenant = :tenant AND technology = :technology AND rule = :rule AND host = :host AND chain = :chain
    AND slot = 0 AND status <> 'closed' AND raised < :since
""")

ADD_STEP = text("""
INSERT INTO alert_step (alert, number, time, actor, status, note)
VALUES (:alert, (SELECT COALESCE(max(number), 0) + 1 FROM alert_step WHERE alert = :alert), :now, :actor, :status,
    :note)
""")


def raise_alert(db: Connection, found: NewAlert, *, now: int) -> str:
    """Make an alert, or join the open one of the same tenant, technology, rule, host and chain; gives its id.

    An alert about the deployment is joined as long as it is open, any other for `JOINED`.
    """
    drawn = secrets.token_hex(16)
    values = {
        "id": drawn,
        "tenant": found.tenant,
        "technology": found.technology.value,
        "rule": found.rule,
        "title": keepable(found.title),
        "severity": found.severity.value,
        "host": found.host,
        "chain": found.chain,
        "why": keepable(to_json(found.why)),
        "first": found.first,
        "last": found.last,
        "count": found.count,
        "now": now,
    }
    if found.technology is not Technology.HEALTH:
        db.execute(AGE, values | {"since": now - JOINED})
    kept: str = db.execute(RAISE, values).scalar_one()
    if kept == drawn:
        _step(db, kept, Move(AlertStatus.NEW, "", ""), now=now)
    return kept


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which alerts; what is empty does not matter."""

    statuses: tuple[AlertStatus, ...] = tuple(AlertStatus)
    host: str = ""
    rule: str = ""
    technology: str = ""
    severity: str = ""
    assignee: str = ""
    technique: str = ""
    """Id of an ATT&CK technique; T1059 has its sub-techniques with it."""
    since: int = 0
    """Raised at this moment or later."""

    def bound(self, scope: Scope, right: Right = Right.ALERTS_READ) -> dict[str, object]:
        """Give the values for the conditions of `WHERE`. Raises AccessDenied."""
        return msgspec.structs.asdict(self) | {
            "statuses": [status.value for status in self.statuses],
            "tenants": tenants(scope, right),
            "vip": int(scope.allows(Right.ALERTS_VIP_READ)),
            "technique": f'%"{escape(self.technique)}"%' if self.technique else "",
            "below": f'%"{escape(self.technique)}.%',
        }


COLUMNS = """
a.id, a.tenant, a.technology, a.rule, a.title, a.severity, a.status, a.host, COALESCE(h.hostname, '') AS hostname,
a.chain, a.why, a.first, a.last, a.count, a.raised, a.changed, a.assignee, a.resolution,
CASE WHEN a.vip = 1 THEN 'true' ELSE 'false' END AS vip, a.tactics,
a.techniques, a.users, a.advice
FROM alert a LEFT JOIN agent h ON h.id = a.host
"""

SEEN = "a.tenant IN :tenants AND (a.vip = 0 OR :vip = 1)"

WHERE = rf"""
{SEEN} AND a.status IN :statuses AND a.raised >= :since
    AND (:host = '' OR a.host = :host) AND (:rule = '' OR a.rule = :rule)
    AND (:technology = '' OR a.technology = :technology) AND (:severity = '' OR a.severity = :severity)
    AND (:assignee = '' OR a.assignee = :assignee)
    AND (:technique = '' OR a.techniques LIKE :technique ESCAPE '\' OR a.techniques LIKE :below ESCAPE '\')
"""

PAGE = text(f"""
SELECT {COLUMNS}
WHERE {WHERE} AND (a.raised < :before OR (a.raised = :before AND a.id < :before_id))
ORDER BY a.raised DESC, a.id DESC LIMIT :limit
""").bindparams(any_of("tenants"), any_of("statuses"))

ONE = text(f"SELECT {COLUMNS} WHERE a.id = :alert AND {SEEN}").bindparams(any_of("tenants"))

CHANGED = text(f"""
SELECT {COLUMNS} WHERE {SEEN} AND a.changed >= :since ORDER BY a.changed, a.id LIMIT :limit
""").bindparams(any_of("tenants"))

OF_RULE = text(f"SELECT {COLUMNS} WHERE a.rule = :rule AND a.status <> 'closed'")

LATEST = text(f"""
SELECT {COLUMNS} WHERE a.rule = :rule AND a.raised = (
    SELECT max(b.raised) FROM alert b WHERE b.rule = a.rule AND b.tenant = a.tenant)
""")  # noqa: S608 - the same

STEPS = text("SELECT number, time, actor, status, note FROM alert_step WHERE alert = :alert ORDER BY number")

JSON = ("why", "vip", "tactics", "techniques", "users")


def page(
    db: Connection,
    scope: Scope,
    wanted: Filter | None = None,
    *,
    before: tuple[int, str] = NEWEST,
    limit: int = 100,
) -> list[Alert]:
    """List the caller's alerts, newest first, those raised before the (time, id) `before`."""
    values = (wanted or Filter()).bound(scope) | {"before": before[0], "before_id": before[1], "limit": limit}
    return to_structs(db.execute(PAGE, values), Alert, json=JSON)


def get(db: Connection, alert: str, scope: Scope) -> Alert:
    """Give one alert. Raises NotFoundError when it is not in the caller's tenants."""
    row = db.execute(ONE, seen_by(scope) | {"alert": alert}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no alert {alert}")
    return to_struct(row, Alert, json=JSON)


def changed(db: Connection, scope: Scope, *, since: int, limit: int) -> list[Alert]:
    """Give the caller's alerts that were raised, joined or moved at `since` or later, oldest change first."""
    return to_structs(db.execute(CHANGED, seen_by(scope) | {"since": since, "limit": limit}), Alert, json=JSON)


def seen_by(scope: Scope) -> dict[str, object]:
    """Give the values for the conditions of `SEEN`. Raises AccessDenied."""
    return {"tenants": tenants(scope, Right.ALERTS_READ), "vip": int(scope.allows(Right.ALERTS_VIP_READ))}


def steps(db: Connection, alert: str, scope: Scope) -> list[AlertStep]:
    """Give what was done about an alert, oldest first. Raises NotFoundError."""
    get(db, alert, scope)
    return to_structs(db.execute(STEPS, {"alert": alert}), AlertStep)


def open_of_rule(db: Connection, rule: str) -> list[Alert]:
    """Give the open alerts of a rule, of all tenants: for what watches over them."""
    return to_structs(db.execute(OF_RULE, {"rule": rule}), Alert, json=JSON)


def latest_of_rule(db: Connection, rule: str) -> dict[str, Alert]:
    """Give each tenant's last alert of a rule, open or closed."""
    found = to_structs(db.execute(LATEST, {"rule": rule}), Alert, json=JSON)
    return {alert.tenant: alert for alert in found}


MOVE = text("""
UPDATE alert SET status = :to, resolution = :resolution, changed = :now
WHERE id = :alert AND tenant IN :tenants AND status IN :before
""").bindparams(any_of("tenants"), any_of("before"))

CLOSE = text("""
UPDATE alert SET status = 'closed', resolution = 'over', changed = :now WHERE id = :alert AND status <> 'closed'
""")

SUCCESSOR = text("""
SELECT b.id FROM alert a JOIN alert b ON b.tenant = a.tenant AND b.technology = a.technology AND b.rule = a.rule
    AND b.host = a.host AND b.chain = a.chain AND b.status <> 'closed' AND b.id <> a.id
WHERE a.id = :alert LIMIT 1
""")

_BEFORE = {
    AlertStatus.IN_PROGRESS: (AlertStatus.NEW,),
    AlertStatus.CLOSED: OPEN,
    AlertStatus.NEW: (AlertStatus.IN_PROGRESS, AlertStatus.CLOSED),
}
"""Status -> those from which an alert may go there."""


class Move(NamedTuple):
    """What somebody does about an alert; `actor` is empty when Vedette does it by itself."""

    to: AlertStatus
    actor: str
    note: str
    resolution: Resolution = Resolution.RESOLVED
    """For `to` closed."""


def move(db: Connection, alert: str, scope: Scope, done: Move, *, now: int) -> Alert:
    """Begin to look at it, close or reopen it. Raises NotFoundError, and ConfigError when its status forbids it."""
    allowed = tenants(scope, Right.ALERTS_MANAGE)
    before = get(db, alert, scope)
    other = db.execute(SUCCESSOR, {"alert": alert}).scalar_one_or_none()
    if before.status is AlertStatus.CLOSED and done.to is AlertStatus.NEW and other:
        raise ConfigError(f"the same was found again: alert {other} is open for it")
    froms = [status.value for status in _BEFORE[done.to]]
    why = done.resolution.value if done.to is AlertStatus.CLOSED else ""
    values = {"alert": alert, "to": done.to.value, "tenants": allowed, "before": froms, "now": now, "resolution": why}
    if db.execute(MOVE, values).rowcount != 1:
        raise ConfigError(f"the alert is {before.status.value}")
    _step(db, alert, done, now=now)
    return get(db, alert, scope)


ASSIGN = text("UPDATE alert SET assignee = :assignee, changed = :now WHERE id = :alert AND tenant IN :tenants")
ASSIGN = ASSIGN.bindparams(any_of("tenants"))

MARK = text("UPDATE alert SET vip = :vip, changed = :now WHERE id = :alert AND tenant IN :tenants")
MARK = MARK.bindparams(any_of("tenants"))


def assign(db: Connection, alert: str, scope: Scope, assignee: str, done: Move, *, now: int) -> Alert:
    """Give an alert to the account of this name, "" = to nobody; `done.to` does not matter. Raises NotFoundError."""
    before = get(db, alert, scope)
    values = {"alert": alert, "assignee": assignee, "tenants": tenants(scope, Right.ALERTS_MANAGE), "now": now}
    db.execute(ASSIGN, values)
    told = f"assigned to {assignee}" if assignee else "assigned to nobody"
    note = f"{told}: {done.note}" if done.note else told
    _step(db, alert, Move(before.status, done.actor, note), now=now)
    return get(db, alert, scope)


def mark(db: Connection, alert: str, scope: Scope, done: Move, *, vip: bool, now: int) -> Alert:
    """Say whether an alert is for those only who may see such. Raises NotFoundError."""
    before = get(db, alert, scope)
    tenants(scope, Right.ALERTS_VIP_READ)
    db.execute(MARK, {"alert": alert, "vip": int(vip), "tenants": tenants(scope, Right.ALERTS_MANAGE), "now": now})
    told = "marked as VIP" if vip else "no VIP any more"
    _step(db, alert, Move(before.status, done.actor, f"{told}: {done.note}" if done.note else told), now=now)
    return get(db, alert, scope)


def close_by_itself(db: Connection, alert: str, note: str, *, now: int) -> None:
    """Close an alert whose reason is gone, if it is still open."""
    if db.execute(CLOSE, {"alert": alert, "now": now}).rowcount == 1:
        _step(db, alert, Move(AlertStatus.CLOSED, "", note), now=now)


def _step(db: Connection, alert: str, done: Move, *, now: int) -> None:
    values = {"alert": alert, "now": now, "actor": done.actor, "status": done.to.value, "note": keepable(done.note)}
    db.execute(ADD_STEP, values)
