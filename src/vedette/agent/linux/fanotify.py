"""fanotify: what happens to the files of whole file systems, with folder, name and PID. fanotify(7), linux/fanotify.h.

Files are told by handles, which stay true after a rename. A PID is told without a start time; the table of processes
knows whose it was, so no pidfd is asked for: it costs 2 us an event and is missing for a process that has ended.
"""

import ctypes
import errno
import os
from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from vedette.runtime.errors import ProbeError

ATTRIB, CLOSE_WRITE, MOVED_FROM, MOVED_TO, CREATE, DELETE = 0x4, 0x8, 0x40, 0x80, 0x100, 0x200
OPEN_EXEC, OVERFLOW, RENAME, ON_FOLDER = 0x1000, 0x4000, 0x10000000, 0x40000000
_CLOEXEC_NONBLOCK: Final = 0x3
_UNLIMITED_MARKS: Final = 0x20
_REPORT_NAMES: Final = 0xE00  # FAN_REPORT_FID | FAN_REPORT_DIR_FID | FAN_REPORT_NAME, Linux 5.9
_REPORT_TARGETS: Final = 0x1000  # FAN_REPORT_TARGET_FID, Linux 5.17, as is FAN_RENAME
_MARK_ADD, _MARK_FILESYSTEM = 0x1, 0x100
_AT_FDCWD: Final = -100
_READ_BYTES: Final = 1 << 17
_METADATA: Final = Struct("=IBBHQii")
_INFO: Final = Struct("=BBH")
_HANDLE: Final = Struct("=Ii")
_VERSION: Final = 3
_FILE, _FOLDER_AND_NAME, _FOLDER, _OLD_NAME, _NEW_NAME = 1, 2, 3, 10, 12
_PATH_FLAGS: Final = os.O_PATH | os.O_CLOEXEC

_libc = ctypes.CDLL(None, use_errno=True)


class Entry(NamedTuple):
    """A name in a folder; `folder` is a key as in `Notice.target`."""

    folder: bytes
    name: bytes


class Notice(NamedTuple):
    """One event. `target`: number of the file system (8 bytes) and handle of the file, b"" when it is not told."""

    mask: int
    pid: int
    entry: Entry | None = None
    new: Entry | None = None
    """Of a rename: the name that it got; `entry` is the one that it had."""
    target: bytes = b""


def parse(data: bytes) -> Iterator[Notice]:
    """Read what the kernel gave; what breaks the format ends it. Raises ProbeError for another version of it."""
    offset = 0
    while offset + _METADATA.size <= len(data):
        length, version, _, head, mask, _, pid = _METADATA.unpack_from(data, offset)
        if version != _VERSION:
            raise ProbeError(f"the kernel speaks version {version} of fanotify, {_VERSION} is known here")
        end = offset + length
        if head < _METADATA.size or length < head or end > len(data):
            return
        yield _notice(data[offset + head : end], mask, pid)
        offset = end


def _notice(info: bytes, mask: int, pid: int) -> Notice:
    entry = new = None
    target = b""
    offset = 0
    while offset + 20 <= len(info):
        kind, _, length = _INFO.unpack_from(info, offset)
        size, _ = _HANDLE.unpack_from(info, offset + 12)
        end, name = offset + length, offset + 20 + size
        if length < 20 or end > len(info) or name > end:
            break
        key = info[offset + 4 : name]
        if kind == _FILE:
            target = key
        elif kind in {_FOLDER_AND_NAME, _OLD_NAME}:
            entry = Entry(key, info[name:end].partition(b"\0")[0])
        elif kind == _NEW_NAME:
            new = Entry(key, info[name:end].partition(b"\0")[0])
        offset = end
    return Notice(mask, pid, entry, new, target)


class Group:
    """A fanotify group. Raises ProbeError when the kernel refuses, or is older than Linux 5.9."""

    def __init__(self) -> None:
        self.targets = True
        """Whether the file of each event, and renames as one event, are told (Linux 5.17)."""
        try:
            self._handle = _init(_REPORT_NAMES | _REPORT_TARGETS)
        except OSError:
            self.targets = False
            try:
                self._handle = _init(_REPORT_NAMES)
            except OSError as error:
                raise ProbeError(f"fanotify with names is refused: {error.strerror}") from error

    def fileno(self) -> int:
        """Give the handle, for poll."""
        return self._handle

    def mark(self, point: bytes, mask: int) -> bytes:
        """Watch the file system at `point` for `mask`; gives its number as events tell it. Raises OSError."""
        result = _libc.fanotify_mark(
            self._handle, ctypes.c_uint(_MARK_ADD | _MARK_FILESYSTEM), ctypes.c_uint64(mask), _AT_FDCWD, point
        )
        if result:
            raise _error()
        return os.statvfs(point).f_fsid.to_bytes(8, "little")

    def read(self) -> bytes:
        """Give events, as the kernel writes them; nothing when there are none. Raises ProbeError."""
        try:
            return os.read(self._handle, _READ_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise ProbeError(f"fanotify cannot be read any more: {error.strerror}") from error

    def close(self) -> None:
        """Stop watching."""
        os.close(self._handle)


def open_key(mount: int, key: bytes) -> int:
    """Open the file of `key` (for its path and facts only); `mount`: an open folder of its file system.

    Raises OSError; ESTALE when it is gone.
    """
    handle = ctypes.create_string_buffer(key[8:], len(key) - 8)
    opened: int = _libc.open_by_handle_at(mount, handle, _PATH_FLAGS)
    if opened < 0:
        raise _error()
    return opened


def _init(report: int) -> int:
    handle: int = _libc.fanotify_init(
        ctypes.c_uint(_CLOEXEC_NONBLOCK | _UNLIMITED_MARKS | report), ctypes.c_uint(os.O_RDONLY | os.O_CLOEXEC)
    )
    if handle < 0:
        raise _error()
    return handle


def _error() -> OSError:
    number = ctypes.get_errno() or errno.EIO
    return OSError(number, os.strerror(number))
