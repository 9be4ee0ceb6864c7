"""Making a backup: one moment is taken, copied, and described last."""

import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import msgspec

from vedette.central.backup import contents, manifest
from vedette.central.backup.contents import Link, Piece
from vedette.central.backup.copying import copy, kept, need_room, new_folder, sync
from vedette.central.backup.manifest import BackupError, Kept, Manifest
from vedette.central.backup.moment import Moment, taken
from vedette.central.exclusive import exclusively
from vedette.central.layout import Layout
from vedette.central.settings import ROLES, load
from vedette.central.store_link import StoreAddress, StoreLink
from vedette.runtime.clock import Clock
from vedette.store.state import State, audit, open_state

WAIT_SECONDS = 60.0
"""For the removal of old events, which must not run meanwhile."""

Progress = Callable[[int, int], None]
"""Told bytes done and bytes in all, after each file."""


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup or a restore has done; `paused`: seconds that the node's pipeline could not settle."""

    folder: str
    made: int
    files: int
    bytes: int
    seconds: float
    paused: float = 0.0


def backup(data: Path, target: Path, *, clock: Clock, progress: Progress) -> Made:
    """Copy the Central Node in `data`, running or at rest, into `target`. Raises VedetteError or OSError."""
    layout, target = Layout(data), target.absolute()
    began = time.monotonic()
    _check(layout, target)
    with _undisturbed(layout), exclusively(layout.lock) as at_rest, new_folder(target):
        state = open_state(layout.state_url)
        try:
            _note(layout, state, target, clock)
            with taken(layout, state, None if at_rest else StoreLink(StoreAddress(layout)).do) as moment:
                made = clock()
                described = _copied(layout, target, moment, at_rest=at_rest, made=made, progress=progress)
        finally:
            state.close()
        sync(target)
        manifest.write(target, described)
    return Made(
        folder=str(target), made=made, files=len(described.files), bytes=described.size,
        seconds=time.monotonic() - began, paused=moment.paused,
    )  # fmt: skip


def _check(layout: Layout, target: Path) -> None:
    chosen = load(layout)
    if chosen.state_url not in {"", layout.state_url}:
        where = chosen.state_url.partition(":")[0]
        raise BackupError(
            f"the state of this Central Node is not in {layout.data} (state_url names {where}), so it cannot be copied "
            "in the same moment as the events: stop the node, then copy the database and the directory with their own "
            "tools"
        )
    if chosen.bus_url or chosen.store_url or set(chosen.roles) != set(ROLES):
        raise BackupError(
            f"the Central Node in {layout.data} shares the work with others (roles, store_url, bus_url), so no copy of "
            "its directory alone is whole: stop all nodes, then copy their directories, the store and the state with "
            "their own tools"
        )
    if not layout.state_file.is_file():
        raise BackupError(f"there is no Central Node in {layout.data}")
    if target.resolve().is_relative_to(layout.data.resolve()):
        raise BackupError(f"{target} is inside of what is copied: name a folder elsewhere, best on another disk")


@contextmanager
def _undisturbed(layout: Layout) -> Iterator[None]:
    """Let no events be removed, and no other backup be made, meanwhile."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        with exclusively(layout.upkeep_lock) as mine:
            if mine:
                yield
                return
        if time.monotonic() > deadline:
            raise BackupError("another backup, or the removal of old events, is under way: try again later")
        time.sleep(0.2)


def _note(layout: Layout, state: State, target: Path, clock: Clock) -> None:
    entry = audit.NewEntry(actor="central", via="backup", action="backup.make", target=str(target))
    with state.write() as db:
        audit.append(db, layout.audit_key.read_bytes(), entry, now=clock())


def _copied(layout: Layout, target: Path, moment: Moment, *, at_rest: bool, made: int, progress: Progress) -> Manifest:
    found = [*contents.plain(layout), *contents.copied(layout), *contents.store(layout, at_rest=at_rest)]
    pieces = [*(piece for piece in found if isinstance(piece, Piece)), *moment.pieces]
    links = [link for link in found if isinstance(link, Link)]
    for link in links:
        if not contents.is_good(link):
            raise BackupError(f"{layout.data / link.name} leads out of {layout.data}")
    total = sum(piece.size for piece in pieces) + layout.state_file.stat().st_size
    need_room(target, total)
    files = {layout.state_file.name: _copy_state(moment.state, target / layout.state_file.name)}
    files |= _copy_all(pieces, target, total=total, done=files[layout.state_file.name].size, progress=progress)
    return manifest.describe(files, {link.name: link.target for link in links}, made=made)


def _copy_state(source: sqlite3.Connection, target: Path) -> Kept:
    """Copy the state as `source` sees it."""
    target.touch(mode=0o600)
    with closing(sqlite3.connect(target)) as copied:
        source.backup(copied)
    return kept(target)


def _copy_all(pieces: Sequence[Piece], target: Path, *, total: int, done: int, progress: Progress) -> dict[str, Kept]:
    files = {}
    for piece in pieces:
        files[piece.name] = copy(piece, target)
        done += files[piece.name].size
        progress(done, total)
    return files
