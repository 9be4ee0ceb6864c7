"""The state database: transactions, privacy, revisions."""

import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text

import vedette.store.state.migrations as scripts
from vedette.runtime.errors import StoreError
from vedette.store.state import State, migrate, open_state, sqlite_url
from vedette.store.state.database import REVISION

COUNT = text("SELECT count(*) FROM segment")
INSERT = text("INSERT INTO segment (number, settled, stored, dead_letter) VALUES (:number, 0, 0, 0)")


def test_the_code_names_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(scripts.__path__[0])))
    config.set_main_option("path_separator", "os")
    assert ScriptDirectory.from_config(config).get_current_head() == REVISION


def test_a_database_that_is_absent_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no state database"):
        open_state(sqlite_url(tmp_path / "none.sqlite"))
    assert not (tmp_path / "none.sqlite").exists()


def test_a_database_of_another_revision_is_refused(state_path: Path) -> None:
    with sqlite3.connect(state_path) as plain:
        plain.execute("UPDATE alembic_version SET version_num = '9999'")
    plain.close()
    with pytest.raises(StoreError, match="revision 9999"):
        open_state(sqlite_url(state_path))


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(StoreError):
        open_state(sqlite_url(tmp_path / "state.sqlite"))


def test_migrating_twice_changes_nothing_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "new" / "state.sqlite"
    migrate(sqlite_url(path))
    migrate(sqlite_url(path))
    assert path.stat().st_mode & 0o777 == 0o600
    open_state(sqlite_url(path)).close()


def test_a_failed_write_leaves_nothing(state: State) -> None:
    with suppress(ZeroDivisionError), state.write() as db:
        db.execute(INSERT, {"number": 1})
        raise ZeroDivisionError
    with state.read() as db:
        assert db.execute(COUNT).scalar_one() == 0


def test_sqlite_is_durable(state_path: Path) -> None:
    state = open_state(sqlite_url(state_path))
    with state.write() as db:
        assert db.execute(text("PRAGMA synchronous")).scalar_one() == 2
        assert db.execute(text("PRAGMA journal_mode")).scalar_one() == "wal"
    state.close()


def test_readers_do_not_wait_for_writers_and_see_what_is_committed(state: State) -> None:
    with state.write() as db:
        db.execute(INSERT, {"number": 1})
        with state.read() as other:
            assert other.execute(COUNT).scalar_one() == 0
    with state.read() as db:
        assert db.execute(COUNT).scalar_one() == 1


def test_a_read_sees_one_moment(state: State) -> None:
    with state.read() as db:
        assert db.execute(COUNT).scalar_one() == 0
        with state.write() as other:
            other.execute(INSERT, {"number": 1})
        assert db.execute(COUNT).scalar_one() == 0


def test_a_write_holds_the_turn_from_its_beginning(state_path: Path) -> None:
    state = open_state(sqlite_url(state_path))
    with state.write():
        other = sqlite3.connect(state_path, timeout=0, isolation_level=None)
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN IMMEDIATE")
        other.close()
    state.close()
