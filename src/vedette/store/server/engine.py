"""The embedded engine (chDB): connections, each owned by one thread, and the directory's lock.

chDB allows one process a directory and one statement at a time on a connection; several connections of one
process run in parallel. Never its `send_insert`: that reports success on a full disk.
"""

import fcntl
import json
import logging
import os
import re
import tempfile
import threading
from collections.abc import Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlencode

from vedette.runtime.errors import StoreError
from vedette.store import event_table, hour_table
from vedette.store.event_table import DATABASE
from vedette.store.server.new_parts import NewParts

DEFAULTS: Mapping[str, str] = {
    "max_execution_time": "60",
    "max_memory_usage": str(2**30),
    "session_timezone": "UTC",
    "async_insert": "0",
}
"""Settings of every statement that names no others: seconds, bytes."""

CACHES: Mapping[str, int] = {
    "mark_cache_size": 256 * 2**20,
    "primary_index_cache_size": 128 * 2**20,
    "index_mark_cache_size": 128 * 2**20,
}
"""Bytes of the engine's caches; its own defaults are 5 GiB each."""

WHOLE_RESULT_LIMIT = 256 * 2**20
"""Bytes of a result in a format that cannot be sent block by block."""

LOOK_SECONDS = 5.0
"""Between looks at merged parts; those from which they were made stay for 8 minutes."""

log = logging.getLogger(__name__)

# Formats whose blocks may be joined into one valid result; the rest carry a header or footer for each block.
STREAMED_FORMATS = frozenset({"Native", "TabSeparated", "TSV", "CSV", "RowBinary", "JSONEachRow"})


class EngineError(StoreError):
    """The engine refused or failed; `code` is ClickHouse's number (0 when it gave none)."""

    def __init__(self, message: str) -> None:
        found = re.search(r"Code: (\d+)\.", message)
        self.code = int(found[1]) if found else 0
        super().__init__(message[found.start() :] if found else message)


def lock_directory(path: Path) -> IO[str]:
    """Take `path` for this process; keep the returned file open. Raises StoreError if another process has it."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = (path / "lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        owner = file.read().strip() or "unknown"
        file.close()
        raise StoreError(f"the event store in {path} is in use by another process (pid {owner})") from None
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()
    return file


class Connection:
    """One chDB connection. Every method must be called from the one thread that made it."""

    def __init__(self, path: Path, memory: int) -> None:
        """Open `path`; the engine as a whole may use `memory` bytes (the first connection's word counts)."""
        from chdb.state.sqlitelike import Connection as Engine

        options = urlencode({**CACHES, "max_server_memory_usage": memory})
        try:
            self._connection: Any = Engine(f"{path}?{options}")
        except Exception as error:
            raise StoreError(f"the event store in {path} cannot be opened: {error}") from error
        self._settings: dict[str, str] = {}
        self.parts = NewParts(self._rows)
        self._run(f"CREATE DATABASE IF NOT EXISTS {DATABASE}")
        self._run(f"USE {DATABASE}")

    def _run(self, text: str, form: str = "TabSeparated", parameters: Mapping[str, str] | None = None) -> Any:
        try:
            return self._connection.query(text, form, params=dict(parameters or {}))
        except Exception as error:
            raise EngineError(str(error)) from error

    def _rows(self, text: str) -> list[list[Any]]:
        return [json.loads(line) for line in self._run(text, "JSONCompactEachRow").bytes().splitlines()]

    def _apply(self, settings: Mapping[str, str]) -> None:
        """Make the connection's settings equal to DEFAULTS and `settings`; only differences are sent."""
        wanted = {**DEFAULTS, **settings}
        changes = [f"{name} = {_quoted(value)}" for name, value in wanted.items() if self._settings.get(name) != value]
        changes += [f"{name} = DEFAULT" for name in self._settings if name not in wanted]
        if changes:
            self._settings = {}  # unknown if the next line fails
            self._run("SET " + ", ".join(changes))
            self._settings = wanted

    def execute(
        self, text: str, *, form: str, parameters: Mapping[str, str], settings: Mapping[str, str], tag: str
    ) -> bytes:
        """Run a statement and give its whole result."""
        bound = {"max_result_bytes": str(WHOLE_RESULT_LIMIT), "result_overflow_mode": "throw"}
        self._apply({**bound, **settings, _TAG: tag})
        return bytes(self._run(text, form, parameters).bytes())

    def stream(
        self, text: str, *, form: str, parameters: Mapping[str, str], settings: Mapping[str, str], tag: str
    ) -> Generator[bytes, None, None]:
        """Yield a result block by block; closing the generator cancels the query."""
        self._apply({**settings, _TAG: tag})
        try:
            result = self._connection.send_query(text, form, params=dict(parameters))
        except Exception as error:
            raise EngineError(str(error)) from error
        try:
            while True:
                try:
                    block = next(result, None)
                except Exception as error:
                    raise EngineError(str(error)) from error
                if block is None:
                    return
                yield block.bytes()
        finally:
            result.close()

    def insert(self, text: str, *, form: str, data: bytes, settings: Mapping[str, str]) -> int:
        """Run `text` (INSERT INTO table [columns]) over `data`; gives the rows written."""
        self._apply(_INSERTING | {name: value for name, value in settings.items() if name not in _TOKENS})
        tokens = ", ".join(f"{name} = {_quoted(settings[name])}" for name in _TOKENS if name in settings)
        clause = f" SETTINGS {tokens}" if tokens else ""
        try:
            with _as_file(data) as path:
                done = self._run(f"{text} FROM INFILE {_quoted(path)}{clause} FORMAT {form}")
        finally:  # also what failed may have left a part of one of its tables
            self.parts.look_at_inserted()
        return int(done.rows_written())

    def prepare(self) -> None:
        """Make the event table, or add what the table of an older version lacks."""
        self._run(event_table.create_table())
        columns = "SELECT name FROM system.columns WHERE table = {table:String} AND database = currentDatabase()"
        present = self._run(columns, parameters={"table": event_table.TABLE}).bytes().decode()
        if changes := event_table.add_columns(present.split()):
            self._run(changes)
        if self._run(f"EXISTS TABLE {hour_table.HOURS}").bytes().strip() != b"1":
            for statement in hour_table.build():
                self._run(statement)
        self._run(hour_table.create_feed())
        self.parts.trust_present()

    def set_aside(self) -> list[Path]:
        """Give the folders of the parts that the engine has set aside at a start because they are not whole."""
        return [Path(path) for (path,) in self._rows(_SET_ASIDE)]

    def table_functions(self) -> frozenset[str]:
        """Lower-case names of all table functions of this engine."""
        names = self._run("SELECT lower(name) FROM system.table_functions").bytes().decode()
        return frozenset(names.split())

    def kill(self, tag: str) -> None:
        """Stop the statement that another connection runs under `tag`; no matter if it has ended."""
        self._run(f"KILL QUERY WHERE Settings['{_TAG}'] = {_quoted(tag)} ASYNC")

    def close(self) -> None:
        """Give the connection back."""
        self._connection.close()


_SET_ASIDE = f"SELECT path FROM system.detached_parts WHERE reason = 'broken-on-start' AND database = '{DATABASE}'"  # noqa: S608 - the text is a constant

# A segment is one block: more threads only hand it to one another (-10 % of an insert's CPU).
_INSERTING = {"max_threads": "1", "max_insert_threads": "1"}

# Names a statement for `kill`. A comment in its text does not: with bound values the engine lists the text anew.
_TAG = "log_comment"

# Given with the statement and not with SET: a token must never stay for the next insert.
_TOKENS = ("insert_deduplication_token",)


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


class _as_file:  # noqa: N801 - reads as the with statement it is made for
    """`data` under a path that the engine can read: memory on Linux, else a file in TMPDIR (on the data disk)."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __enter__(self) -> str:
        if hasattr(os, "memfd_create"):
            self._file: IO[bytes] = os.fdopen(os.memfd_create("insert"), "wb")
            path = f"/proc/self/fd/{self._file.fileno()}"
        else:
            self._file = tempfile.NamedTemporaryFile(prefix="insert-")
            path = str(self._file.name)
        self._file.write(self._data)
        self._file.flush()
        return path

    def __exit__(self, *_: object) -> None:
        self._file.close()


class Lane:
    """A connection with the thread that owns it."""

    def __init__(self, path: Path, memory: int, name: str) -> None:
        self.pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self.connection = self.pool.submit(Connection, path, memory).result()

    def close(self) -> None:
        """Wait for the statement in progress, then close."""
        self.pool.submit(self.connection.close).result()
        self.pool.shutdown()


class Engine:
    """Lanes on one directory: some for reading, one for inserts and definitions, one to stop statements."""

    def __init__(self, path: Path, *, readers: int = 4, writers: int = 1, memory: int = 0) -> None:
        """Take `path`. `memory`: bytes for the engine, 0 = half of the host's. Raises StoreError."""
        if "?" in str(path):
            raise StoreError(f"the data directory {path} must not have a question mark in its name")
        self.lock = lock_directory(path)
        memory = memory or max(2**30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
        self.control = Lane(path / "engine", memory, "control")
        self.writers = [Lane(path / "engine", memory, f"writer-{n}") for n in range(writers)]
        self.readers = [Lane(path / "engine", memory, f"reader-{n}") for n in range(readers)]
        self.table_functions = self.control.pool.submit(self.control.connection.table_functions).result()
        self._closing = threading.Event()
        self._watch = threading.Thread(target=self._look_at_merged, name="parts", daemon=True)

    def prepare(self) -> None:
        """Make the event table, or add what the table of an older version lacks; then watch over the parts."""
        for lane in self.writers:
            lane.pool.submit(lane.connection.prepare).result()
        self._watch.start()

    def set_aside(self) -> list[Path]:
        """Give the folders of the parts that the engine has set aside at a start because they are not whole."""
        return self.control.pool.submit(self.control.connection.set_aside).result()

    def _look_at_merged(self) -> None:
        while not self._closing.wait(LOOK_SECONDS):
            try:
                self.control.pool.submit(self.control.connection.parts.look_at_all).result()
            except EngineError:
                log.exception("the parts could not be looked at")

    def close(self) -> None:
        """Finish what runs, close all, free the directory."""
        self._closing.set()
        if self._watch.is_alive():
            self._watch.join()
        for lane in (*self.readers, *self.writers, self.control):
            lane.close()
        self.lock.close()
