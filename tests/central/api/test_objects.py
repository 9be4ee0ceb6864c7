"""Storage over HTTP: what is put there leaves only in an encrypted archive."""

import hashlib
import io

import pytest
import pyzipper
from tests.central.api.conftest import Api

from vedette.schema.access import Role

DATA = b"an object " * 200_000


def put(api: Api, data: bytes = DATA, name: str = "a.exe") -> str:
    client = api.caller(Role.SENIOR_OFFICER)
    made = client.post("/objects", params={"name": name}, content=data)
    assert made.status_code == 201, made.text
    return str(made.json()["sha256"])


def test_an_object_is_put_listed_fetched_encrypted_and_removed(api: Api) -> None:
    sha256 = put(api)
    assert sha256 == hashlib.sha256(DATA).hexdigest()
    client = api.client(api.token(api.account("bob", Role.SENIOR_OFFICER)))
    (listed,) = client.get("/objects").json()["items"]
    assert (listed["sha256"], listed["md5"], listed["size"], listed["name"], listed["status"]) == (
        sha256, hashlib.md5(DATA).hexdigest(), len(DATA), "a.exe", "",
    )  # fmt: skip
    archive = client.post(f"/objects/{sha256}/download", json={"password": "secret words"})
    assert archive.headers["content-type"] == "application/zip"
    assert b"an object" not in archive.content
    with pyzipper.AESZipFile(io.BytesIO(archive.content)) as opened:
        (member,) = opened.infolist()
        assert member.filename == sha256
        with pytest.raises(RuntimeError):
            opened.read(member, pwd=b"wrong")
        assert opened.read(member, pwd=b"secret words") == DATA
    assert client.post(f"/objects/{sha256}/rescan").json()["rules"] == ""
    assert client.delete(f"/objects/{sha256}").status_code == 204
    assert client.get(f"/objects/{sha256}").status_code == client.delete(f"/objects/{sha256}").status_code == 404
    assert list(api.objects.present()) == []
    done = [entry.action for entry in api.audited() if entry.target == sha256]
    assert done == ["object.put", "object.get", "object.rescan", "object.remove"]


def test_objects_are_of_a_tenant_and_need_rights(api: Api) -> None:
    sha256 = put(api, b"x")
    foreign = api.caller(Role.ADMINISTRATOR, tenants=("other",))
    assert foreign.get("/objects").json()["items"] == []
    assert foreign.post(f"/objects/{sha256}/download", json={}).status_code == 404
    assert foreign.delete(f"/objects/{sha256}").status_code == 404
    officer = api.caller(Role.OFFICER)
    assert officer.get(f"/objects/{sha256}").status_code == 200
    assert officer.post("/objects", content=b"y").status_code == 403
    assert officer.post(f"/objects/{sha256}/download", json={}).status_code == 403
    assert officer.get("/objects/..%2f..%2fkeys").status_code in (404, 422)
    assert list(api.objects.folder.glob(".*")) == []
