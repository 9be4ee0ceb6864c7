"""State databases of each kind: a SQLite file, and a database of a PostgreSQL server that the tests start."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.postgresql import PostgreSQL, empty, fetch

from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.state import State, migrate, open_state, sqlite_url


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Give the bytes of a fresh database, so that each test need not migrate its own."""
    path = tmp_path_factory.mktemp("migrated") / "state.sqlite"
    migrate(sqlite_url(path))
    return path.read_bytes()


@pytest.fixture
def state_path(tmp_path: Path, migrated: bytes) -> Path:
    """Give the path of this test's own database."""
    path = tmp_path / "state.sqlite"
    path.write_bytes(migrated)
    return path


@pytest.fixture(scope="session")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give the URL of a migrated PostgreSQL database that is the tests' own."""
    fetch()
    server = PostgreSQL(tmp_path_factory.mktemp("state") / "pg", "fsync=off")
    server.start()
    try:
        migrate(server.url())
        yield server.url()
    finally:
        server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest) -> str:
    """Give the URL of this test's own database, of each kind."""
    if request.param == "sqlite":
        return sqlite_url(request.getfixturevalue("state_path"))
    url: str = request.getfixturevalue("postgresql")
    empty(url)
    return url


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    """Give this test's own open database."""
    opened = open_state(state_url)
    yield opened
    opened.close()


@pytest.fixture
def everything() -> Scope:
    """Give an administrator's scope in the default tenant."""
    return Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])
