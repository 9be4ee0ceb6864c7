"""A few MiB of the disk that are kept back: the engine wants to write a little even to remove a day."""

import contextlib
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 16 << 20
"""Bytes. The engine reserves 1 MiB for the empty part that takes the place of what it removes."""

log = logging.getLogger(__name__)


class Reserve:
    """The file that holds the place. Raises no error: without a place to give, work is tried all the same."""

    def __init__(self, path: Path, size: int = SIZE) -> None:
        self._path, self._size = path, size

    def fill(self) -> None:
        """Take the place, unless it is taken or the disk has less than twice as much."""
        with contextlib.suppress(FileNotFoundError):
            if self._path.stat().st_blocks * 512 >= self._size:
                return
        disk = os.statvfs(self._path.parent)
        if disk.f_bavail * disk.f_frsize < 2 * self._size:
            return
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size)
            finally:
                os.close(handle)
        except OSError as error:
            log.warning("no space can be kept back: %s", error)

    @contextmanager
    def given(self) -> Iterator[None]:
        """Give the place for the time of the block, and take it again after."""
        self._path.unlink(missing_ok=True)
        try:
            yield
        finally:
            self.fill()
