"""Addresses of this host, from the kernel by netlink: no library, no child process."""

import socket
import struct

_RTM_NEWADDR, _RTM_GETADDR, _NLMSG_DONE, _NLMSG_ERROR = 20, 22, 3, 2
_REQUEST_DUMP = 0x301
_IFA_ADDRESS, _IFA_LOCAL = 1, 2
_HEADER, _ADDRESS, _ATTRIBUTE = struct.Struct("=IHHII"), struct.Struct("=BBBBI"), struct.Struct("=HH")
_SCOPE_HOST = 254


def addresses() -> tuple[str, ...]:
    """Give the IPv4 and IPv6 addresses of this host; those of the loopback only when there are no others."""
    found: list[tuple[str, int]] = []
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as link:
        link.settimeout(2)
        link.send(
            _HEADER.pack(_HEADER.size + _ADDRESS.size, _RTM_GETADDR, _REQUEST_DUMP, 1, 0) + _ADDRESS.pack(0, 0, 0, 0, 0)
        )
        done = False
        while not done:
            more, done = parse(link.recv(65_536))
            found += more
    outside = tuple(dict.fromkeys(text for text, scope in found if scope != _SCOPE_HOST))
    return outside or tuple(dict.fromkeys(text for text, _ in found))


def parse(data: bytes) -> tuple[list[tuple[str, int]], bool]:
    """Read one answer: ((address, scope) ..., whether it was the last one)."""
    found: list[tuple[str, int]] = []
    while len(data) >= _HEADER.size:
        length, kind, *_ = _HEADER.unpack_from(data)
        if kind in (_NLMSG_DONE, _NLMSG_ERROR) or length < _HEADER.size:
            return found, True
        if kind == _RTM_NEWADDR and (one := _address(data[_HEADER.size : length])):
            found.append(one)
        data = data[(length + 3) & ~3 :]
    return found, False


def _address(body: bytes) -> tuple[str, int] | None:
    if len(body) < _ADDRESS.size:
        return None
    family, _, _, scope, _ = _ADDRESS.unpack_from(body)
    values: dict[int, bytes] = {}
    offset = _ADDRESS.size
    while offset + _ATTRIBUTE.size <= len(body):
        length, kind = _ATTRIBUTE.unpack_from(body, offset)
        if length < _ATTRIBUTE.size:
            break
        values[kind] = body[offset + _ATTRIBUTE.size : offset + length]
        offset += (length + 3) & ~3
    raw = values.get(_IFA_LOCAL) or values.get(_IFA_ADDRESS) or b""
    if len(raw) != {socket.AF_INET: 4, socket.AF_INET6: 16}.get(family):
        return None
    return socket.inet_ntop(family, raw), scope
