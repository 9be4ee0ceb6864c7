"""Alerts: listing them, one in full, its findings."""

from typing import Annotated

import msgspec
from fastapi import Depends, Query

from vedette.central.api.bodies import Page, from_cursor, to_cursor
from vedette.central.api.hosts import Limit
from vedette.central.api.problems import ProblemError
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork
from vedette.schema.access import Right
from vedette.schema.alerts import Alert, AlertStatus, AlertStep, Finding
from vedette.store.state import alerts, findings, related
from vedette.store.state.alerts import Filter
from vedette.store.state.related import Relation

routes = Routes("alerts")

Word = Annotated[str, Query(max_length=500)]
FIRST_FINDINGS = 20
"""Findings that an alert in full is given with; the rest are asked for."""


class AlertInFull(msgspec.Struct, frozen=True, kw_only=True):
    """An alert, its first findings by event time, related alerts, and what was done about it, oldest first."""

    alert: Alert
    findings: list[Finding]
    related: list[Relation]
    steps: list[AlertStep]


def filter_of(  # noqa: PLR0913 - one parameter a filter
    *,
    status: Word = "",
    host: Word = "",
    rule: Word = "",
    technology: Word = "",
    severity: Word = "",
    assignee: Word = "",
    technique: Word = "",
    since: Annotated[int, Query(ge=0, le=2**62)] = 0,
) -> Filter:
    """Read the filters of a request. Raises ProblemError."""
    return Filter(
        statuses=statuses_of(status),
        host=host,
        rule=rule,
        technology=technology,
        severity=severity,
        assignee=assignee,
        technique=technique,
        since=since,
    )


InFilter = Annotated[Filter, Depends(filter_of)]
"""A route's parameter of this type takes one query parameter a filter."""


@routes.get("/alerts", needs=Right.ALERTS_READ, answers=Page[Alert])
def alert_list(
    work: InWork,
    wanted: InFilter,
    *,
    limit: Limit = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[Alert]:
    """List alerts, newest first; `status` is new, in_progress, closed, or open (not closed)."""
    time, last = from_cursor(cursor, int, str) if cursor else alerts.NEWEST
    with work.read() as db:
        found = alerts.page(db, work.scope, wanted, before=(time, last), limit=limit + 1)
    more = to_cursor(found[limit - 1].raised, found[limit - 1].id) if len(found) > limit else None
    return Page(items=found[:limit], cursor=more)


@routes.get("/alerts/{alert}", needs=Right.ALERTS_READ, answers=AlertInFull)
def alert_in_full(work: InWork, alert: str) -> AlertInFull:
    """Give one alert with its findings, its relations, and what was done about it."""
    with work.read() as db:
        found = alerts.get(db, alert, work.scope)
        return AlertInFull(
            alert=found,
            findings=findings.of_alert(db, alert, work.scope, limit=FIRST_FINDINGS),
            related=related.of(db, found, work.scope),
            steps=alerts.steps(db, alert, work.scope),
        )


@routes.get("/alerts/{alert}/findings", needs=Right.ALERTS_READ, answers=Page[Finding])
def alert_findings(
    work: InWork, alert: str, *, limit: Limit = 100, cursor: Annotated[str, Query(max_length=1000)] = ""
) -> Page[Finding]:
    """List the findings that are kept of an alert, by event time."""
    after = from_cursor(cursor, int, str) if cursor else (-(2**62), "")
    with work.read() as db:
        found = findings.of_alert(db, alert, work.scope, after=(after[0], after[1]), limit=limit + 1)
    more = to_cursor(found[limit - 1].time, found[limit - 1].event) if len(found) > limit else None
    return Page(items=found[:limit], cursor=more)


def statuses_of(word: str) -> tuple[AlertStatus, ...]:
    """Read the name of a status, or of several. Raises ProblemError."""
    if word == "open":
        return alerts.OPEN
    try:
        return (AlertStatus(word),) if word else tuple(AlertStatus)
    except ValueError as error:
        raise ProblemError("invalid", 422, f"status: {word!r} is none of new, in_progress, closed, open") from error
