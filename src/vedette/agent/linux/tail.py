"""New bytes of a log file."""

from pathlib import Path
from typing import Final

LARGEST: Final = 1 << 20
"""Bytes read at once."""


class Tail:
    """New bytes of a file that only grows; one that was rotated or cut is read from its start."""

    def __init__(self, path: Path, unit: int = 1) -> None:
        self._path, self._unit = path, unit
        self._offset, self._inode = 0, 0

    def skip(self) -> None:
        """Go on from the end."""
        try:
            at = self._path.stat()
        except OSError:
            return
        self._offset, self._inode = at.st_size // self._unit * self._unit, at.st_ino

    def resume(self, position: str) -> bool:
        """Go on at a position that `position` gave; says whether the file is still that one."""
        inode, _, offset = position.partition(":")
        try:
            at = self._path.stat()
        except OSError:
            return False
        if not offset.isdecimal() or str(at.st_ino) != inode or int(offset) > at.st_size:
            return False
        self._offset, self._inode = int(offset), at.st_ino
        return True

    def position(self, behind: int = 0) -> str:
        """Give where it is, less `behind` bytes."""
        return f"{self._inode}:{max(0, self._offset - behind)}"

    def read(self) -> bytes:
        """Give the whole units that are new."""
        try:
            at = self._path.stat()
            if at.st_ino != self._inode or at.st_size < self._offset:
                self._offset, self._inode = 0, at.st_ino
            if at.st_size < self._offset + self._unit:
                return b""
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read(LARGEST // self._unit * self._unit)
        except OSError:
            return b""
        data = data[: len(data) // self._unit * self._unit]
        self._offset += len(data)
        return data
