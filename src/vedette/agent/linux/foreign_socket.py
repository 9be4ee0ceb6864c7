"""A socket of another process: what it is, asked of the socket itself. pidfd_getfd(2), Linux 5.6."""

import contextlib
import ctypes
import os
import socket
from collections.abc import Iterator
from typing import Final, NamedTuple

_PIDFD_GETFD: Final = 438  # the same on every machine
_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


class Ends(NamedTuple):
    """Protocol, local address (as the kernel has it) and port."""

    family: int
    protocol: int
    local: bytes
    local_port: int


def ends_of(pid: int, number: int) -> Ends | None:
    """Look at descriptor `number` of process `pid`; None when it is gone, or no internet socket, or not to be had."""
    try:
        with _descriptor(os.pidfd_open(pid)) as process:
            taken = int(_libc.syscall(ctypes.c_long(_PIDFD_GETFD), process, number, 0))
        if taken < 0:
            return None
        with socket.socket(fileno=taken) as found:
            if found.family not in {socket.AF_INET, socket.AF_INET6}:
                return None
            address = found.getsockname()
            packed = socket.inet_pton(found.family, address[0].partition("%")[0])
            return Ends(int(found.family), found.proto, packed.ljust(16, b"\0"), address[1])
    except (OSError, OverflowError):
        return None


@contextlib.contextmanager
def _descriptor(handle: int) -> Iterator[int]:
    try:
        yield handle
    finally:
        os.close(handle)
