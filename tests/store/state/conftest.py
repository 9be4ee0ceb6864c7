"""A state database in a temporary file; with VEDETTE_TEST_POSTGRESQL (a URL) every test runs there as well."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text

from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.state import State, migrate, open_state, sqlite_url
from vedette.store.state.database import connect

POSTGRESQL = os.environ.get("VEDETTE_TEST_POSTGRESQL", "")


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


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRESQL else [])])
def state_url(request: pytest.FixtureRequest, state_path: Path) -> str:
    """Give the URL of this test's own database, of each kind that is there."""
    return sqlite_url(state_path) if request.param == "sqlite" else fresh_postgresql(POSTGRESQL)


@pytest.fixture
def state(state_url: str) -> Iterator[State]:
    """Give this test's own open database."""
    opened = open_state(state_url)
    yield opened
    opened.close()


def fresh_postgresql(url: str) -> str:
    """Empty the database and make its tables anew."""
    engine = connect(url)
    with engine.begin() as db:
        db.execute(text("DROP SCHEMA public CASCADE"))
        db.execute(text("CREATE SCHEMA public"))
    engine.dispose()
    migrate(url)
    return url


@pytest.fixture
def everything() -> Scope:
    """Give an administrator's scope in the default tenant."""
    return Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])
