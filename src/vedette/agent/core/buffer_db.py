"""The buffer's open file: what is done in it holds as a whole or not at all; a damaged file is replaced by a new one.

Its state (see `buffer_file`) is saved with every change: numbers, counts of what was lost, and the time that passed.
"""

import logging
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import msgspec

from vedette.agent.core import buffer_rows as rows
from vedette.agent.core.buffer_file import BufferDamagedError, State, open_file, save, set_aside, translate
from vedette.agent.core.losses import Losses
from vedette.agent.core.passing import Boot, Passing, confirm, look
from vedette.agent.core.reserve import Reserve
from vedette.runtime.clock import Clock
from vedette.runtime.errors import SpoolFull
from vedette.schema.entities import Gap

log = logging.getLogger(__name__)

T = TypeVar("T")
Action = Callable[[sqlite3.Connection], T]
_SPARE_PAGES = 1024
"""Free pages (4 KiB) that the file may keep."""


class BufferDb:
    """The file at `path`; safe for several threads. `opened` is called whenever a file was opened or made."""

    def __init__(
        self, path: Path, clock: Clock, *, boot: Callable[[], Boot], agent: str, opened: Callable[[], None]
    ) -> None:
        self.path, self._clock, self._boot, self._agent, self._opened = path, clock, boot, agent, opened
        self.lock = threading.RLock()
        self.losses, self.throttled = Losses(), Losses()
        self.reserve = Reserve(path.with_name("reserve"))
        self.gaps: list[Gap] = []
        """Which telemetry is missing, not told yet."""
        self.batches = self.events = self.bytes = 0
        """What the file holds."""
        self._closed = False

    def open(self) -> None:
        """Open or make the file. Raises ConfigError, SpoolFull as `open_file`."""
        try:
            self.connection, self.state, reason = open_file(self.path, self._clock, self._agent)
        except SpoolFull:
            if not self.reserve.take():
                raise
            self.connection, self.state, reason = open_file(self.path, self._clock, self._agent)
        self.reserve.make()
        self.losses.restart(self.state.losses)
        self.throttled.restart(self.state.throttled)
        self.batches, self.events, self.bytes = rows.totals(self.connection)
        self._closed = False
        if reason:
            self.gaps.append(Gap(reason=reason, start=self.state.alive, end=self._clock()))
        self._opened()

    def close(self) -> None:
        """Close the file in order."""
        with self.lock:
            self.write(lambda _db: None, clean=True)
            self.connection.close()

    def passing(self) -> Passing:
        """Give what is known of time now."""
        return look(self.state.passing, self._clock(), self._boot())

    def confirm_time(self, server: int) -> None:
        """Take note of the Central Node's time, just received; written down with whatever is written next."""
        with self.lock:
            self.state = msgspec.structs.replace(self.state, passing=confirm(self.passing(), server))

    def write(self, action: Action[object], **changes: Any) -> None:
        """Do `action` and save the state with its `changes` in one durable transaction; all of it holds or nothing.

        Raises SpoolFull when it cannot be written, and when the file was damaged and a new one was started.
        """
        with self.lock:
            counts = {"losses": self.losses.totals(), "throttled": self.throttled.totals()}
            now = counts | {"alive": self._clock(), "clean": False, "passing": self.passing()}
            state: State = msgspec.structs.replace(self.state, **now | changes)
            self.read(lambda db: _transaction(db, action, state))
            self.state = state

    def read(self, action: Action[T]) -> T:
        """Do `action`; a damaged file is replaced by a new one, and the caller told by SpoolFull to try again."""
        if self._closed:  # there was no room for a new file
            self._begin_anew()
        try:
            return action(self.connection)
        except sqlite3.Error as error:
            problem = translate(error, self.path)
            if isinstance(problem, BufferDamagedError):
                log.error("buffer damaged, set aside problem=%s", error)  # noqa: TRY400 - the trace adds nothing
                self._closed = True
                self.connection.close()
                now = self._clock()
                self.gaps.append(Gap(reason="buffer_corrupt", start=now, end=now, count=self.events))
                set_aside(self.path, now)
                self._begin_anew()
            raise problem from error

    def _begin_anew(self) -> NoReturn:
        """Make a new file. Raises SpoolFull in any case: what the caller was doing belongs to the old one."""
        self.open()
        raise SpoolFull("the buffer was damaged; a new one was started", retry_after=0)

    def give_back(self) -> None:
        """Give pages that are not needed any more back to the file system."""
        spare = self.connection.execute("PRAGMA freelist_count").fetchone()[0]
        if spare > 2 * _SPARE_PAGES:
            # `execute` would stop after the first page.
            self.connection.executescript(f"PRAGMA incremental_vacuum({spare - _SPARE_PAGES})")


def _transaction(db: sqlite3.Connection, action: Action[object], state: State) -> None:
    db.execute("BEGIN IMMEDIATE")
    try:
        action(db)
        save(db, state)
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
