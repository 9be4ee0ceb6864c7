"""Saved searches over HTTP: checked, versioned, noted."""

from typing import Any

from tests.central.api.conftest import Api

from vedette.schema.access import Role

KEPT: dict[str, Any] = {"name": "downloads", "query": "process.file.name:curl", "since": "7d", "columns": ["UserName"]}


def test_a_search_is_kept_changed_and_deleted(api: Api) -> None:
    client = api.caller(Role.OFFICER)
    made = client.post("/searches", json=KEPT)
    assert made.status_code == 201
    path = f"/searches/{made.json()['id']}"
    assert client.get("/searches", params={"name": "downloads"}).json()["items"] == [made.json()]
    etag = client.get(path).headers["ETag"]
    changed = client.put(path, json=KEPT | {"shared": True}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json()["version"], changed.json()["shared"]) == (200, 2, True)
    lost = client.put(path, json=KEPT, headers={"If-Match": etag})
    assert (lost.status_code, lost.json()["type"]) == (412, "urn:vedette:problem:changed-meanwhile")
    other = api.caller(Role.AUDITOR)
    assert other.get(path).json()["query"] == KEPT["query"]
    assert other.put(path, json=KEPT).status_code == 409
    assert other.delete(path).status_code == 409
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404
    assert [entry.action for entry in api.audited()][:3] == ["search.save", "search.change", "search.delete"]


def test_what_cannot_be_asked_is_not_kept(api: Api) -> None:
    client = api.caller(Role.OFFICER)
    for wrong, status in (
        ({"query": "no.such.field:x"}, 400),
        ({"language": "basic"}, 422),
        ({"since": "soon"}, 422),
        ({"columns": ["no.such.field"]}, 400),
        ({"name": "a/b"}, 422),
        ({"columns": ["process.env.PATH"]}, 403),
    ):
        assert client.post("/searches", json=KEPT | wrong).status_code == status, wrong
    assert client.post("/searches", json=KEPT).status_code == 201
    assert client.post("/searches", json=KEPT).status_code == 409


def test_another_tenants_shared_search_does_not_exist(api: Api) -> None:
    made = api.caller(Role.OFFICER).post("/searches", json=KEPT | {"shared": True}).json()
    stranger = api.caller(Role.OFFICER, tenants=("other",))
    assert stranger.get(f"/searches/{made['id']}").status_code == 404
    assert stranger.get("/searches").json()["items"] == []
