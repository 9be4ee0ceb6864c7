"""utmp and wtmp: who is logged in, who was. Records of 384 bytes (glibc on Linux, 32-bit times on all of them)."""

import ipaddress
from collections.abc import Iterator
from struct import Struct
from typing import Final

import msgspec

from vedette.schema.fields import Micros

SIZE: Final = 384
BOOT, LOGIN, USER, DEAD = 2, 6, 7, 8
"""ut_type: BOOT_TIME, LOGIN_PROCESS, USER_PROCESS, DEAD_PROCESS."""

_RECORD = Struct("<h2xi32s4s32s256shhiii16s20x")


class Entry(msgspec.Struct, frozen=True):
    """One record; texts end at their NUL."""

    kind: int
    pid: int
    line: str
    id: str
    user: str
    host: str
    session: int
    time: Micros
    address: str


def entries(data: bytes) -> Iterator[Entry]:
    """Give the whole records of `data`; a cut one at the end is left out."""
    for offset in range(0, len(data) - SIZE + 1, SIZE):
        kind, pid, line, number, user, host, _, _, session, seconds, micros, address = _RECORD.unpack_from(data, offset)
        yield Entry(
            kind, pid, _text(line), _text(number), _text(user), _text(host), session,
            (seconds & 0xFFFFFFFF) * 1_000_000 + max(0, min(micros, 999_999)), _address(address),
        )  # fmt: skip


def entry_bytes(entry: Entry) -> bytes:
    """Write a record, as a login program does."""
    raw = b""
    if entry.address:
        raw = ipaddress.ip_address(entry.address).packed
    seconds = entry.time // 1_000_000
    signed = seconds - (1 << 32) if seconds >= 1 << 31 else seconds
    return _RECORD.pack(
        entry.kind, entry.pid, entry.line.encode(), entry.id.encode(), entry.user.encode(), entry.host.encode(),
        0, 0, entry.session, signed, entry.time % 1_000_000, raw,
    )  # fmt: skip


def _text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "replace")


def _address(raw: bytes) -> str:
    if not any(raw):
        return ""
    if not any(raw[4:]):
        return str(ipaddress.IPv4Address(raw[:4]))
    six = ipaddress.IPv6Address(raw)
    return str(six.ipv4_mapped or six)
