"""The audit log over HTTP."""

from sqlalchemy import text
from tests.central.api.conftest import Api

from vedette.schema.access import Role


def test_entries_come_newest_first_in_pages_and_by_filter(api: Api) -> None:
    admin, auditor = api.caller(Role.ADMINISTRATOR), api.caller(Role.AUDITOR)
    for name in ("a", "b", "c"):
        admin.post("/groups", json={"name": name})
    assert auditor.post("/groups", json={"name": "d"}).status_code == 403
    page = auditor.get("/audit", params={"limit": 3}).json()
    assert [entry["target"] for entry in page["items"]] == ["/api/v1/groups", "c", "b"]
    rest = auditor.get("/audit", params={"limit": 3, "cursor": page["cursor"]}).json()
    assert [entry["target"] for entry in rest["items"]] == ["a"]
    assert rest["cursor"] is None
    done = auditor.get("/audit", params={"action": "group.create", "actor": "administrator-default"}).json()
    assert len(done["items"]) == 3
    assert page["items"][0]["detail"] == {"method": "POST", "path": "/api/v1/groups", "problem": "denied"}


def test_a_changed_entry_is_named(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    for name in ("a", "b", "c"):
        admin.post("/groups", json={"name": name})
    assert admin.get("/audit/verify").json()["whole"] is True
    with api.state.write() as db:
        db.execute(text("UPDATE audit SET target = 'x' WHERE sequence = 2"))
    found = admin.get("/audit/verify").json()
    assert (found["whole"], found["bad"]) == (False, 2)


def test_what_cannot_be_noted_is_not_done(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    with api.state.write() as db:
        db.execute(text("ALTER TABLE audit RENAME TO gone"))
    assert admin.post("/groups", json={"name": "a"}).status_code == 503
    assert [group["name"] for group in admin.get("/groups").json()] == ["default"]
