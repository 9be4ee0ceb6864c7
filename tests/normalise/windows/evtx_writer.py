"""Writes small EVTX files: no public log is needed, and none can be redistributed, to test what reads them.

Format: https://github.com/libyal/libevtx/blob/main/documentation/Windows%20XML%20Event%20Log%20(EVTX).asciidoc.
Records are plain BinXML without templates, with all values as texts: such records are in public collections too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

CHUNK = 65_536
_FREE = 512
_FILETIME = 133_700_000_000_000_000

Element: TypeAlias = "tuple[str, Mapping[str, str], Sequence[Element] | str]"
"""Name, attributes, and what is in it."""


def evtx(*records: Element, per_chunk: int = 50) -> bytes:
    """Give a file with these records, at most `per_chunk` in each chunk."""
    groups = [records[start : start + per_chunk] for start in range(0, len(records), per_chunk)] or [()]
    chunks = [_chunk(group, 1 + number * per_chunk) for number, group in enumerate(groups)]
    header = bytearray(4096)
    struct.pack_into(
        "<8sQQQIHHHH", header, 0, b"ElfFile\0", 0, len(chunks) - 1, len(records) + 1, 128, 1, 3, 4096, len(chunks)
    )
    struct.pack_into("<I", header, 124, zlib.crc32(header[:120]))
    return bytes(header) + b"".join(chunks)


def _chunk(records: Iterable[Element], first: int) -> bytes:
    body = bytearray()
    number = first - 1
    last = _FREE
    for number, record in enumerate(records, first):
        last = _FREE + len(body)
        xml = _BinXml(last + 24).document(record)
        size = 24 + len(xml) + 4
        body += struct.pack("<4sIQQ", b"\x2a\x2a\0\0", size, number, _FILETIME) + xml + struct.pack("<I", size)
    assert _FREE + len(body) <= CHUNK, "too many records for a chunk"
    header = bytearray(_FREE)
    struct.pack_into("<8sQQQQIIII", header, 0, b"ElfChnk\0", first, number, first, number, 128, last,
                     _FREE + len(body), zlib.crc32(body))  # fmt: skip
    struct.pack_into("<I", header, 124, zlib.crc32(header[:120] + header[128:512]))
    return bytes(header + body).ljust(CHUNK, b"\0")


class _BinXml:
    """BinXML of one record; `start` is its offset in the chunk, since names are told by offset."""

    def __init__(self, start: int) -> None:
        self.start = start
        self.out = bytearray()

    def document(self, root: Element) -> bytes:
        self.out += b"\x0f\x01\x01\x00"
        self._element(root)
        self.out += b"\x00"
        return bytes(self.out)

    def _element(self, element: Element) -> None:
        name, attributes, content = element
        self.out += struct.pack("<B", 0x41 if attributes else 0x01)
        size_at = len(self.out)
        self.out += bytes(4)
        self._name(name)
        if attributes:
            self._attributes(attributes)
        if content:
            self.out += b"\x02"
            if isinstance(content, str):
                self._text(content)
            else:
                for inner in content:
                    self._element(inner)
            self.out += b"\x04"
        else:
            self.out += b"\x03"
        struct.pack_into("<I", self.out, size_at, len(self.out) - size_at - 4)

    def _attributes(self, attributes: Mapping[str, str]) -> None:
        size_at = len(self.out)
        self.out += bytes(4)
        for position, (name, value) in enumerate(attributes.items(), 1):
            self.out += b"\x06" if position == len(attributes) else b"\x46"
            self._name(name)
            self._text(value)
        struct.pack_into("<I", self.out, size_at, len(self.out) - size_at - 4)

    def _name(self, name: str) -> None:
        self.out += struct.pack("<I", self.start + len(self.out) + 4)
        self.out += struct.pack("<IHH", 0, 0, len(name)) + name.encode("utf-16-le") + b"\0\0"

    def _text(self, text: str) -> None:
        raw = text.encode("utf-16-le")
        self.out += struct.pack("<BBH", 0x05, 0x01, len(raw) // 2) + raw


def event(
    provider: str,
    event_id: int,
    data: Mapping[str, str] | None = None,
    *,
    channel: str = "Security",
    computer: str = "ws1.example.org",
    created: str = "2026-11-01T10:00:00.1234567Z",
    user_data: Element | None = None,
) -> Element:
    """Give a record as Windows lays it out."""
    system: list[Element] = [
        ("Provider", {"Name": provider, "Guid": "{54849625-5478-4994-a5ba-3e3b0328c30d}"}, ""),
        ("EventID", {}, str(event_id)),
        ("Version", {}, "2"),
        ("Level", {}, "4"),
        ("Task", {}, "12544"),
        ("Opcode", {}, "1"),
        ("Keywords", {}, "0x8020000000000000"),
        ("TimeCreated", {"SystemTime": created}, ""),
        ("EventRecordID", {}, "4711"),
        ("Correlation", {"ActivityID": "{a67be420-4636-0001-36e4-7ba63646d701}"}, ""),
        ("Execution", {"ProcessID": "576", "ThreadID": "4904"}, ""),
        ("Channel", {}, channel),
        ("Computer", {}, computer),
        ("Security", {"UserID": "S-1-5-18"}, ""),
    ]
    body: Element = user_data or (
        "EventData",
        {},
        [("Data", {"Name": name}, value) for name, value in (data or {}).items()],
    )
    if user_data:
        body = ("UserData", {}, [user_data])
    return "Event", {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"}, [("System", {}, system), body]
