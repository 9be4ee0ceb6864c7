"""The buffer's SQLite file: schema, opening, and what to do with a file that is damaged."""

import logging
import secrets
import sqlite3
from pathlib import Path

import msgspec

from vedette.agent.core.passing import Passing
from vedette.runtime.clock import Clock
from vedette.runtime.errors import ConfigError, SpoolFull
from vedette.runtime.files import fsync_directory

log = logging.getLogger(__name__)

SCHEMA = (
    """
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    version INTEGER NOT NULL,
    epoch TEXT NOT NULL,
    agent TEXT NOT NULL,       -- whose stream it is; another identity needs another epoch
    next INTEGER NOT NULL,     -- sequence number of the next event
    expired INTEGER NOT NULL,  -- events that left unsent
    losses TEXT NOT NULL,      -- JSON: event type -> lost before the buffer
    alive INTEGER NOT NULL,    -- last time that the agent is known to have run
    clean INTEGER NOT NULL,    -- 1: the agent stopped in order
    passing TEXT NOT NULL,     -- JSON: what is known of the time that passed
    aged TEXT NOT NULL,        -- JSON: event type -> left unsent because it was too old
    overflowed TEXT NOT NULL,  -- JSON: event type -> left unsent because the buffer was full
    throttled TEXT NOT NULL    -- JSON: event type/policy -> left out by the budget before the buffer
) STRICT
""",
    """
CREATE TABLE batch (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    kept INTEGER NOT NULL,     -- buffer time
    offline INTEGER NOT NULL,  -- 1: certainly never sent, so its boundaries may still change, 2: joined once
    facts BLOB NOT NULL,
    crc INTEGER NOT NULL,
    payload BLOB NOT NULL
) STRICT
""",
    # The rows are large: without these, finding a live batch reads a page for each batch of a backlog.
    "CREATE INDEX batch_kept ON batch (kept, first)",
    "CREATE INDEX batch_never_sent ON batch (first) WHERE offline = 1",
)
VERSION = 3
_TO_2 = (
    "ALTER TABLE state ADD COLUMN passing TEXT NOT NULL DEFAULT ''",
    "ALTER TABLE state ADD COLUMN aged TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE state ADD COLUMN overflowed TEXT NOT NULL DEFAULT '{}'",
    "UPDATE state SET version = 2",
)
_TO_3 = (
    "ALTER TABLE state ADD COLUMN throttled TEXT NOT NULL DEFAULT '{}'",
    "UPDATE state SET version = 3",
)
UPGRADES = {1: (*_TO_2, *_TO_3), 2: _TO_3}
"""Version of a file -> what brings it up."""
_SELECT = """
SELECT version, epoch, agent, next, expired, losses, alive, clean, passing, aged, overflowed, throttled FROM state
"""
_INSERT = """
INSERT INTO state VALUES (1, :version, :epoch, :agent, :next, :expired, :losses, :alive, :clean, :passing, :aged,
    :overflowed, :throttled)
"""
_SAVE = """
UPDATE state SET epoch = :epoch, agent = :agent, next = :next, expired = :expired, losses = :losses, alive = :alive,
    clean = :clean, passing = :passing, aged = :aged, overflowed = :overflowed,
    throttled = :throttled
"""
_COUNTS = ("losses", "aged", "overflowed", "throttled")
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The row of `state`; counts are since the epoch began."""

    version: int = VERSION
    epoch: str
    agent: str
    next: int = 1
    expired: int = 0
    losses: dict[str, int] = {}
    alive: int
    clean: bool = False
    passing: Passing
    aged: dict[str, int] = {}
    overflowed: dict[str, int] = {}
    throttled: dict[str, int] = {}


def save(db: sqlite3.Connection, state: State) -> None:
    """Write the state; in the caller's transaction."""
    db.execute(_SAVE, _values(state))


def _values(state: State) -> dict[str, object]:
    values = msgspec.structs.asdict(state)
    texts = {name: msgspec.json.encode(values[name]).decode() for name in (*_COUNTS, "passing")}
    return values | texts


class BufferDamagedError(Exception):
    """The file is no database any more; `open_file` makes a new one."""


def open_file(path: Path, clock: Clock, agent: str) -> tuple[sqlite3.Connection, State, str]:
    """Open or make the buffer at `path`: connection, state, and why telemetry may be missing ("" = it is not).

    The reasons are `unclean_stop` and `buffer_corrupt`; a damaged file is set aside, not removed.
    Raises ConfigError when another agent has the file, SpoolFull when it cannot be written.
    """
    reason = ""
    alive = clock()
    if path.exists():
        try:
            db, state = _existing(path)
        except BufferDamagedError as error:
            alive = int(path.stat().st_mtime * 1_000_000)
            log.error("buffer damaged, set aside problem=%s", error)  # noqa: TRY400 - the trace says nothing more
            set_aside(path, clock())
            reason = "buffer_corrupt"
        else:
            return db, state, "" if state.clean else "unclean_stop"
    state = State(epoch=new_epoch(), agent=agent, alive=alive, passing=Passing(clock(), clock()))
    return _new(path, state), state, reason


def new_epoch() -> str:
    """Draw the name of a new stream."""
    return secrets.token_hex(8)


def set_aside(path: Path, now: int) -> None:
    """Move a damaged buffer out of the way; only the last one is kept, for disk's sake."""
    for old in path.parent.glob(f"{path.name}.damaged-*"):
        old.unlink()
    path.rename(path.with_name(f"{path.name}.damaged-{now}"))
    for suffix in ("-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    fsync_directory(path.parent)


def translate(error: sqlite3.Error | OSError, path: Path) -> Exception:
    """Give the error that a caller can act on: damaged, in use, or not writable now."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _DAMAGED:
        return BufferDamagedError(str(error))
    if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return ConfigError(f"{path} is in use: another agent runs with this data directory")
    return SpoolFull(f"{path}: {error}")


def _connect(path: Path) -> sqlite3.Connection:
    path.touch(mode=0o600)
    db = sqlite3.connect(path, timeout=2, isolation_level=None, check_same_thread=False)
    # One process owns the file. Said first: then no shared-memory file is made, which a full disk would refuse.
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # before anything is written, else it has no effect
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA journal_size_limit = 8388608")
    db.execute("PRAGMA cache_size = -4096")
    return db


def _existing(path: Path) -> tuple[sqlite3.Connection, State]:
    db: sqlite3.Connection | None = None
    try:
        db = _connect(path)
        return db, _read_state(db)
    except (sqlite3.Error, OSError, msgspec.MsgspecError, BufferDamagedError) as error:
        if db is not None:
            db.close()
        if not isinstance(error, sqlite3.Error | OSError) or "no such" in str(error):  # a table or column is missing
            raise BufferDamagedError(str(error)) from error
        raise translate(error, path) from error


def _read_state(db: sqlite3.Connection) -> State:
    """Read the state and note that the agent runs; a file of an older version is brought up first."""
    db.execute("BEGIN IMMEDIATE")
    (version,) = db.execute("SELECT version FROM state").fetchone() or (0,)
    if not 1 <= version <= VERSION:
        raise BufferDamagedError(f"version {version} of the file is not known here")
    for statement in UPGRADES.get(version, ()):
        db.execute(statement)
    cursor = db.execute(_SELECT)
    names = [column[0] for column in cursor.description]
    values = dict(zip(names, cursor.fetchone(), strict=True))
    for name in _COUNTS:
        values[name] = msgspec.json.decode(values[name], type=dict[str, int])
    values["clean"] = bool(values["clean"])
    passing = values["passing"]
    values["passing"] = (
        msgspec.json.decode(passing, type=Passing) if passing else Passing(values["alive"], values["alive"])
    )
    state = State(**values)
    problem = "ok" if state.clean else db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise BufferDamagedError(problem)
    db.execute("UPDATE state SET clean = 0")
    db.execute("COMMIT")
    return state


def _new(path: Path, state: State) -> sqlite3.Connection:
    try:
        db = _connect(path)
        db.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA:
            db.execute(statement)
        db.execute(_INSERT, _values(state))
        db.execute("COMMIT")
    except (sqlite3.Error, OSError) as error:
        raise translate(error, path) from error
    fsync_directory(path.parent)
    return db
