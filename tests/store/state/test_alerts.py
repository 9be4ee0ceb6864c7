"""Alerts: one while it is open, moved with a note, seen in one's own tenants only."""

import threading
from typing import Any

import pytest

from vedette.runtime.errors import AccessDenied, ConfigError, NotFoundError
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.alerts import Alert, AlertStatus, NewAlert, Severity, Technology
from vedette.store.state import State, alerts
from vedette.store.state.alerts import Filter, Move

ACKNOWLEDGE, CLOSE, REOPEN = (
    Move(to, "ann", "why") for to in (AlertStatus.IN_PROGRESS, AlertStatus.CLOSED, AlertStatus.NEW)
)


def found(**changes: Any) -> NewAlert:
    values: dict[str, Any] = {
        "tenant": "default", "technology": Technology.TAA, "rule": "r", "title": "t", "severity": Severity.HIGH,
        "host": "h", "why": {"file.name": "x"}, "first": 10, "last": 20,
    }  # fmt: skip
    return NewAlert(**values | changes)


def put(state: State, new: NewAlert, now: int = 100) -> str:
    with state.write() as db:
        return alerts.raise_alert(db, new, now=now)


def one(state: State, alert: str, scope: Scope) -> Alert:
    with state.read() as db:
        return alerts.get(db, alert, scope)


def test_the_same_found_again_joins_the_open_alert(state: State, everything: Scope) -> None:
    alert = put(state, found())
    assert put(state, found(first=5, last=15, count=2), now=200) == alert
    told = one(state, alert, everything)
    assert (told.first, told.last, told.count, told.raised, told.changed) == (5, 20, 3, 100, 200)
    assert (told.status, told.why, told.hostname) == (AlertStatus.NEW, {"file.name": "x"}, "")
    others = {put(state, found(**change)) for change in ({"host": "g"}, {"rule": "q"}, {"chain": "c"}, {"tenant": "b"})}
    assert len(others | {alert}) == 5


def test_of_many_finders_at_once_one_makes_the_alert(state: State, everything: Scope) -> None:
    ids: list[str] = []
    threads = [threading.Thread(target=lambda: ids.append(put(state, found()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert one(state, ids[0], everything).count == 8


def test_a_closed_alert_is_not_joined_and_cannot_be_reopened_beside_its_successor(
    state: State, everything: Scope
) -> None:
    alert = put(state, found())
    with state.write() as db:
        assert alerts.move(db, alert, everything, CLOSE, now=1).status is AlertStatus.CLOSED
    second = put(state, found())
    assert second != alert
    with state.write() as db, pytest.raises(ConfigError, match=second):
        alerts.move(db, alert, everything, REOPEN, now=2)


def test_each_step_is_kept_and_only_what_makes_sense_is_done(state: State, everything: Scope) -> None:
    alert = put(state, found())
    with state.write() as db:
        alerts.move(db, alert, everything, ACKNOWLEDGE, now=1)
        with pytest.raises(ConfigError, match="in_progress"):
            alerts.move(db, alert, everything, ACKNOWLEDGE, now=2)
        alerts.move(db, alert, everything, CLOSE, now=3)
        alerts.move(db, alert, everything, REOPEN, now=4)
        alerts.close_by_itself(db, alert, "the reason is gone", now=5)
        alerts.close_by_itself(db, alert, "again", now=6)
        steps = alerts.steps(db, alert, everything)
    assert [(step.number, step.status.value, step.actor, step.note) for step in steps] == [
        (1, "new", "", ""), (2, "in_progress", "ann", "why"), (3, "closed", "ann", "why"), (4, "new", "ann", "why"),
        (5, "closed", "", "the reason is gone"),
    ]  # fmt: skip


def test_another_tenants_alert_does_not_exist(state: State) -> None:
    alert = put(state, found())
    foreign = Scope(tenants=frozenset({"b"}), rights=RIGHTS[Role.ADMINISTRATOR])
    with state.write() as db:
        assert alerts.page(db, foreign) == []
        for question in (alerts.get, alerts.steps):
            with pytest.raises(NotFoundError):
                question(db, alert, foreign)
        with pytest.raises(NotFoundError):
            alerts.move(db, alert, foreign, CLOSE, now=1)
        with pytest.raises(AccessDenied):
            alerts.move(db, alert, Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.AUDITOR]), CLOSE, now=1)


def test_a_list_has_pages_and_filters(state: State, everything: Scope) -> None:
    made = [put(state, found(host=f"h{number % 3}", chain=str(number)), now=number // 2) for number in range(10)]
    with state.write() as db:
        alerts.move(db, made[4], everything, CLOSE, now=1)
        seen: list[Alert] = []
        before = alerts.NEWEST
        while part := alerts.page(db, everything, before=before, limit=3):
            seen += part
            before = (part[-1].raised, part[-1].id)
        assert sorted(alert.id for alert in seen) == sorted(made)
        assert [alert.raised for alert in seen] == sorted((alert.raised for alert in seen), reverse=True)
        assert {alert.host for alert in alerts.page(db, everything, Filter(host="h1"))} == {"h1"}
        assert [alert.id for alert in alerts.page(db, everything, Filter(statuses=(AlertStatus.CLOSED,)))] == [made[4]]
        assert len(alerts.page(db, everything, Filter(statuses=alerts.OPEN))) == 9
        assert (
            alerts.page(db, everything, Filter(technology="ids"))
            == alerts.page(db, everything, Filter(severity="low"))
            == []
        )
        assert len(alerts.open_of_rule(db, "r")) == 9
        assert alerts.latest_of_rule(db, "r")["default"].raised == 4
