"""What people do about alerts: one by one, or all that match a filter."""

from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from pydantic import Field
from sqlalchemy import Connection

from vedette.central.api.alerts import statuses_of
from vedette.central.api.bodies import Body
from vedette.central.api.problems import ProblemError
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork, Work
from vedette.runtime.errors import ConfigError
from vedette.schema.access import Right
from vedette.schema.alerts import Alert, AlertStatus, Resolution
from vedette.store.state import accounts, alerts
from vedette.store.state.alerts import Filter, Move

routes = Routes("alerts")

Deed = Literal["acknowledge", "close", "reopen", "assign"]
AT_ONCE = 200
"""Alerts that are changed in one transaction."""
Note = Annotated[str, Field(max_length=2000)]
Word = Annotated[str, Field(max_length=500)]
_TO = {"acknowledge": AlertStatus.IN_PROGRESS, "close": AlertStatus.CLOSED, "reopen": AlertStatus.NEW}


class AlertNote(Body):
    """Why it is done; kept with the alert."""

    note: Note = ""


class AlertClosing(AlertNote):
    """Why an alert is closed: resolved, false_positive, expected or duplicate."""

    reason: Literal["resolved", "false_positive", "expected", "duplicate"] = "resolved"


class AlertAssignment(AlertNote):
    """Who is to look at an alert: the name of an account; empty = nobody."""

    assignee: Word


class AlertMark(AlertNote):
    """Whether an alert is for those only who may see such."""

    vip: bool


class AlertFilter(Body):
    """Which alerts, as in the list's parameters; all that are named must fit."""

    status: Word = ""
    host: Word = ""
    rule: Word = ""
    technology: Word = ""
    severity: Word = ""
    assignee: Word = ""
    technique: Word = ""
    since: Annotated[int, Field(ge=0, le=2**62)] = 0

    def wanted(self) -> Filter:
        """Give it as the state takes it. Raises ProblemError."""
        return Filter(statuses=statuses_of(self.status), **self.model_dump(exclude={"status"}))


class AlertBulk(AlertClosing):
    """A deed on every alert that matches; `reason` is for close, `assignee` for assign."""

    filter: AlertFilter
    deed: Deed
    assignee: Word = ""


class AlertBulkDone(msgspec.Struct, frozen=True, kw_only=True):
    """How many alerts were changed, and how many were left because their status forbids it."""

    changed: int
    left: int


@routes.change(
    "POST", "/alerts/{alert}/acknowledge", needs=Right.ALERTS_MANAGE, action="alert.acknowledge", answers=Alert
)
def acknowledge_alert(work: InWork, alert: str, body: AlertNote) -> Alert:
    """Say that somebody looks at it."""
    with work.deed(alert, note=body.note[:200]) as db:
        return _move(work, "acknowledge", body.note)(db, alert)


@routes.change("POST", "/alerts/{alert}/close", needs=Right.ALERTS_MANAGE, action="alert.close", answers=Alert)
def close_alert(work: InWork, alert: str, body: AlertClosing) -> Alert:
    """Say that it is done with; the same found again makes a new alert."""
    with work.deed(alert, note=body.note[:200], reason=body.reason) as db:
        return _move(work, "close", body.note, Resolution(body.reason))(db, alert)


@routes.change("POST", "/alerts/{alert}/reopen", needs=Right.ALERTS_MANAGE, action="alert.reopen", answers=Alert)
def reopen_alert(work: InWork, alert: str, body: AlertNote) -> Alert:
    """Make it new again."""
    with work.deed(alert, note=body.note[:200]) as db:
        return _move(work, "reopen", body.note)(db, alert)


@routes.change("POST", "/alerts/{alert}/assign", needs=Right.ALERTS_MANAGE, action="alert.assign", answers=Alert)
def assign_alert(work: InWork, alert: str, body: AlertAssignment) -> Alert:
    """Say who is to look at it."""
    with work.deed(alert, note=body.note[:200], assignee=body.assignee) as db:
        return _assign(work, db, body.assignee, body.note)(db, alert)


@routes.change("POST", "/alerts/{alert}/vip", needs=Right.ALERTS_MANAGE, action="alert.vip", answers=Alert)
def mark_alert(work: InWork, alert: str, body: AlertMark) -> Alert:
    """Hide an alert from those without the right alerts.vip.read, or show it to them again."""
    with work.deed(alert, note=body.note[:200], vip=str(body.vip).lower()) as db:
        done = Move(AlertStatus.NEW, work.caller.name, body.note)
        return alerts.mark(db, alert, work.scope, done, vip=body.vip, now=work.now)


@routes.change("POST", "/alerts/bulk", needs=Right.ALERTS_MANAGE, action="alert.bulk", answers=AlertBulkDone)
def change_alerts(work: InWork, body: AlertBulk) -> AlertBulkDone:
    """Do the same about every alert that matches, however many; those raised from now on are left alone."""
    wanted, before = body.filter.wanted(), (work.now + 1, "")
    changed = left = 0
    while True:
        with work.deed("bulk", deed=body.deed, note=body.note[:200], filter=_told(body.filter)) as db:
            found = alerts.page(db, work.scope, wanted, before=before, limit=AT_ONCE)
            done = _in_bulk(work, body, db)
            moved = sum(_done(done, db, alert) for alert in found)
        changed, left = changed + moved, left + len(found) - moved
        if len(found) < AT_ONCE:
            return AlertBulkDone(changed=changed, left=left)
        before = found[-1].raised, found[-1].id


Do = Callable[[Connection, str], Alert]


def _in_bulk(work: Work, body: AlertBulk, db: Connection) -> Do:
    if body.deed == "assign":
        return _assign(work, db, body.assignee, body.note)
    return _move(work, body.deed, body.note, Resolution(body.reason))


def _done(do: Do, db: Connection, alert: Alert) -> bool:
    try:
        do(db, alert.id)
    except ConfigError:  # it is closed already, or the like
        return False
    return True


def _move(work: Work, deed: str, note: str, reason: Resolution = Resolution.RESOLVED) -> Do:
    done = Move(_TO[deed], work.caller.name, note, reason)
    return lambda db, alert: alerts.move(db, alert, work.scope, done, now=work.now)


def _assign(work: Work, db: Connection, assignee: str, note: str) -> Do:
    if assignee and accounts.credentials(db, assignee) is None:
        raise ProblemError("invalid", 422, f"there is no account {assignee}")
    done = Move(AlertStatus.NEW, work.caller.name, note)
    return lambda db, alert: alerts.assign(db, alert, work.scope, assignee, done, now=work.now)


def _told(wanted: AlertFilter) -> str:
    named = wanted.model_dump(exclude_defaults=True)
    return ", ".join(f"{name}={value}" for name, value in named.items())[:500] or "all"
