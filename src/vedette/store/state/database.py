"""The connection to the state database: SQLite by default, PostgreSQL by URL.

SQLite runs in WAL mode with synchronous=FULL: a committed transaction survives a power cut. A write takes
the lock when it begins (BEGIN IMMEDIATE), so it waits for its turn instead of failing half-way.

PostgreSQL gives the same two promises: a read sees one moment (REPEATABLE READ), and writers take turns, by an
advisory lock that goes with the transaction or its connection. So no transaction fails because of another one, and
none needs to be done again (docs/decisions/0046).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoConnectionFree

from vedette.runtime.errors import ConfigError, StoreError

REVISION = "0011"
"""The revision of the tables that this code reads and writes (the newest in `migrations/versions`)."""

_BUSY_TIMEOUT_SECONDS = 15.0
_WRITE_OPTION = "vedette_write"

_TURN = 0x7665646574746501
"""The advisory lock of whoever writes; one for each PostgreSQL database."""

_SESSION = {
    "synchronous_commit": "on",  # a server's default may be off, and then a power cut takes what was acknowledged
    "lock_timeout": f"{_BUSY_TIMEOUT_SECONDS:.0f}s",
    "idle_in_transaction_session_timeout": "60s",  # a client that hangs must not keep the turn
    "timezone": "UTC",
}

_CONNECTION = {
    "application_name": "vedette",
    "connect_timeout": 10,
    # A server that vanished without a word is noticed in half a minute, not after two hours.
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


_READING = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


class State:
    """The state database: `read()` and `write()` give a connection inside one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        reading = {} if engine.dialect.name == "sqlite" else _READING
        self._reader = engine.execution_options(**{_WRITE_OPTION: False}, **reading)
        self._writer = engine.execution_options(**{_WRITE_OPTION: True})

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Give one consistent view. Raises StoreError when the database cannot be reached."""
        with _transaction(self._reader) as db:
            yield db

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Give the turn to write: commits when the block ends, rolls back on any error.

        Raises StoreError. It may be that the commit was made and only its answer was lost (PostgreSQL): what is
        written again must then change nothing.
        """
        with _transaction(self._writer) as db:
            yield db

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()


@contextmanager
def _transaction(engine: Engine) -> Iterator[Connection]:
    try:
        with engine.connect() as db, db.begin():
            yield db
    except (OperationalError, InterfaceError, InternalError) as error:
        raise StoreError(f"the state database refused: {error.orig}") from error
    except NoConnectionFree as error:
        raise StoreError("the state database is busy: every connection to it is in use") from error
    except DataError as error:
        raise ConfigError("this holds characters or numbers that the state cannot keep") from error


def sqlite_url(path: Path) -> str:
    """Give the URL of a SQLite file."""
    return f"sqlite:///{path}"


def connect(url: str) -> Engine:
    """Build the engine for `url` with the settings that each database needs; connects to nothing yet.

    Raises ConfigError when the state cannot be kept in what `url` names.
    """
    address = _address(url)
    if address.get_backend_name() == "sqlite":
        engine = create_engine(address, connect_args={"timeout": _BUSY_TIMEOUT_SECONDS})
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    engine = _postgresql(address)
    event.listen(engine, "begin", _begin_postgresql)
    return engine


def _address(url: str) -> URL:
    try:
        address = make_url(url)
        kind = f"{address.get_backend_name()}+{address.get_driver_name()}"
    except ArgumentError:
        kind = "nothing that is known here"
    if kind not in {"sqlite+pysqlite", "postgresql+psycopg"}:
        raise ConfigError(
            f"state_url names {kind}; the state is kept in SQLite (sqlite:///PATH) or in PostgreSQL "
            "(postgresql+psycopg://USER:PASSWORD@HOST/DATABASE)"
        )
    return address


def _postgresql(address: URL) -> Engine:
    options = [str(address.query.get("options", "")), *(f"-c {name}={value}" for name, value in _SESSION.items())]
    connection = {**_CONNECTION, "options": " ".join(options).strip()}
    try:
        return create_engine(address, isolation_level="READ COMMITTED", pool_pre_ping=True, connect_args=connection)
    except ImportError as error:
        raise ConfigError("the state in PostgreSQL needs psycopg: install vedette[postgresql]") from error


def open_state(url: str) -> State:
    """Open a database that `migrate` has prepared.

    Raises StoreError when it is absent, unreachable, or of another revision than this code; ConfigError as `connect`.
    """
    address = _address(url)
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


def _begin_postgresql(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITE_OPTION, True):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_TURN})")
