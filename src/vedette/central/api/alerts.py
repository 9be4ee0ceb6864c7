"""Alerts: listing them, and what people do about them."""

from typing import Annotated

import msgspec
from fastapi import Query
from pydantic import Field

from vedette.central.api.bodies import Body, Page, from_cursor, to_cursor
from vedette.central.api.hosts import Limit
from vedette.central.api.problems import ProblemError
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork, Work
from vedette.schema.access import Right
from vedette.schema.alerts import Alert, AlertStatus, AlertStep
from vedette.store.state import alerts
from vedette.store.state.alerts import Move

routes = Routes("alerts")

Word = Annotated[str, Query(max_length=100)]


class AlertNote(Body):
    """Why it is done; kept with the alert."""

    note: Annotated[str, Field(max_length=2000)] = ""


class AlertInFull(msgspec.Struct, frozen=True, kw_only=True):
    """An alert and what was done about it, oldest first."""

    alert: Alert
    steps: list[AlertStep]


@routes.get("/alerts", needs=Right.ALERTS_READ, answers=Page[Alert])
def alert_list(  # noqa: PLR0913 - one parameter a filter
    work: InWork,
    *,
    status: Word = "",
    host: Word = "",
    rule: Word = "",
    technology: Word = "",
    severity: Word = "",
    limit: Limit = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[Alert]:
    """List alerts, newest first; `status` is new, acknowledged, closed, or open (not closed)."""
    time, last = from_cursor(cursor, int, str) if cursor else alerts.NEWEST
    filters = {"host": host, "rule": rule, "technology": technology, "severity": severity}
    chosen = _statuses(status)
    with work.read() as db:
        found = alerts.page(db, work.scope, statuses=chosen, before=(time, last), limit=limit + 1, **filters)
    more = to_cursor(found[limit - 1].raised, found[limit - 1].id) if len(found) > limit else None
    return Page(items=found[:limit], cursor=more)


@routes.get("/alerts/{alert}", needs=Right.ALERTS_READ, answers=AlertInFull)
def alert_in_full(work: InWork, alert: str) -> AlertInFull:
    """Give one alert with what was done about it."""
    with work.read() as db:
        return AlertInFull(alert=alerts.get(db, alert, work.scope), steps=alerts.steps(db, alert, work.scope))


@routes.change(
    "POST", "/alerts/{alert}/acknowledge", needs=Right.ALERTS_MANAGE, action="alert.acknowledge", answers=Alert
)
def acknowledge_alert(work: InWork, alert: str, body: AlertNote) -> Alert:
    """Say that somebody looks at it."""
    return _move(work, alert, AlertStatus.ACKNOWLEDGED, body.note)


@routes.change("POST", "/alerts/{alert}/close", needs=Right.ALERTS_MANAGE, action="alert.close", answers=Alert)
def close_alert(work: InWork, alert: str, body: AlertNote) -> Alert:
    """Say that it is done with; the same found again makes a new alert."""
    return _move(work, alert, AlertStatus.CLOSED, body.note)


@routes.change("POST", "/alerts/{alert}/reopen", needs=Right.ALERTS_MANAGE, action="alert.reopen", answers=Alert)
def reopen_alert(work: InWork, alert: str, body: AlertNote) -> Alert:
    """Make it new again."""
    return _move(work, alert, AlertStatus.NEW, body.note)


def _move(work: Work, alert: str, to: AlertStatus, note: str) -> Alert:
    with work.deed(alert, note=note[:200]) as db:
        return alerts.move(db, alert, work.scope, Move(to, work.caller.name, note), now=work.now)


def _statuses(word: str) -> tuple[AlertStatus, ...]:
    if word == "open":
        return alerts.OPEN
    try:
        return (AlertStatus(word),) if word else tuple(AlertStatus)
    except ValueError as error:
        raise ProblemError("invalid", 422, f"status: {word!r} is none of new, acknowledged, closed, open") from error
