"""Disk space kept aside, so that a full disk does not also stop the buffer from getting smaller.

Deleting from a database needs room to write. On a full disk the reserve is given up once, for that; what was
delivered or expired can then go, and the reserve is made again when there is room.
"""

import contextlib
import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

SIZE = 4 << 20


class Reserve:
    """A file of `size` bytes that means nothing."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self._path, self._size = path, size

    def take(self) -> bool:
        """Give the space up; says whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        log.warning("disk full, reserve given up path=%s bytes=%d", self._path, self._size)
        return True

    def make(self) -> bool:
        """Have the space, if the disk has twice as much; says whether it is there."""
        try:
            if self._path.exists() and self._path.stat().st_size == self._size:
                return True
            free = os.statvfs(self._path.parent)
            if free.f_bavail * free.f_frsize < 2 * self._size:
                return False
            with self._path.open("wb") as file:
                self._path.chmod(0o600)
                os.posix_fallocate(file.fileno(), 0, self._size)
        except (OSError, AttributeError):  # no space after all, or a system without these calls
            with contextlib.suppress(OSError):
                self._path.unlink()
            return False
        return True
