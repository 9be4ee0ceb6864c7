"""The buffer's SQLite file: schema, opening, and what to do with a file that is damaged."""

import logging
import secrets
import sqlite3
from pathlib import Path
from typing import NamedTuple

import msgspec

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
    clean INTEGER NOT NULL     -- 1: the agent stopped in order
) STRICT
""",
    """
CREATE TABLE batch (
    first INTEGER PRIMARY KEY,
    last INTEGER NOT NULL,
    oldest INTEGER NOT NULL,
    kept INTEGER NOT NULL,
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
VERSION = 1
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class State(NamedTuple):
    """The row of `state`."""

    epoch: str
    agent: str
    next: int
    expired: int
    losses: dict[str, int]
    alive: int
    clean: bool


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
    db, state = _new(path, alive, agent)
    return db, state, reason


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


def translate(error: sqlite3.Error, path: Path) -> Exception:
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
    except (sqlite3.Error, msgspec.DecodeError, BufferDamagedError) as error:
        if db is not None:
            db.close()
        if not isinstance(error, sqlite3.Error) or "no such" in str(error):  # a table or column is missing
            raise BufferDamagedError(str(error)) from error
        raise translate(error, path) from error


def _read_state(db: sqlite3.Connection) -> State:
    """Read the state and note that the agent runs."""
    db.execute("BEGIN IMMEDIATE")
    row = db.execute("SELECT epoch, agent, next, expired, losses, alive, clean FROM state").fetchone()
    if row is None:
        raise BufferDamagedError("no state")
    epoch, agent, following, expired, losses, alive, clean = row
    state = State(
        epoch, agent, following, expired, msgspec.json.decode(losses, type=dict[str, int]), alive, bool(clean)
    )
    problem = "ok" if state.clean else db.execute("PRAGMA quick_check(1)").fetchone()[0]
    if problem != "ok":
        raise BufferDamagedError(problem)
    db.execute("UPDATE state SET clean = 0")
    db.execute("COMMIT")
    return state


def _new(path: Path, alive: int, agent: str) -> tuple[sqlite3.Connection, State]:
    state = State(new_epoch(), agent, 1, 0, {}, alive, clean=False)
    try:
        db = _connect(path)
        db.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA:
            db.execute(statement)
        db.execute("INSERT INTO state VALUES (1, ?, ?, ?, 1, 0, '{}', ?, 0)", (VERSION, state.epoch, agent, alive))
        db.execute("COMMIT")
    except sqlite3.Error as error:
        raise translate(error, path) from error
    fsync_directory(path.parent)
    return db, state
