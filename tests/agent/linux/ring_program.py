"""A program that lets io_uring do its work: `python3 ring_program.py FOLDER [skip]`. Prints the ports of its sockets.

It makes, writes and closes FOLDER/made, renames it to moved, makes links to it and deletes one, fails to delete what is
not there, and connects to itself. With `skip` nobody is told when the deletion is done. Structures: io_uring.h of the
kernel.
"""

import ctypes
import mmap
import os
import socket
import struct
import sys

SETUP, ENTER = 425, 426  # of every machine
GET_EVENTS = 1
RINGS, REQUESTS = 0, 0x10000000  # offsets of the mappings
OPENAT, CLOSE, WRITE, CONNECT, ACCEPT, RENAMEAT, UNLINKAT, SYMLINKAT, LINKAT = 18, 19, 23, 16, 13, 35, 36, 38, 39
HERE = -100  # AT_FDCWD
SKIP = 1 << 6  # IOSQE_CQE_SKIP_SUCCESS

libc = ctypes.CDLL(None, use_errno=True)


class Ring:
    """One ring; one request at a time, so that its number is its place."""

    def __init__(self) -> None:
        told = (ctypes.c_uint32 * 30)()
        self.handle = libc.syscall(SETUP, 8, told)
        if self.handle < 0:
            sys.exit(f"io_uring: {os.strerror(ctypes.get_errno())}")
        self.tail, self.array, self.heads = told[11], told[16], told[20:26]
        size = max(self.heads[5] + told[1] * 16, self.array + told[0] * 4)
        self.memory = mmap.mmap(self.handle, size, offset=RINGS)
        self.requests = mmap.mmap(self.handle, told[0] * 64, offset=REQUESTS)
        self.mask = told[0] - 1
        self.sent = self.completed = 0

    def do(
        self, operation: int, handle: int, *, at: int = 0, first: int = 0, length: int = 0, how: int = 0, flags: int = 0
    ) -> int:
        """Let the kernel do one thing; gives its result, with SKIP 0 as soon as it was handed over."""
        place = self.sent & self.mask
        request = struct.pack("<BBHiQQIIQHHiQQ", operation, flags, 0, handle, at, first, length, how, 0, 0, 0, 0, 0, 0)
        self.requests[place * 64 : place * 64 + 64] = request
        struct.pack_into("<I", self.memory, self.array + 4 * place, place)
        self.sent += 1
        struct.pack_into("<I", self.memory, self.tail, self.sent)
        told = 0 if flags & SKIP else 1
        if libc.syscall(ENTER, self.handle, 1, told, GET_EVENTS, None, 0) < 0:
            sys.exit(f"io_uring: {os.strerror(ctypes.get_errno())}")
        if not told:
            return 0
        mask = struct.unpack_from("<I", self.memory, self.heads[2])[0]
        result: int = struct.unpack_from("<Qi", self.memory, self.heads[5] + 16 * (self.completed & mask))[1]
        self.completed += 1
        struct.pack_into("<I", self.memory, self.heads[0], self.completed)
        return result


def text(value: str) -> tuple[int, object]:
    """Give the address of a text, and what keeps it there."""
    kept = ctypes.create_string_buffer(value.encode())
    return ctypes.addressof(kept), kept


def work_on_files(ring: Ring, folder: str, flags: int) -> None:
    """Do what the head of this file says; paths are relative where the kernel lets them."""
    place = os.open(folder, os.O_RDONLY)
    (made, _a), (moved, _b), (gone, _c) = text("made"), text("moved"), text(f"{folder}/not-there")
    (link, _d), (other, _e), (data, _f) = text("link"), text(f"{folder}/other"), text("by the ring")
    handle = ring.do(OPENAT, place, first=made, length=0o644, how=os.O_CREAT | os.O_WRONLY)
    assert ring.do(WRITE, handle, first=data, length=11) == 11
    assert ring.do(CLOSE, handle) == 0
    assert ring.do(RENAMEAT, place, first=made, length=place, at=moved) == 0
    assert ring.do(SYMLINKAT, place, first=moved, at=link) == 0
    assert ring.do(LINKAT, place, first=moved, length=place & 0xFFFFFFFF, at=other) == 0
    assert ring.do(UNLINKAT, HERE, first=gone) < 0
    ring.do(UNLINKAT, HERE, first=other, flags=flags)


def work_on_sockets(ring: Ring) -> tuple[int, int, int]:
    """Connect to a listening socket and to one that is closed; gives the ports: server, client, closed."""
    server, client, refused, unused = (socket.socket() for _ in range(4))
    server.bind(("127.0.0.1", 0))
    server.listen()
    unused.bind(("127.0.0.1", 0))
    for one, to in ((client, server), (refused, unused)):
        address = struct.pack("<H", socket.AF_INET) + struct.pack(">H4s8x", to.getsockname()[1], b"\x7f\0\0\1")
        kept = ctypes.create_string_buffer(address, 16)
        ring.do(CONNECT, one.fileno(), first=ctypes.addressof(kept), at=16)
    assert ring.do(ACCEPT, server.fileno()) > 0
    return server.getsockname()[1], client.getsockname()[1], unused.getsockname()[1]


if __name__ == "__main__":
    made = Ring()
    work_on_files(made, sys.argv[1], SKIP if "skip" in sys.argv else 0)
    print(*work_on_sockets(made))
