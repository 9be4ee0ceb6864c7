"""Settings documents over HTTP: versions, signatures, no lost update."""

from tests.central.api.conftest import Api

from vedette.schema.access import Role
from vedette.store.state import settings


def test_settings_are_published_whole_as_the_next_version(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    answer = admin.put("/settings/default", json={"send_interval": 5, "exclude_paths": ["/proc/*"]})
    assert (answer.status_code, answer.headers["ETag"]) == (200, '"2"')
    shown = admin.get("/settings/default").json()
    assert (shown["version"], shown["created_by"]) == (2, "administrator-default")
    assert (shown["settings"]["send_interval"], shown["settings"]["batch_events"]) == (5.0, 1024)
    with api.state.read() as db:
        document = settings.current(db, "default", "default")
    assert document is not None
    assert document.settings().version == 2
    assert document.signed().signature == b"signed"
    assert api.audited()[-1].action == "settings.publish"


def test_a_publication_in_between_is_not_overwritten(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    etag = admin.get("/settings/default").headers["ETag"]
    assert admin.put("/settings/default", json={}, headers={"If-Match": etag}).status_code == 200
    late = admin.put("/settings/default", json={}, headers={"If-Match": etag})
    assert (late.status_code, late.json()["type"]) == (412, "urn:vedette:problem:changed-meanwhile")
    assert admin.get("/settings/default").json()["version"] == 2


def test_wrong_settings_say_what_is_wrong(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    for body, word in (({"send_interval": 99}, "send_interval"), ({"interval": 2}, "interval"), ([], "body")):
        answer = admin.put("/settings/default", json=body)
        assert answer.status_code == 422
        assert word in answer.json()["detail"]
    assert admin.put("/settings/none", json={}).status_code == 404
    assert admin.get("/settings/none").status_code == 404
    assert len(admin.get("/settings").json()) == 1


def test_limits_on_protected_types_are_refused_when_they_are_made(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    good = {"budget_events_per_hour": {"file_change": 100, "module_load": 0}, "budget_cpu_percent": 2.5}
    assert admin.put("/settings/default", json=good).status_code == 200
    refused = admin.put("/settings/default", json={"budget_events_per_hour": {"process_start": 100}})
    assert refused.status_code == 422
    assert refused.json()["detail"].startswith("budget_events_per_hour: process_start cannot be limited")
    for wrong in ({"budget_cpu_percent": 0}, {"budget_rss_bytes": 1}, {"budget_bytes_per_day": 1}):
        assert admin.put("/settings/default", json=wrong).status_code == 422
