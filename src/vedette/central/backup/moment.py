"""One moment of a running Central Node: state, event store and spool as a crash at that moment would leave them.

While the state's turn to write is held here, no segment can be settled. So each segment either was settled before,
and then its rows are stored and its numbers known; or it stays in the spool until the turn is given back. Its rows
may be stored or not: the store's tokens, which are taken at the same moment, say so when it comes again. Nothing else
needs to stop: agents get receipts, searches run, the pipeline works on until it wants to settle.
"""

import contextlib
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from vedette.central.backup import contents
from vedette.central.backup.contents import FROZEN, Piece
from vedette.central.layout import Layout
from vedette.runtime.errors import StoreError
from vedette.store.event_table import TABLE
from vedette.store.events import EventStore
from vedette.store.state import State

FREEZE_SECONDS = 60.0
"""How long to try for parts and tokens that fit each other."""

Do = Callable[[Callable[[EventStore], Any]], Any]


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """What was taken at the moment beside what is frozen and linked on the disk."""

    pieces: tuple[Piece, ...]
    """Small files, by content."""
    state: sqlite3.Connection
    """Sees the state as it was."""
    paused: float
    """Seconds that nothing could be settled."""


@contextmanager
def taken(layout: Layout, state: State, store: Do | None) -> Iterator[Moment]:
    """Give the present moment; `store` is None when the node is at rest. Raises StoreError or OSError."""
    clear(layout)
    frost = None if store is None else Frost(layout, store)
    with contextlib.closing(sqlite3.connect(layout.state_file, isolation_level=None)) as reader:
        try:
            if frost is not None:
                frost.take_changes()  # nearly all, while nobody waits
            _link_objects(layout)
            with state.write():
                began = time.monotonic()
                tokens = contents.tokens(layout) if frost is None else frost.complete()
                spool = _spool(layout)
                _link_objects(layout)
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_master").fetchone()  # from here on it sees this moment
                paused = time.monotonic() - began
            if frost is not None:
                frost.count()
            pieces = tuple(Piece(name, data) for name, data in (tokens | spool).items())
            yield Moment(pieces=pieces, state=reader, paused=paused)
        finally:
            clear(layout)


class Frost:
    """Freezes the event store partition by partition, those again that have changed."""

    def __init__(self, layout: Layout, store: Do) -> None:
        self._layout, self._store = layout, store
        self._events = 0

    def take_changes(self) -> None:
        """Freeze each partition of which not the very parts are frozen that it has now. Raises StoreError."""
        wanted: dict[tuple[str, str], set[str]] = {}
        for part in self._store(lambda store: store.active_parts()):
            wanted.setdefault((part.table, part.partition), set()).add(part.name)
        for (table, partition), names in wanted.items():
            there = list(contents.frozen(self._layout, table).glob(f"{partition}_*"))
            if {path.name for path in there} != names:
                for path in there:
                    shutil.rmtree(path)
                self._freeze(table, partition)

    def _freeze(self, table: str, partition: str) -> None:
        self._store(lambda store: store.freeze(table, partition, FROZEN))

    def complete(self) -> dict[str, bytes]:
        """Freeze the rest while nothing can be settled; gives the tokens that fit what is frozen. Raises StoreError.

        A statement that freezes waits until no insert runs, as both take the store's one connection for writing. If
        no token came from before until after, all parts are there that the tokens speak of, and no others.
        """
        deadline = time.monotonic() + FREEZE_SECONDS
        while True:
            before = contents.tokens(self._layout)
            self.take_changes()
            self._events = self._store(lambda store: store.query("SELECT count() FROM event"))[0][0]
            if contents.tokens(self._layout) == before:
                return before
            if time.monotonic() > deadline:
                raise StoreError("the event store did not come to rest between two inserts; try again")

    def count(self) -> None:
        """See that every event is frozen: an engine that freezes something else must not pass. Raises StoreError."""
        parts = contents.frozen(self._layout, TABLE).glob("*/count.txt")
        frozen = sum(int(path.read_bytes()) for path in parts)
        if frozen != self._events:
            raise StoreError(f"the event store has {self._events} events but froze {frozen}: this cannot be a backup")


def clear(layout: Layout) -> None:
    """Remove what holds the place of parts and segments that are gone meanwhile, also what a crash left of it."""
    for folder in (layout.engine / "shadow" / FROZEN, layout.copying):
        shutil.rmtree(folder, ignore_errors=True)


def _spool(layout: Layout) -> dict[str, bytes]:
    """Link the segments; give the small files.

    What says which numbers are known goes first, because what is in no segment must not be known: the log before the
    snapshot that takes its place. The next number goes last: it must be above that of every segment seen.
    """
    known = _contents(layout.spool, "streams.log") | _contents(layout.spool, "streams")
    folder = layout.copying / layout.spool.name
    folder.mkdir(mode=0o700, parents=True)
    for path in layout.spool.glob("*.open"):
        with contextlib.suppress(FileNotFoundError):  # sealed meanwhile
            (folder / path.name).write_bytes(path.read_bytes())
    for path in _link_all(layout.spool, folder, "*.seg"):
        path.with_suffix(".open").unlink(missing_ok=True)
    letters, again = layout.dead_letter, layout.dead_letter / "again"
    for source in (again, letters, again):  # what moves between them is in one of the looks
        _link_all(source, layout.copying / letters.name / source.relative_to(letters), "*.*")
    return known | _contents(layout.spool, "next")


def _link_objects(layout: Layout) -> None:
    """Link what is named by its content, as far as that is not done: what the state speaks of must be there."""
    for top in (layout.objects, layout.releases):
        for folder, _, _ in os.walk(top):
            _link_all(Path(folder), layout.copying / top.name / Path(folder).relative_to(top), "*")


def _contents(folder: Path, name: str) -> dict[str, bytes]:
    path = folder / name
    return {f"{folder.name}/{name}": path.read_bytes()} if path.exists() else {}


def _link_all(source: Path, folder: Path, pattern: str) -> list[Path]:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    linked = []
    for path in source.glob(pattern):
        if path.name.startswith(".") or not path.is_file():
            continue
        target = folder / path.name
        with contextlib.suppress(FileNotFoundError, FileExistsError):
            try:
                os.link(path, target)
            except OSError as error:
                if isinstance(error, (FileNotFoundError, FileExistsError)):
                    raise
                shutil.copy2(path, target)  # on another file system
            linked.append(target)
    return linked
