"""Alerts: raised once while open, moved by people (or by Vedette itself) with a note each time."""

import secrets
from typing import NamedTuple

from sqlalchemy import Connection, text

from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import Right, Scope
from vedette.schema.alerts import Alert, AlertStatus, AlertStep, NewAlert
from vedette.store.state.rows import any_of, keepable, to_json, to_struct, to_structs
from vedette.store.state.scoping import tenants

OPEN = (AlertStatus.NEW, AlertStatus.ACKNOWLEDGED)
NEWEST = (2**62, "")
"""Before the first alert of a list."""

RAISE = text("""
INSERT INTO alert (id, tenant, technology, rule, title, severity, status, host, chain, why, first, last, count,
    raised, changed)
VALUES (:id, :tenant, :technology, :rule, :title, :severity, 'new', :host, :chain, :why, :first, :last, :count,
    :now, :now)
ON CONFLICT (tenant, technology, rule, host, chain) WHERE status <> 'closed' DO UPDATE SET
    first = CASE WHEN excluded.first < alert.first THEN excluded.first ELSE alert.first END,
    last = CASE WHEN excluded.last > alert.last THEN excluded.last ELSE alert.last END,
    count = alert.count + excluded.count, changed = excluded.changed
RETURNING id
""")

ADD_STEP = text("""
INSERT INTO alert_step (alert, number, time, actor, status, note)
VALUES (:alert, (SELECT COALESCE(max(number), 0) + 1 FROM alert_step WHERE alert = :alert), :now, :actor, :status,
    :note)
""")


def raise_alert(db: Connection, found: NewAlert, *, now: int) -> str:
    """Make an alert, or join the open one of the same tenant, technology, rule, host and chain; gives its id."""
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
    kept: str = db.execute(RAISE, values).scalar_one()
    if kept == drawn:
        _step(db, kept, Move(AlertStatus.NEW, "", ""), now=now)
    return kept


COLUMNS = """
a.id, a.tenant, a.technology, a.rule, a.title, a.severity, a.status, a.host, COALESCE(h.hostname, '') AS hostname,
a.chain, a.why, a.first, a.last, a.count, a.raised, a.changed
FROM alert a LEFT JOIN agent h ON h.id = a.host
"""

PAGE = text(f"""
SELECT {COLUMNS}
WHERE a.tenant IN :tenants AND (a.raised < :before OR (a.raised = :before AND a.id < :before_id))
    AND a.status IN :statuses AND (:host = '' OR a.host = :host) AND (:rule = '' OR a.rule = :rule)
    AND (:technology = '' OR a.technology = :technology) AND (:severity = '' OR a.severity = :severity)
ORDER BY a.raised DESC, a.id DESC LIMIT :limit
""").bindparams(any_of("tenants"), any_of("statuses"))

ONE = text(f"SELECT {COLUMNS} WHERE a.id = :alert AND a.tenant IN :tenants").bindparams(any_of("tenants"))

OF_RULE = text(f"SELECT {COLUMNS} WHERE a.rule = :rule AND a.status <> 'closed'")

LATEST = text(f"""
SELECT {COLUMNS} WHERE a.rule = :rule AND a.raised = (
    SELECT max(b.raised) FROM alert b WHERE b.rule = a.rule AND b.tenant = a.tenant)
""")  # noqa: S608 - the same

STEPS = text("SELECT number, time, actor, status, note FROM alert_step WHERE alert = :alert ORDER BY number")


def page(  # noqa: PLR0913 - each is a filter that a person may set
    db: Connection,
    scope: Scope,
    *,
    statuses: tuple[AlertStatus, ...] = tuple(AlertStatus),
    host: str = "",
    rule: str = "",
    technology: str = "",
    severity: str = "",
    before: tuple[int, str] = NEWEST,
    limit: int = 100,
) -> list[Alert]:
    """List the caller's alerts, newest first, those raised before the (time, id) `before`."""
    values = {
        "tenants": tenants(scope, Right.ALERTS_READ),
        "before": before[0],
        "before_id": before[1],
        "statuses": [status.value for status in statuses],
        "host": host,
        "rule": rule,
        "technology": technology,
        "severity": severity,
        "limit": limit,
    }
    return to_structs(db.execute(PAGE, values), Alert, json=("why",))


def get(db: Connection, alert: str, scope: Scope) -> Alert:
    """Give one alert. Raises NotFoundError when it is not in the caller's tenants."""
    row = db.execute(ONE, {"alert": alert, "tenants": tenants(scope, Right.ALERTS_READ)}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no alert {alert}")
    return to_struct(row, Alert, json=("why",))


def steps(db: Connection, alert: str, scope: Scope) -> list[AlertStep]:
    """Give what was done about an alert, oldest first. Raises NotFoundError."""
    get(db, alert, scope)
    return to_structs(db.execute(STEPS, {"alert": alert}), AlertStep)


def open_of_rule(db: Connection, rule: str) -> list[Alert]:
    """Give the open alerts of a rule, of all tenants: for what watches over them."""
    return to_structs(db.execute(OF_RULE, {"rule": rule}), Alert, json=("why",))


def latest_of_rule(db: Connection, rule: str) -> dict[str, Alert]:
    """Give each tenant's last alert of a rule, open or closed."""
    found = to_structs(db.execute(LATEST, {"rule": rule}), Alert, json=("why",))
    return {alert.tenant: alert for alert in found}


MOVE = text("""
UPDATE alert SET status = :to, changed = :now WHERE id = :alert AND tenant IN :tenants AND status IN :before
""").bindparams(any_of("tenants"), any_of("before"))

CLOSE = text("UPDATE alert SET status = 'closed', changed = :now WHERE id = :alert AND status <> 'closed'")

SUCCESSOR = text("""
SELECT b.id FROM alert a JOIN alert b ON b.tenant = a.tenant AND b.technology = a.technology AND b.rule = a.rule
    AND b.host = a.host AND b.chain = a.chain AND b.status <> 'closed' AND b.id <> a.id
WHERE a.id = :alert
""")

_BEFORE = {
    AlertStatus.ACKNOWLEDGED: (AlertStatus.NEW,),
    AlertStatus.CLOSED: OPEN,
    AlertStatus.NEW: (AlertStatus.ACKNOWLEDGED, AlertStatus.CLOSED),
}
"""Status -> those from which an alert may go there."""


class Move(NamedTuple):
    """What somebody does about an alert; `actor` is empty when Vedette does it by itself."""

    to: AlertStatus
    actor: str
    note: str


def move(db: Connection, alert: str, scope: Scope, done: Move, *, now: int) -> Alert:
    """Acknowledge, close or reopen. Raises NotFoundError, and ConfigError when its status does not allow that."""
    allowed = tenants(scope, Right.ALERTS_MANAGE)
    before = get(db, alert, scope)
    if done.to is AlertStatus.NEW and (other := db.execute(SUCCESSOR, {"alert": alert}).scalar_one_or_none()):
        raise ConfigError(f"the same was found again: alert {other} is open for it")
    froms = [status.value for status in _BEFORE[done.to]]
    values = {"alert": alert, "to": done.to.value, "tenants": allowed, "before": froms, "now": now}
    if db.execute(MOVE, values).rowcount != 1:
        raise ConfigError(f"the alert is {before.status.value}")
    _step(db, alert, done, now=now)
    return get(db, alert, scope)


def close_by_itself(db: Connection, alert: str, note: str, *, now: int) -> None:
    """Close an alert whose reason is gone, if it is still open."""
    if db.execute(CLOSE, {"alert": alert, "now": now}).rowcount == 1:
        _step(db, alert, Move(AlertStatus.CLOSED, "", note), now=now)


def _step(db: Connection, alert: str, done: Move, *, now: int) -> None:
    values = {"alert": alert, "now": now, "actor": done.actor, "status": done.to.value, "note": keepable(done.note)}
    db.execute(ADD_STEP, values)
