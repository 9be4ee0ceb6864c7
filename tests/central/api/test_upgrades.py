"""Releases and roll-outs over HTTP."""

import hashlib
import http.client
import io
from pathlib import Path

import msgspec
import pytest
from tests.central.api.conftest import Api
from tests.central.api.test_hosts import enrol

from vedette.central.api.parts import Limits
from vedette.central.pki import public_pem
from vedette.schema.access import Role
from vedette.schema.tasks import UPGRADE
from vedette.store.state import groups, tasks
from vedette.store.state.tasks import TaskUpdate
from vedette.wire.release import PROGRAM, SignedManifest, verify_manifest, write_release

ABOUT = {"platform": "linux-x86_64", "python": "3.11"}


@pytest.fixture
def limits() -> Limits:
    """A body's limit below the size of an archive."""
    return Limits(body=1000)


def archive(folder: Path, version: str = "2.0", content: str = "print('agent')") -> bytes:
    program = folder / PROGRAM.format(python="3.11")
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(content + "\n# " + "".join(hashlib.sha256(b"%d" % n).hexdigest() for n in range(50)))
    target = io.BytesIO()
    write_release(target, folder, version=version, **ABOUT)
    return target.getvalue()


def test_an_archive_is_checked_signed_and_kept(api: Api, tmp_path: Path) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    data = archive(tmp_path)
    assert len(data) > 1000
    made = admin.post("/releases", content=data)
    assert made.status_code == 201, made.text
    release = made.json()
    assert (release["version"], release["size"]) == ("2.0", len(data))
    assert admin.post("/releases", content=data).json() == release
    assert admin.get("/releases").json() == [release]
    kept = msgspec.json.decode(api.releases.manifest(release["sha256"]) or b"", type=SignedManifest)
    assert verify_manifest(kept, public_pem(api.signer)).version == "2.0"
    assert api.releases.piece(release["sha256"], 5, 10) == data[5:15]
    assert sorted(path.suffix for path in api.releases.folder.iterdir()) == [".manifest", ".zst"]


def test_what_is_no_release_is_refused_and_leaves_nothing(api: Api, tmp_path: Path) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    good = archive(tmp_path)
    for data in (b"", b"x" * 5000, good[:-20], good[: len(good) // 2]):
        answer = admin.post("/releases", content=data)
        assert answer.status_code == 422, answer.text
    assert admin.post("/releases", content=good).status_code == 201
    other = archive(tmp_path, content="print('another')")
    assert admin.post("/releases", content=other).status_code == 409
    assert len(list(api.releases.folder.iterdir())) == 2


def test_a_body_larger_than_any_archive_is_refused_by_what_it_says(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    connection = http.client.HTTPConnection(api.url.removeprefix("http://"), timeout=10)
    connection.putrequest("POST", "/api/v1/releases")
    connection.putheader("Authorization", admin.headers["Authorization"])
    connection.putheader("Content-Length", str(1 << 40))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()
    assert admin.post("/rollouts", content=b"x" * 2000).status_code == 413


def test_only_administrators_change_versions(api: Api, tmp_path: Path) -> None:
    for role in (Role.SENIOR_OFFICER, Role.OFFICER, Role.AUDITOR):
        caller = api.caller(role)
        assert caller.post("/releases", content=archive(tmp_path)).status_code == 403
        assert caller.post("/rollouts", json={"version": "2.0"}).status_code == 403
    assert list(api.releases.folder.iterdir()) == []


def test_a_rollout_is_begun_widened_paused_resumed_and_cancelled_with_an_entry_each(api: Api, tmp_path: Path) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    with api.state.write() as db:
        groups.ensure(db, "default", "default", now=api.clock())
    hosts = [enrol(api, f"h{number}") for number in range(4)]
    assert admin.post("/rollouts", json={"version": "2.0"}).status_code == 404
    admin.post("/releases", content=archive(tmp_path))
    made = admin.post("/rollouts", json={"version": "2.0", "percent": 25})
    assert made.status_code == 201, made.text
    rollout = made.json()["id"]
    status = admin.get(f"/rollouts/{rollout}").json()
    assert status["stages"] == {"waiting": 1}
    assert admin.delete("/releases/2.0").status_code == 409
    assert admin.post(f"/rollouts/{rollout}/widen", json={"percent": 100}).json()["percent"] == 100
    for verb, state in (("pause", "paused"), ("resume", "running"), ("cancel", "cancelled")):
        assert admin.post(f"/rollouts/{rollout}/{verb}").json()["state"] == state
        assert admin.post(f"/rollouts/{rollout}/{verb}").status_code == 409
    status = admin.get(f"/rollouts/{rollout}").json()
    assert status["stages"] == {"cancelled": 4}
    assert {host["host"] for host in status["hosts"]} == set(hosts)
    assert admin.delete("/releases/2.0").status_code == 204
    assert list(api.releases.folder.iterdir()) == []
    done = [entry.action for entry in api.audited()]
    assert done == [
        "release.add", "rollout.start", "rollout.widen", "rollout.pause", "rollout.resume", "rollout.cancel",
        "release.remove",
    ]  # fmt: skip


def test_each_host_shows_how_far_it_is(api: Api, tmp_path: Path) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    with api.state.write() as db:
        groups.ensure(db, "default", "default", now=api.clock())
    for number in range(6):
        enrol(api, f"h{number}")
    admin.post("/releases", content=archive(tmp_path))
    rollout = admin.post("/rollouts", json={"version": "2.0"}).json()["id"]
    story = [("accepted", ""), ("running", "download"), ("running", "trial"), ("done", ""), ("rolled_back", "")]
    with api.state.write() as db:
        for task, (state, step) in zip(tasks.of_rollout(db, rollout, UPGRADE), story, strict=False):
            update = TaskUpdate(id=task.id, agent=task.host, time=1, state=state, step=step, error="why")
            tasks.reported(db, [update])
    hosts = admin.get(f"/rollouts/{rollout}").json()["hosts"]
    assert [host["stage"] for host in hosts] == [
        "downloading", "downloading", "installed", "confirmed", "rolled_back", "waiting",
    ]  # fmt: skip
    assert hosts[4]["reason"] == "why"


def test_published_settings_carry_the_keys_whoever_writes_them(api: Api) -> None:
    admin = api.caller(Role.ADMINISTRATOR)
    with api.state.write() as db:
        groups.ensure(db, "default", "default", now=api.clock())
    made = admin.put("/settings/default", json={"keys": {"tasks": "an attacker's"}}).json()
    assert made["settings"]["keys"] == {"tasks": "the tasks key", "updates": "the updates key"}
