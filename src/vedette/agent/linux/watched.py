"""The file systems that fanotify watches, and the paths of the handles that it tells."""

import contextlib
import os
import select
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from vedette.agent.linux.fanotify import Entry, Group, open_key
from vedette.agent.linux.mounts import parse, unwatched, watchable

MOUNTS: Final = Path("/proc/self/mountinfo")
KEPT: Final = 8192
"""Folders whose path is remembered."""
_DELETED: Final = b" (deleted)"


class Watched:
    """Marks what can be marked, also what is mounted later; finds paths. One thread uses it."""

    def __init__(self, group: Group, mask: int) -> None:
        self._group, self._mask = group, mask
        self.refused: dict[str, str] = {}
        self.unwatched: dict[str, str] = {}
        self._points: dict[bytes, bytes] = {}
        self._open: dict[bytes, int] = {}
        self._folders: dict[bytes, bytes] = {}
        self._mounts = MOUNTS.open("rb")
        self._changes = select.poll()
        self._changes.register(self._mounts, select.POLLPRI)
        self._mark()

    def __len__(self) -> int:
        return len(self._points)

    def follow(self) -> None:
        """Mark what was mounted meanwhile."""
        if self._changes.poll(0):
            self.forget()
            self._mark()

    def forget(self) -> None:
        """Forget all paths: a folder got another name."""
        self._folders.clear()

    @contextlib.contextmanager
    def round(self) -> Iterator[None]:
        """Keep folders of the file systems open meanwhile; kept for longer they would be busy when unmounted."""
        try:
            yield
        finally:
            for handle in self._open.values():
                os.close(handle)
            self._open.clear()

    def path(self, entry: Entry) -> bytes | None:
        """Give the full path of a name; None when its folder is gone and was never seen."""
        folder = self._folders.get(entry.folder)
        if folder is None:
            try:
                handle = self.open(entry.folder)
            except OSError:
                return None
            try:
                folder = os.readlink(b"/proc/self/fd/%d" % handle).removesuffix(_DELETED)  # noqa: PTH115 - bytes
            finally:
                os.close(handle)
            self.learn(entry.folder, folder)
        return b"/" + entry.name if folder == b"/" else folder + b"/" + entry.name

    def learn(self, folder: bytes, path: bytes) -> None:
        """Remember the path of a folder."""
        if len(self._folders) >= KEPT:
            self._folders.clear()
        self._folders[folder] = path

    def open(self, key: bytes) -> int:
        """Open a file for its facts; inside `round`. Raises OSError when it is gone."""
        system = key[:8]
        mount = self._open.get(system)
        if mount is None:
            point = self._points.get(system)
            if point is None:
                raise FileNotFoundError
            mount = self._open[system] = os.open(point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return open_key(mount, key)

    def close(self) -> None:
        """Let go of the list of mounts."""
        self._mounts.close()

    def _mark(self) -> None:
        self._mounts.seek(0)
        mounts = parse(self._mounts.read())
        self.unwatched, points = unwatched(mounts), dict[bytes, bytes]()
        self.refused.clear()
        for mount in watchable(mounts):
            try:
                points[self._group.mark(mount.point, self._mask)] = mount.point
            except OSError as error:
                where = mount.point.decode("utf-8", "backslashreplace")
                self.refused[f"fanotify {where}"] = f"{error.strerror} ({mount.type})"
        self._points = points
