"""Alerts over HTTP: listed, moved with a note and an audit entry, in one's own tenants only."""

from tests.central.api.conftest import Api

from vedette.schema.access import Role
from vedette.schema.alerts import NewAlert, Severity, Technology
from vedette.store.state import alerts


def put(api: Api, rule: str = "r", tenant: str = "default") -> str:
    """Raise an alert; give its id."""
    new = NewAlert(
        tenant=tenant, technology=Technology.HEALTH, rule=rule, title=f"{rule} happened", severity=Severity.HIGH,
        why={"fact": "value"}, first=api.clock(), last=api.clock(),
    )  # fmt: skip
    with api.state.write() as db:
        return alerts.raise_alert(db, new, now=api.clock())


def test_alerts_come_in_pages_and_by_filter(api: Api) -> None:
    made = {put(api, f"r{number}") for number in range(5)}
    client = api.caller(Role.OFFICER)
    page = client.get("/alerts", params={"limit": 2}).json()
    seen = [one["id"] for one in page["items"]]
    while page["cursor"]:
        page = client.get("/alerts", params={"limit": 2, "cursor": page["cursor"]}).json()
        seen += [one["id"] for one in page["items"]]
    assert len(seen) == 5
    assert set(seen) == made
    assert [one["rule"] for one in client.get("/alerts", params={"rule": "r3"}).json()["items"]] == ["r3"]
    assert client.get("/alerts", params={"status": "closed"}).json()["items"] == []
    assert len(client.get("/alerts", params={"status": "open"}).json()["items"]) == 5
    assert client.get("/alerts", params={"status": "odd"}).status_code == 422
    assert client.get("/alerts", params={"cursor": "!"}).status_code == 400


def test_an_alert_is_acknowledged_closed_and_reopened_with_an_entry_each(api: Api) -> None:
    alert = put(api)
    client = api.caller(Role.OFFICER)
    assert client.post(f"/alerts/{alert}/acknowledge", json={"note": "mine"}).json()["status"] == "in_progress"
    assert client.post(f"/alerts/{alert}/acknowledge", json={}).status_code == 409
    assert client.post(f"/alerts/{alert}/close", json={"note": "done"}).json()["status"] == "closed"
    assert client.post(f"/alerts/{alert}/reopen", json={}).json()["status"] == "new"
    assert client.post(f"/alerts/{alert}/close", json={"note": "x" * 2001}).status_code == 422
    told = client.get(f"/alerts/{alert}").json()
    assert told["alert"]["why"] == {"fact": "value"}
    assert [(step["status"], step["actor"], step["note"]) for step in told["steps"]] == [
        ("new", "", ""), ("in_progress", "officer-default", "mine"), ("closed", "officer-default", "done"),
        ("new", "officer-default", ""),
    ]  # fmt: skip
    done = [(entry.action, entry.target) for entry in api.audited() if entry.outcome == "done"]
    assert done == [("alert.acknowledge", alert), ("alert.close", alert), ("alert.reopen", alert)]


def test_an_auditor_reads_and_another_tenant_sees_nothing(api: Api) -> None:
    alert = put(api)
    auditor, foreign = api.caller(Role.AUDITOR), api.caller(Role.ADMINISTRATOR, tenants=("other",))
    assert auditor.get(f"/alerts/{alert}").status_code == 200
    assert auditor.post(f"/alerts/{alert}/close", json={}).status_code == 403
    assert foreign.get("/alerts").json()["items"] == []
    assert foreign.get(f"/alerts/{alert}").status_code == foreign.post(f"/alerts/{alert}/close", json={}).status_code
    assert foreign.get(f"/alerts/{alert}").status_code == 404
