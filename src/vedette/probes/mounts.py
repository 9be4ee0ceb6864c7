"""File systems of the kernel, opened without mounting anything on the host; and where one is mounted already.

A detached mount (fsopen, fsconfig, fsmount; Linux 5.2) serves where minimal hosts and containers have no mount: one
that an agent leaves behind would be a change of the host.
"""

import ctypes
import os
import re
from pathlib import Path

_FSOPEN, _FSCONFIG, _FSMOUNT = 430, 431, 432  # the same on every machine
_FSCONFIG_CMD_CREATE, _CLOEXEC = 6, 1

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def system_call(number: int, *arguments: object) -> int:
    """Make a system call that the C library has no name for. Raises OSError."""
    result = int(_libc.syscall(ctypes.c_long(number), *arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def detached(kind: bytes) -> int:
    """Give a descriptor of the root of a file system that is mounted nowhere. Raises OSError."""
    context = system_call(_FSOPEN, kind, _CLOEXEC)
    try:
        system_call(_FSCONFIG, context, _FSCONFIG_CMD_CREATE, None, None, 0)
        return system_call(_FSMOUNT, context, _CLOEXEC, 0)
    finally:
        os.close(context)


def mounted(kind: str, mounts: str) -> Path | None:
    """Where the root of a file system of this kind is mounted, by the text of /proc/PID/mountinfo."""
    for line in mounts.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) > 4 and fields[3] == "/" and after.split(" ", 1)[0] == kind:
            return Path(re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), fields[4]))
    return None


def control_groups() -> int:
    """Give a descriptor of the root of the unified control groups. Raises OSError where there are none.

    On hybrid hosts they are mounted in a corner, or nowhere. A mount that exists is preferred: another one would
    set the options of the first back, which belong to the whole hierarchy (`nsdelegate`).
    """
    place = mounted("cgroup2", Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))
    if place is not None:
        return os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    root = detached(b"cgroup2")
    try:
        return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=root)
    finally:
        os.close(root)
