"""What people do about alerts over HTTP: one by one, in bulk, with exclusions; and hearing of them as they come."""

import json
import threading
from collections.abc import Iterator

import httpx
import pytest
from tests.central.api.conftest import Api
from tests.central.api.test_alerts import put

from vedette.central.api import alert_deeds
from vedette.central.api.alert_stream import MOST, Changes
from vedette.central.api.parts import Limits
from vedette.schema.access import Role
from vedette.schema.alerts import Alert, AlertStatus, Severity, Technology
from vedette.store.state import alerts


@pytest.fixture
def limits() -> Limits:
    return Limits(streams=1)


def test_an_alert_is_assigned_to_an_account_that_exists(api: Api) -> None:
    alert = put(api)
    client = api.caller(Role.OFFICER)
    assert client.post(f"/alerts/{alert}/assign", json={"assignee": "nobody"}).status_code == 422
    body = {"assignee": "officer-default", "note": "yours"}
    assert client.post(f"/alerts/{alert}/assign", json=body).json()["assignee"] == "officer-default"
    assert len(client.get("/alerts", params={"assignee": "officer-default"}).json()["items"]) == 1
    assert client.post(f"/alerts/{alert}/assign", json={"assignee": ""}).json()["assignee"] == ""
    closed = client.post(f"/alerts/{alert}/close", json={"reason": "false_positive"}).json()
    assert (closed["status"], closed["resolution"]) == ("closed", "false_positive")
    assert client.post(f"/alerts/{alert}/close", json={"reason": "odd"}).status_code == 422
    assert client.post(f"/alerts/{alert}/reopen", json={}).json()["resolution"] == ""


def test_what_is_marked_vip_is_gone_for_officers(api: Api) -> None:
    alert = put(api)
    officer, senior = api.caller(Role.OFFICER), api.caller(Role.SENIOR_OFFICER)
    assert officer.post(f"/alerts/{alert}/vip", json={"vip": True}).status_code == 403
    assert senior.post(f"/alerts/{alert}/vip", json={"vip": True}).json()["vip"] is True
    assert officer.get(f"/alerts/{alert}").status_code == 404
    assert officer.get("/alerts").json()["items"] == []
    assert senior.get(f"/alerts/{alert}").json()["alert"]["vip"] is True


def test_bulk_changes_every_alert_that_matches_in_one_go(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alert_deeds, "AT_ONCE", 7)
    for number in range(30):
        put(api, f"r{number}")
    odd = put(api, "odd")
    client = api.caller(Role.OFFICER)
    client.post(f"/alerts/{odd}/close", json={})
    body = {"filter": {"severity": "high"}, "deed": "close", "reason": "expected", "note": "a test"}
    assert client.post("/alerts/bulk", json=body).json() == {"changed": 30, "left": 1}
    assert client.get("/alerts", params={"status": "open"}).json()["items"] == []
    body = {"filter": {"status": "closed", "rule": "r3"}, "deed": "assign", "assignee": "officer-default"}
    assert client.post("/alerts/bulk", json=body).json() == {"changed": 1, "left": 0}
    assert client.post("/alerts/bulk", json={"filter": {"status": "odd"}, "deed": "close"}).status_code == 422
    assert client.post("/alerts/bulk", json={"filter": {}, "deed": "explode"}).status_code == 422
    bulks = [entry.detail["filter"] for entry in api.audited() if entry.action == "alert.bulk"]
    assert set(bulks) == {"severity=high", "status=closed, rule=r3"}
    assert api.caller(Role.AUDITOR).post("/alerts/bulk", json=body).status_code == 403


def test_exclusions_are_added_listed_and_removed(api: Api) -> None:
    client = api.caller(Role.SENIOR_OFFICER)
    made = client.post("/exclusions", json={"rule": "r", "path": "/opt/*", "note": "backup"}).json()
    assert client.get("/exclusions").json() == [made]
    assert client.post("/exclusions", json={"note": "everything"}).status_code == 409
    assert client.post("/exclusions", json={"sha256": "x"}).status_code == 422
    assert api.caller(Role.AUDITOR).post("/exclusions", json={"rule": "r"}).status_code == 403
    assert client.delete(f"/exclusions/{made['id']}").status_code == 204
    assert client.delete(f"/exclusions/{made['id']}").status_code == 404


def heard(response: httpx.Response) -> Iterator[Alert]:
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield json.loads(line.removeprefix("data: "))


def test_alerts_are_heard_of_as_they_come(api: Api) -> None:
    client = api.caller(Role.OFFICER)
    put(api, "before")
    api.clock.now += 1
    with client.stream("GET", "/alerts/stream") as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        assert api.caller(Role.AUDITOR).get("/alerts/stream").status_code == 503
        raising = threading.Thread(target=lambda: put(api, "now"))
        raising.start()
        coming = heard(response)
        assert next(coming)["rule"] == "now"  # type: ignore[index]
        raising.join()
    assert api.client().get("/alerts/stream").status_code == 401


def told(name: str, changed: int) -> Alert:
    return Alert(
        id=name, tenant="t", technology=Technology.TAA, rule="r", title="t", severity=Severity.LOW,
        status=AlertStatus.NEW, host="", hostname="", chain="", why={}, first=1, last=1, count=1, raised=1,
        changed=changed,
    )  # fmt: skip


def test_each_change_is_told_once_also_one_that_commits_late() -> None:
    second = 1_000_000
    changes = Changes(100 * second)
    assert [one.id for one in changes.news([told("a", 105 * second), told("b", 120 * second)])] == ["a", "b"]
    assert changes.ask == 110 * second
    assert [one.id for one in changes.news([told("late", 111 * second), told("b", 120 * second)])] == ["late"]
    assert [one.id for one in changes.news([told("b", 121 * second)])] == ["b"]
    assert changes.news([told("late", 111 * second), told("b", 121 * second)]) == []
    full = [told(str(number), 130 * second + number) for number in range(MOST)]
    assert len(changes.news(full)) == MOST
    assert changes.ask == full[-1].changed


def test_a_list_of_changes_has_the_caller_s_alone(api: Api) -> None:
    put(api, "mine")
    put(api, "theirs", tenant="other")
    scope = api.account("x", Role.ADMINISTRATOR).scope()
    with api.state.read() as db:
        assert [one.rule for one in alerts.changed(db, scope, since=0, limit=9)] == ["mine"]
