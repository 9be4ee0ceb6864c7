"""The connection to the state database: SQLite by default, PostgreSQL by URL.

SQLite runs in WAL mode with synchronous=FULL: a committed transaction survives a power cut. A write takes
the lock when it begins (BEGIN IMMEDIATE), so it waits for its turn instead of failing half-way.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import DataError, OperationalError, SQLAlchemyError

from vedette.runtime.errors import ConfigError, StoreError

REVISION = "0007"
"""The revision of the tables that this code reads and writes (the newest in `migrations/versions`)."""

_BUSY_TIMEOUT_SECONDS = 15.0
_WRITE_OPTION = "vedette_write"


class State:
    """The state database: `read()` and `write()` give a connection inside one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give one consistent view. Raises StoreError when the database cannot be reached."""
        with self._transaction(write=False) as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give the turn to write: commits when the block ends, rolls back on any error."""
        with self._transaction(write=True) as db:
            yield db

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self, *, write: bool) -> Iterator[Connection]:
        try:
            with self._engine.connect() as plain:
                db = plain.execution_options(**{_WRITE_OPTION: write})
                with db.begin():
                    yield db
        except OperationalError as error:
            raise StoreError(f"the state database refused: {error.orig}") from error
        except DataError as error:
            raise ConfigError("this holds characters or numbers that the state cannot keep") from error


def sqlite_url(path: Path) -> str:
    """Give the URL of a SQLite file."""
    return f"sqlite:///{path}"


def connect(url: str) -> Engine:
    """Build the engine for `url` with the settings that each database needs; connects to nothing yet."""
    if make_url(url).get_backend_name() != "sqlite":
        return create_engine(url, isolation_level="READ COMMITTED", pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": _BUSY_TIMEOUT_SECONDS})
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def open_state(url: str) -> State:
    """Open a database that `migrate` has prepared.

    Raises StoreError when it is absent, unreachable, or of another revision than this code.
    """
    address = make_url(url)
    if address.get_backend_name() == "sqlite" and not Path(address.database or "").is_file():
        raise StoreError(f"there is no state database at {address.database}; `vedette central` makes it")
    engine = connect(url)
    try:
        with engine.connect() as db:
            found = db.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    except SQLAlchemyError as error:
        engine.dispose()
        raise StoreError(f"the state database cannot be opened: {error}") from error
    if found != REVISION:
        engine.dispose()
        raise StoreError(
            f"the state database is at revision {found}, this version of Vedette needs {REVISION}; "
            "`vedette central` upgrades it when it starts"
        )
    return State(engine)


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin where _begin_sqlite says, not at the first write
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITE_OPTION, True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
