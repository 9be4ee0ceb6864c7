"""What agents fetch for an upgrade: tasks of their own, manifests, pieces of archives."""

import asyncio
import hashlib
import secrets
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from vedette.central.ingest.refusal import Refused
from vedette.central.ingest.release_routes import AT_ONCE, ReleaseRoutes
from vedette.central.pki import load_signing_key
from vedette.runtime.clock import HOUR, now
from vedette.schema.tasks import TaskOrder
from vedette.store.releases import ReleaseFiles
from vedette.store.state import tasks
from vedette.wire import limits
from vedette.wire.messages import TaskList
from vedette.wire.release import SignedManifest, sign_manifest
from vedette.wire.task import read_task, sign_task

Enrol = Callable[[], Any]


def keep(folder: Path, data: bytes) -> str:
    """Keep an archive and a manifest; give the digest."""
    sha256 = hashlib.sha256(data).hexdigest()
    files = ReleaseFiles(folder)
    with files.upload() as upload:
        upload.write(data)
        upload.flush()
        files.keep(upload, sha256, sign_manifest(b"the manifest", Ed25519PrivateKey.generate()))
    return sha256


def test_an_archive_comes_in_pieces_and_the_manifest_as_it_was_signed(node: Any, enrol: Enrol) -> None:
    data = secrets.token_bytes(2 * limits.PIECE_BYTES + 1000)
    sha256, agent = keep(node.layout.releases, data), enrol()
    got = b""
    while len(got) < len(data):
        got += agent.ask("GET", f"/agent/v1/releases/{sha256}/{len(got)}").body
    assert got == data
    manifest = msgspec.json.decode(agent.ask("GET", f"/agent/v1/releases/{sha256}").body, type=SignedManifest)
    assert manifest.body == b"the manifest"
    assert agent.ask("GET", f"/agent/v1/releases/{sha256}/{len(data)}").reason == "release_unknown"


@pytest.mark.parametrize(
    ("rest", "reason"),
    [
        ("", "route_unknown"), ("../keys/ca.pem", "route_unknown"), ("%2e%2e/keys/ca.pem", "route_unknown"),
        ("a" * 64 + "/-1", "route_unknown"), ("a" * 64 + "/1_0", "route_unknown"), ("A" * 64, "route_unknown"),
        ("a" * 64 + "/" + "9" * 13, "route_unknown"), ("a" * 64 + "/01", "route_unknown"),
        ("a" * 64, "release_unknown"), ("a" * 64 + "/0", "release_unknown"),
        ("a" * 64 + "/999999999999", "release_unknown"),
    ],
)  # fmt: skip
def test_nothing_but_releases_is_served(enrol: Enrol, rest: str, reason: str) -> None:
    assert enrol().ask("GET", f"/agent/v1/releases/{rest}").reason == reason


def test_strangers_get_neither_releases_nor_tasks(node: Any) -> None:
    sha256 = keep(node.layout.releases, b"archive")
    for path in (f"/agent/v1/releases/{sha256}", f"/agent/v1/releases/{sha256}/0", "/agent/v1/tasks"):
        assert node.ask("GET", path).reason == "certificate_missing"


def test_a_host_gets_its_own_tasks_and_its_receipts_name_the_newest(node: Any, enrol: Enrol, wait_for: Any) -> None:
    agent, other = enrol(), enrol()
    key = load_signing_key(node.layout.tasks_key)
    order = TaskOrder(
        id=secrets.token_hex(16), type="upgrade", tenant="default", host=agent.id, issued=now(), expires=now() + HOUR,
        parameters=msgspec.Raw(b"{}"),
    )  # fmt: skip
    assert agent.send(1, 1).json()["tasks"] == 0
    with node.state.write() as db:
        tasks.add(db, order, sign=lambda one: sign_task(one, key))
    firsts = iter(range(2, 1000))
    number = wait_for(lambda: agent.send(first := next(firsts), first).json()["tasks"], bool)
    assert number > 0
    assert other.send(1, 1).json()["tasks"] == 0
    assert msgspec.json.decode(other.ask("GET", "/agent/v1/tasks").body, type=TaskList).tasks == []
    (document,) = msgspec.json.decode(agent.ask("GET", "/agent/v1/tasks").body, type=TaskList).tasks
    pem = agent.reply["keys"]["tasks"]
    assert read_task(document, pem, tenant="default", host=agent.id).id == order.id
    with node.state.read() as db:
        assert tasks.get(db, order.id).state == "sent"


def test_more_pieces_than_may_be_read_at_once_are_told_to_come_back(tmp_path: Path) -> None:
    hold = threading.Event()

    class Slow(ReleaseFiles):
        def piece(self, sha256: str, offset: int, most: int) -> bytes | None:
            hold.wait(20)
            return super().piece(sha256, offset, most)

    sha256 = keep(tmp_path, b"archive")

    async def ask() -> list[Any]:
        with ThreadPoolExecutor(1) as reader:
            routes = ReleaseRoutes(Slow(tmp_path), reader)
            asked = [routes.answer(f"{sha256}/0") for _ in range(AT_ONCE + 1)]
            asyncio.get_running_loop().call_later(0.1, hold.set)
            return await asyncio.gather(*asked, return_exceptions=True)

    answers = asyncio.run(ask())
    refused = [one for one in answers if isinstance(one, Refused)]
    assert [(one.reason, one.retry_after > 0) for one in refused] == [("releases_busy", True)]
    assert len([one for one in answers if isinstance(one, tuple)]) == AT_ONCE
