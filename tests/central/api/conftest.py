"""An API on loopback over a real state database; the event store is what a test says."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from argon2 import PasswordHasher
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI
from tests.query.conftest import arrow

from vedette.central.api.app import build
from vedette.central.api.connection import BoundedProtocol
from vedette.central.api.parts import Keys, Limits, Parts
from vedette.query.statement import Statement
from vedette.runtime.clock import DAY
from vedette.schema.access import RIGHTS, Role
from vedette.schema.policies import Settings, SignedSettings
from vedette.store.columns import ipc_stream
from vedette.store.event_table import create_table
from vedette.store.events import EventStore
from vedette.store.objects import ObjectFiles
from vedette.store.releases import ReleaseFiles
from vedette.store.state import (
    State,
    accounts,
    audit,
    groups,
    migrate,
    open_state,
    passwords,
    settings,
    sqlite_url,
    tokens,
)
from vedette.wire.release import sign_manifest
from vedette.wire.task import sign_task

START = 1_800_000_000_000_000
PASSWORD = "correct horse battery"
PINNED = {"tasks": "the tasks key", "updates": "the updates key"}
AUDIT_KEY = b"audit key of the test"


def sign(body: bytes) -> SignedSettings:
    """Sign as a test can check."""
    return SignedSettings(body=body, signature=b"signed", key_id="k")


class TheClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        return self.now


def nothing(statement: Statement) -> list[tuple[Any, ...]]:
    """Give what an empty store answers."""
    return [(0, [])] if statement.columns == ("count", "hosts") else []


class FakeStore:
    """Answers statements with the rows that `answer` gives; remembers them."""

    def __init__(self) -> None:
        self.asked: list[Statement] = []
        self.answer: Callable[[Statement], list[tuple[Any, ...]]] = nothing

    def __call__(self, statement: Statement) -> list[tuple[Any, ...]]:
        self.asked.append(statement)
        return self.answer(statement)


class Api:
    """A served API and what is behind it."""

    def __init__(self, state: State, clock: TheClock, store: FakeStore, limits: Limits, releases: Path) -> None:
        self.state, self.clock, self.store = state, clock, store
        self.signer = Ed25519PrivateKey.generate()
        keys = Keys(
            audit=AUDIT_KEY,
            sign=sign,
            sign_task=lambda order: sign_task(order, self.signer),
            sign_release=lambda manifest: sign_manifest(manifest, self.signer),
            pinned=PINNED,
            ca_fingerprint="f" * 32,
        )
        self.releases = ReleaseFiles(releases)
        self.objects = ObjectFiles(releases.parent / "objects", b"k" * 32)
        self.objects.folder.mkdir()
        self.parts = Parts(
            state=state, keys=keys, events=store, releases=self.releases, objects=self.objects,
            clock=clock, limits=limits,
        )  # fmt: skip
        self.app = build(self.parts)
        self.url = ""
        self._clients: list[httpx.Client] = []

    def client(self, token: str = "") -> httpx.Client:
        """Give a client; with `token` it sends it."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx.Client(base_url=self.url + "/api/v1", headers=headers, timeout=20, trust_env=False)
        self._clients.append(client)
        return client

    def account(self, name: str, role: Role, *, tenants: tuple[str, ...] = ("default",)) -> accounts.Account:
        """Make an account that has chosen its password, PASSWORD."""
        kept = passwords.hashed(PASSWORD)
        with self.state.write() as db:
            account = accounts.create(db, name, role=role, password_hash=kept, now=self.clock(), tenants=tenants)
            accounts.set_password(db, account.id, kept, must_change=False)
        return account

    def token(self, account: accounts.Account) -> str:
        """Make an API token with all rights of the account."""
        rights = [right.value for right in RIGHTS[account.role]]
        with self.state.write() as db:
            return tokens.create_api(db, account.id, name="test", rights=rights, now=self.clock(), valid=DAY)[1]

    def caller(self, role: Role, *, tenants: tuple[str, ...] = ("default",)) -> httpx.Client:
        """Give a client with the rights of `role`."""
        name = f"{role.value}-{'-'.join(tenants)}"
        return self.client(self.token(self.account(name, role, tenants=tenants)))

    def signed_in(self, name: str, password: str = PASSWORD) -> httpx.Client:
        """Give a client with a session cookie and the CSRF header, as a browser's page has them."""
        client = self.client()
        answer = client.post("/login", json={"name": name, "password": password})
        assert answer.status_code == 200, answer.text
        # The cookie is Secure, and the test speaks plain HTTP: carry it by hand.
        client.headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
        client.headers["X-Vedette-CSRF"] = answer.json()["csrf"]
        return client

    def audited(self) -> list[audit.Entry]:
        """Give the audit log, oldest first, and see that it is whole."""
        with self.state.read() as db:
            verified = audit.verify(db, AUDIT_KEY)
            assert verified.whole or not verified.entries, verified
            return [audit.get(db, number) for number in range(1, verified.entries + 1)]

    def close(self) -> None:
        """Close what was opened."""
        for client in self._clients:
            client.close()


class Served:
    """A server in a thread, for as long as the block lasts."""

    def __init__(self, app: FastAPI) -> None:
        self._server = uvicorn.Server(
            uvicorn.Config(app, http=BoundedProtocol, lifespan="off", log_config=None, ws="none")
        )
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        asyncio.run(self._server.serve(sockets=[self._listener]))

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(10)
        self._listener.close()


@pytest.fixture(autouse=True)
def cheap_hashing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hash passwords in microseconds: the cost of Argon2 is not what these tests are about."""
    monkeypatch.setattr(passwords, "_HASHER", PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the bytes of a fresh database with a group and its settings."""
    path = tmp_path_factory.mktemp("migrated") / "state.sqlite"
    migrate(sqlite_url(path))
    state = open_state(sqlite_url(path))
    with state.write() as db:
        groups.ensure(db, "default", "default", now=1)
        settings.publish(db, Settings(), tenant="default", sign=sign, now=1)
    state.close()
    return path.read_bytes()


class RealStore:
    """A store process; the rows of a test are in a tenant of its own."""

    def __init__(self, data: Path, port: int) -> None:
        password = (data / "run" / "store-password").read_text().strip()
        self.events = EventStore(f"http://127.0.0.1:{port}", password)
        self.events.command(create_table())
        self._inserts = 0

    def ask(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Run a statement."""
        return self.events.query(statement.sql, statement.parameters, statement.settings)

    def insert(self, rows: list[dict[str, Any]], *, tenant: str = "") -> str:
        """Store rows; give their tenant, a new one unless it is named."""
        self._inserts += 1
        tenant = tenant or f"tenant{self._inserts}"
        data = ipc_stream(arrow([row | {"tenant": tenant} for row in rows]))
        self.events.insert(data, token=f"insert {self._inserts}")
        return tenant


def listening(ready: Path) -> bool:
    """Whether the port that the file names is served."""
    try:
        socket.create_connection(("127.0.0.1", int(ready.read_text())), timeout=5).close()
    except (OSError, ValueError):
        return False
    return True


@pytest.fixture(scope="session")
def real_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealStore]:
    """Run a store process for the tests of hunting."""
    data = tmp_path_factory.mktemp("node")
    command = [sys.executable, "-m", "vedette.store.server", "--data", str(data), "--port", "0"]
    with (data / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        ready, deadline = data / "run" / "store.ready", time.monotonic() + 60
        while not listening(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                pytest.fail(f"the store process did not start: {(data / 'log').read_text()}")
            time.sleep(0.05)
        yield RealStore(data, int(ready.read_text()))
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture
def limits() -> Limits:
    """Give the limits of the served API; a test file may give others."""
    return Limits()


@pytest.fixture
def api(tmp_path: Path, migrated: bytes, limits: Limits) -> Iterator[Api]:
    """Serve an API over its own state."""
    path = tmp_path / "state.sqlite"
    path.write_bytes(migrated)
    state = open_state(sqlite_url(path))
    (tmp_path / "releases").mkdir()
    served = Api(state, TheClock(), FakeStore(), limits, tmp_path / "releases")
    with Served(served.app) as url:
        served.url = url
        yield served
        served.close()
    state.close()
