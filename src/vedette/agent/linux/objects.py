"""Opens the file that an event speaks of, wherever its process sees it."""

import errno
import os
import re
import stat
from collections.abc import Iterator
from functools import lru_cache

from vedette.schema.entities import File, Process

_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK


def open_object(process: Process, file: File, *, program: bool) -> Iterator[int]:
    """Give handles that may be of this file, best first; the one who takes them closes them.

    `program`: it is what the process runs, or loaded, and is found even without a name. Raises OSError when
    there is none; the error is that of the last place.
    """
    problem: OSError = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    given = False
    for place in places(process, file, program=program):
        try:
            handle = _open(place)
        except OSError as error:
            problem = error
            continue
        given = True
        yield handle
    if not given:
        raise problem


def places(process: Process, file: File, *, program: bool) -> list[bytes]:
    """Give the names under which the agent may find a file."""
    root = b""
    if process.mount_namespace not in (None, 0, own_mount_namespace()):
        root = b"/proc/%d/root" % (process.pid or 0)
    raw = os.fsencode(file.path or "")
    found = [root + raw] if raw.startswith(b"/") else []
    if raw.startswith(b"/") and _ESCAPED.search(raw):
        found.append(root + _ESCAPED.sub(lambda match: bytes([int(match[1], 16)]), raw))
    if program and process.pid and process.file is not None and process.file.path == file.path:
        found.append(b"/proc/%d/exe" % process.pid)
    return found


@lru_cache(maxsize=1)
def own_mount_namespace() -> int:
    """Inode number of the mount namespace of this process."""
    return os.stat("/proc/self/ns/mnt").st_ino  # noqa: PTH116 - a link that is no path


def _open(place: bytes) -> int:
    # Not through a link, not waiting for the writer of a pipe, not touching the access time.
    flags = _FLAGS | (0 if place.endswith(b"/exe") else os.O_NOFOLLOW)
    try:
        handle = os.open(place, flags | os.O_NOATIME)
    except PermissionError:
        handle = os.open(place, flags)
    if stat.S_ISREG(os.fstat(handle).st_mode):
        return handle
    os.close(handle)
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
