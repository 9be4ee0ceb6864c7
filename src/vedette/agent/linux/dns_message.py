"""DNS messages (RFC 1035): question, response code and answers as text. Pure; any bytes are accepted."""

import socket
import struct
from struct import Struct
from typing import NamedTuple

_HEADER, _QUESTION, _RECORD = Struct("!6H"), Struct("!2H"), Struct("!2HIH")
_IS_ANSWER, _OPCODE, _CODE = 0x8000, 0x7800, 0x000F
LONGEST_NAME = 255
"""Bytes of a name on the wire."""
MOST_ANSWERS = 64
LONGEST_ANSWER = 1024
"""Characters of one answer; what is longer is cut."""
CUT = "..."
_POINTER = 0xC0
MOST_POINTERS = 32
"""In one name; a message may be made of them, and following all would cost more than everything else."""
_BROKEN = (IndexError, ValueError, struct.error)
"""What reading beyond the end, or what is there instead of a name or an address, raises."""

TYPES = {
    1: "A", 2: "NS", 5: "CNAME", 6: "SOA", 10: "NULL", 12: "PTR", 13: "HINFO", 15: "MX", 16: "TXT", 24: "SIG",
    25: "KEY", 28: "AAAA", 29: "LOC", 33: "SRV", 35: "NAPTR", 37: "CERT", 39: "DNAME", 43: "DS", 44: "SSHFP",
    46: "RRSIG", 47: "NSEC", 48: "DNSKEY", 50: "NSEC3", 52: "TLSA", 64: "SVCB", 65: "HTTPS", 99: "SPF", 249: "TKEY",
    250: "TSIG", 251: "IXFR", 252: "AXFR", 255: "ANY", 256: "URI", 257: "CAA",
}  # fmt: skip
CODES = (
    "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET", "NXRRSET", "NOTAUTH",
    "NOTZONE",
)  # fmt: skip
_SOA, _TXT = 6, 16
_FAMILIES = {1: socket.AF_INET, 28: socket.AF_INET6}
_NUMBERS_BEFORE_NAME = {
    2: Struct(""), 5: Struct(""), 12: Struct(""), 39: Struct(""),  # NS, CNAME, PTR, DNAME
    15: Struct("!H"), 64: Struct("!H"), 65: Struct("!H"),  # MX, SVCB, HTTPS
    33: Struct("!3H"),  # SRV
}  # fmt: skip
"""Types whose records are some numbers and a name."""


class Message(NamedTuple):
    """A query, or the answer to one. Of answers that are not all here the last one is `...`."""

    number: int
    is_answer: bool
    code: str
    name: str
    type: str
    answers: tuple[str, ...]


def parse(data: bytes) -> Message | None:
    """Read a message; None when it is no query for one name. Of one that is cut, what is there is read."""
    if len(data) < _HEADER.size:
        return None
    number, flags, questions, answers, _, _ = _HEADER.unpack_from(data)
    if flags & _OPCODE or questions != 1:
        return None
    try:
        name, at = _name(data, _HEADER.size)
        kind, _ = _QUESTION.unpack_from(data, at)
    except _BROKEN:
        return None
    code = flags & _CODE
    return Message(
        number,
        bool(flags & _IS_ANSWER),
        CODES[code] if code < len(CODES) else str(code),
        name,
        _type(kind),
        _answers(data, at + _QUESTION.size, answers),
    )


def _answers(data: bytes, at: int, count: int) -> tuple[str, ...]:
    """Read `count` records, as far as they are whole."""
    found: list[str] = []
    try:
        for _ in range(min(count, MOST_ANSWERS)):
            _, at = _name(data, at)
            kind, _, _, length = _RECORD.unpack_from(data, at)
            at += _RECORD.size
            if at + length > len(data):
                break
            found.append(_content(data, at, kind, length)[:LONGEST_ANSWER])
            at += length
    except _BROKEN:
        pass  # what follows cannot be read
    return (*found, CUT) if len(found) < count else tuple(found)


def _name(data: bytes, at: int) -> tuple[str, int]:
    """Read a name: as text, and where it ends. Raises one of _BROKEN."""
    labels: list[str] = []
    end, total, pointers = 0, 0, 0
    while length := data[at]:
        if length >= _POINTER:
            end, pointers = end or at + 2, pointers + 1
            if pointers > MOST_POINTERS:
                raise ValueError("too many pointers")  # or a circle
            at = (length & ~_POINTER) << 8 | data[at + 1]
            continue
        total += length + 1
        if length > 63 or total >= LONGEST_NAME or at + length >= len(data):
            raise ValueError("no label")
        labels.append(_label(data[at + 1 : at + 1 + length]))
        at += length + 1
    return ".".join(labels) or ".", end or at + 1


def _label(raw: bytes) -> str:
    r"""Text of a label; bytes that are no plain characters as `\DDD`, dots inside it as `\.` (RFC 4343)."""
    if raw.isalnum():
        return raw.decode("ascii")
    return "".join(_PLAIN.get(byte) or f"\\{byte:03d}" for byte in raw)


_PLAIN = {byte: chr(byte) for byte in range(0x21, 0x7F)} | {ord("."): "\\.", ord("\\"): "\\\\"}


def _content(data: bytes, at: int, kind: int, length: int) -> str:
    """What a record says. Raises one of _BROKEN."""
    raw = data[at : at + length]
    if kind in _FAMILIES:
        return socket.inet_ntop(_FAMILIES[kind], raw)
    if kind in _NUMBERS_BEFORE_NAME:
        before = _NUMBERS_BEFORE_NAME[kind]
        return " ".join([*map(str, before.unpack_from(raw)), _name(data, at + before.size)[0]])
    if kind == _SOA:
        master, at = _name(data, at)
        return f"{master} {_name(data, at)[0]}"
    return _texts(raw) if kind == _TXT else f"{_type(kind)} {raw.hex()}"


def _texts(raw: bytes) -> str:
    """Character strings in one, as programs that read TXT records put them together."""
    parts: list[bytes] = []
    at = 0
    while at < len(raw):
        parts.append(raw[at + 1 : at + 1 + raw[at]])
        at += 1 + raw[at]
    return "".join(chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03d}" for byte in b"".join(parts))


def _type(number: int) -> str:
    return TYPES.get(number) or f"TYPE{number}"
