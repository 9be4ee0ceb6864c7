"""Every revision's tables, with rows in each of them, come to the newest revision and lose nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Connection, Integer, LargeBinary, MetaData, Table, insert, select

import vedette.store.state.migrations as scripts
from vedette.store.state import migrate, open_state, sqlite_url
from vedette.store.state.database import REVISION, connect

# Tables are read back for their columns only.
pytestmark = pytest.mark.filterwarnings("ignore:Skipped unsupported reflection of expression-based index")

Rows = dict[str, dict[str, Any]]


def config() -> Config:
    made = Config()
    made.set_main_option("script_location", str(Path(scripts.__path__[0])))
    made.set_main_option("path_separator", "os")
    return made


REVISIONS = sorted(one.revision for one in ScriptDirectory.from_config(config()).walk_revisions())


@contextmanager
def at_revision(path: Path, revision: str) -> Iterator[Connection]:
    """Bring the database to a revision, whatever the code needs, and give a connection in a transaction."""
    engine = connect(sqlite_url(path))
    with engine.connect() as db, db.begin():
        made = config()
        made.attributes["connection"] = db
        command.upgrade(made, revision)
        yield db
    engine.dispose()


def tables(db: Connection) -> list[Table]:
    """Give the tables, those that others refer to first."""
    metadata = MetaData()
    metadata.reflect(db)
    return [table for table in metadata.sorted_tables if table.name != "alembic_version"]


def value(column: Any) -> object:
    """Give a value of the column's type; the same text in every key, so that rows refer to each other."""
    if isinstance(column.type, LargeBinary):
        return b"\0\xff"
    if isinstance(column.type, (BigInteger, Integer)):
        return 7
    default = str(column.server_default.arg).strip("'") if column.server_default is not None else ""
    return default if default[:1] in {"{", "["} else "some"


def fill(db: Connection, before: Rows) -> Rows:
    """Insert a row into every table that has none; gives all rows."""
    rows = dict(before)
    for table in tables(db):
        if table.name not in rows:
            rows[table.name] = {column.name: value(column) for column in table.columns}
            db.execute(insert(table).values(rows[table.name]))
    return rows


def check(db: Connection, rows: Rows) -> None:
    """See that every row is there, in its table and as it was."""
    present = {table.name: table for table in tables(db)}
    assert rows.keys() <= present.keys()
    for name, row in rows.items():
        (found,) = db.execute(select(present[name])).mappings()
        assert row.items() <= dict(found).items(), name


def test_revisions_follow_each_other_and_the_newest_is_the_code_s() -> None:
    assert [f"{number:04d}" for number in range(1, len(REVISIONS) + 1)] == REVISIONS
    assert REVISIONS[-1] == REVISION


@pytest.mark.parametrize("revision", REVISIONS)
def test_a_database_of_any_revision_is_brought_to_the_newest_with_its_rows(tmp_path: Path, revision: str) -> None:
    path = tmp_path / "state.sqlite"
    with at_revision(path, revision) as db:
        rows = fill(db, {})
        assert len(rows) >= 10
    migrate(sqlite_url(path))
    state = open_state(sqlite_url(path))
    with state.write() as db:
        check(db, rows)
        check(db, fill(db, rows))
    state.close()


def test_revisions_one_after_another_keep_what_each_had(tmp_path: Path) -> None:
    rows: Rows = {}
    for revision in REVISIONS:
        with at_revision(tmp_path / "state.sqlite", revision) as db:
            check(db, rows)
            rows = fill(db, rows)
    migrate(sqlite_url(tmp_path / "state.sqlite"))
    open_state(sqlite_url(tmp_path / "state.sqlite")).close()
