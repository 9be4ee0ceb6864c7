"""What of a data directory belongs into a backup, piece by piece.

Whatever is not named here as apart is copied as it is, so that what a later version adds is not forgotten.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from vedette.central.backup.manifest import BackupError, leads_inside
from vedette.central.layout import Layout
from vedette.store.event_table import DATABASE

TOKENS = "deduplication_logs"
"""The folder of each table that says which inserts the engine has had."""
FROZEN = "vedette_backup"
"""The name under which the engine freezes its parts: letters and _, as it writes others in another way."""

_PASSING = ("tmp", "delete_tmp", "detached", "moving")
"""Beginnings of names of folders in a table that are no parts of it."""


class Piece(msgspec.Struct, frozen=True):
    """One file to copy: `name` is its path in the data directory; `source` is its content or where that is."""

    name: str
    source: Path | bytes

    @property
    def size(self) -> int:
        """Bytes, as they are now."""
        return len(self.source) if isinstance(self.source, bytes) else self.source.stat().st_size


class Link(msgspec.Struct, frozen=True):
    """A symbolic link to make again."""

    name: str
    target: str


def plain(layout: Layout) -> Iterator[Piece]:
    """Give what only ever is replaced whole: keys, certificates, settings. Raises BackupError."""
    left_out = (layout.run, layout.compiled, layout.copying, layout.restoring)
    apart = {path.name for path in (*left_out, layout.store, *_linked(layout))}
    state = layout.state_file.name
    apart |= {state, f"{state}-wal", f"{state}-shm", f"{state}-journal"}
    for top in sorted(layout.data.iterdir()):
        if top.name not in apart and not top.name.startswith("."):
            yield from _all_below(layout.data, top)


def copied(layout: Layout) -> Iterator[Piece]:
    """Give what `moment` has linked: the spool's segments, dead letters, objects and releases."""
    for top in _linked(layout):
        folder = layout.copying / top.name
        for piece in _all_below(folder, folder):
            yield Piece(f"{top.name}/{piece.name}", piece.source)


def _linked(layout: Layout) -> tuple[Path, ...]:
    return (layout.spool, layout.dead_letter, layout.objects, layout.releases)


def store(layout: Layout, *, at_rest: bool) -> Iterator[Piece | Link]:
    """Give the files of the event store but for the tokens: its parts as they are frozen, or lie there at rest."""
    engine = layout.engine
    for folder, folders, files in os.walk(engine):
        here = Path(folder)
        depth = len(here.relative_to(engine).parts)
        if depth == 0:
            folders[:] = [name for name in folders if name not in {"shadow", "tmp"}]
        elif depth == 3:  # store/abc/abcdef...: a table; below are its parts
            folders[:] = [name for name in folders if at_rest and not name.startswith((*_PASSING, TOKENS))]
        for name in (*folders, *files):
            path = here / name
            if path.is_symlink():
                yield Link(_name(layout.data, path), str(path.readlink()))
            elif name in files:
                yield Piece(_name(layout.data, path), path)
    shadow = layout.engine / "shadow" / FROZEN
    if not at_rest:
        for piece in _all_below(shadow, shadow):
            yield Piece(_name(layout.data, engine / piece.name), piece.source)


def frozen(layout: Layout, table: str) -> Path:
    """Give the folder of the frozen parts of a table. Raises OSError or ValueError."""
    place = (layout.engine / "data" / DATABASE / table).resolve(strict=True)
    return layout.engine / "shadow" / FROZEN / place.relative_to(layout.engine.resolve())


def tokens(layout: Layout) -> dict[str, bytes]:
    """Read which inserts each table has had."""
    return {
        _name(layout.data, path): path.read_bytes() for path in sorted(layout.engine.glob(f"store/*/*/{TOKENS}/*.txt"))
    }


def _all_below(root: Path, top: Path) -> Iterator[Piece]:
    if top.is_file():
        yield Piece(_name(root, top), top)
        return
    for folder, folders, files in os.walk(top):
        folders.sort()
        for name in sorted((*folders, *files)):
            path = Path(folder) / name
            if name in files and name.startswith("."):
                continue  # write_atomic is at it
            if path.is_symlink():
                raise BackupError(
                    f"{path} is a symbolic link, which a backup does not follow: put the file itself there"
                )
            if name in files and path.is_file():
                yield Piece(_name(root, path), path)


def _name(root: Path, path: Path) -> str:
    return path.relative_to(root).as_posix()


def is_good(link: Link) -> bool:
    """Whether a link stays in the data directory."""
    return leads_inside(link.name, link.target)
