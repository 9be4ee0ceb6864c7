"""Facts of an open file by one call of statx, which also tells the time of birth."""

import ctypes
import os
from struct import Struct
from typing import NamedTuple

_AT_EMPTY_PATH = 0x1000
_BASIC_AND_BIRTH = 0x7FF | 0x800
# struct statx: mask, mode (16 bits), ino, size, btime, ctime, mtime, device
_LAYOUT = Struct("<I 16x II H 2x QQ 32x qI4x qI4x qI4x 8x II")
_ROOM = 256


class Facts(NamedTuple):
    """What is used of statx. Times in nanoseconds since 1970; `born` 0 where the file system keeps none."""

    mode: int
    uid: int
    gid: int
    number: int
    size: int
    born: int
    changed: int
    modified: int
    device: int
    """In the kernel's encoding: major << 20 | minor."""


class _Library:
    """libc once with and once without giving up the interpreter lock.

    A call that cannot wait for a disk or a server is cheaper with the lock kept: taking it back from a busy
    thread costs more than the call.
    """

    def __init__(self) -> None:
        self.free = ctypes.CDLL(None, use_errno=True)
        self.locked = ctypes.PyDLL(None, use_errno=True)


_libc = _Library()


def facts_of(handle: int, *, local: bool) -> Facts:
    """Give the facts of an open file; `local`: it lies on a block device of this host. Raises OSError."""
    answer = ctypes.create_string_buffer(_ROOM)
    library = _libc.locked if local else _libc.free
    if library.statx(handle, b"", _AT_EMPTY_PATH, _BASIC_AND_BIRTH, answer):
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    (_, uid, gid, mode, number, size, b_s, b_ns, c_s, c_ns, m_s, m_ns, major, minor) = _LAYOUT.unpack_from(answer)
    return Facts(
        mode,
        uid,
        gid,
        number,
        size,
        b_s * 1_000_000_000 + b_ns,
        c_s * 1_000_000_000 + c_ns,
        m_s * 1_000_000_000 + m_ns,
        major << 20 | minor,
    )


def attribute_names(handle: int, *, local: bool) -> bytes:
    """Give the names of the extended attributes of an open file, each ended by NUL; empty when there are none."""
    names = ctypes.create_string_buffer(1024)
    library = _libc.locked if local else _libc.free
    length = library.flistxattr(handle, names, len(names))
    return names.raw[:length] if length > 0 else b""
