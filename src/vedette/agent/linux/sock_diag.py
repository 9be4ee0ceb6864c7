"""The sockets of this network namespace, from the kernel by netlink. linux/inet_diag.h, linux/sock_diag.h."""

import contextlib
import os
import socket
from pathlib import Path
from struct import Struct
from typing import Final, NamedTuple

from vedette.runtime.errors import ProbeError

ESTABLISHED, SYN_SENT, UNCONNECTED, LISTEN = 1, 2, 7, 10
_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY = 4, 20
_DONE, _ERROR = 3, 2
_REQUEST_DUMP: Final = 0x301
_HEADER, _REQUEST = Struct("=IHHII"), Struct("=BBBxI48x")
_SOCKET: Final = Struct("=BBxx2s2s16s16s12x16xI")
MOST: Final = 200_000
"""Sockets of one kind that are read at most."""


class Sock(NamedTuple):
    """One socket. Addresses as the kernel has them, 16 bytes."""

    family: int
    protocol: int
    state: int
    local: bytes
    local_port: int
    remote: bytes
    remote_port: int
    number: int
    """Of its inode; 0 when no program holds it any more."""


def sockets() -> list[Sock]:
    """Give TCP sockets that listen, connect or are connected, and UDP sockets. Raises ProbeError."""
    found: list[Sock] = []
    wanted = {
        socket.IPPROTO_TCP: 1 << ESTABLISHED | 1 << SYN_SENT | 1 << LISTEN,
        socket.IPPROTO_UDP: 1 << ESTABLISHED | 1 << UNCONNECTED,
    }
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG) as link:
            link.settimeout(2)
            for family in (socket.AF_INET, socket.AF_INET6):
                for protocol, states in wanted.items():
                    found += _dump(link, family, protocol, states)
    except OSError as error:
        raise ProbeError(f"the kernel does not list sockets: {error.strerror or error}") from error
    return found


def _dump(link: socket.socket, family: int, protocol: int, states: int) -> list[Sock]:
    body = _REQUEST.pack(family, protocol, 0, states)
    link.send(_HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST_DUMP, 1, 0) + body)
    found: list[Sock] = []
    done = False
    while not done and len(found) < MOST:
        more, done = parse(link.recv(1 << 18), protocol)
        found += more
    return found


def parse(data: bytes, protocol: int) -> tuple[list[Sock], bool]:
    """Read one answer: sockets, and whether it was the last one."""
    found: list[Sock] = []
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if kind in {_DONE, _ERROR} or length < _HEADER.size:
            return found, True
        if kind == _SOCK_DIAG_BY_FAMILY and min(length, len(data)) >= _HEADER.size + _SOCKET.size:
            family, state, local_port, remote_port, local, remote, number = _SOCKET.unpack_from(data, _HEADER.size)
            ports = int.from_bytes(local_port, "big"), int.from_bytes(remote_port, "big")
            found.append(Sock(family, protocol, state, local, ports[0], remote, ports[1], number))
        data = data[(length + 3) & ~3 :]
    return found, False


def owners(proc: Path = Path("/proc")) -> dict[int, int]:
    """Give the process that holds each socket: number of the inode -> PID. One that many hold is the first one's."""
    found: dict[int, int] = {}
    for entry in proc.iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError), os.scandir(entry / "fd") as handles:
            for handle in handles:
                with contextlib.suppress(OSError, ValueError):
                    target = os.readlink(handle.path)  # noqa: PTH115 - thousands of them, quickly
                    if target.startswith("socket:["):
                        found.setdefault(int(target[8:-1]), int(entry.name))
    return found
