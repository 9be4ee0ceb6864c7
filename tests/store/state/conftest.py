"""A state database in a temporary file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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


@pytest.fixture
def state(state_path: Path) -> Iterator[State]:
    """Give this test's own open database."""
    opened = open_state(sqlite_url(state_path))
    yield opened
    opened.close()


@pytest.fixture
def everything() -> Scope:
    """Give an administrator's scope in the default tenant."""
    return Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])
