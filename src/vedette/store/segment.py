"""The file format of a spool segment: records one after another, each checked.

A record is a fixed head and the batch as it was received. What follows the last record of an open segment
is reserved space, read as zeros.
"""

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from vedette.runtime.errors import StoreError
from vedette.schema.fields import Micros

MAGIC = 0x31534456  # "VDS1"
_START = struct.Struct("<III")  # magic, length of the body, crc32 of the rest of the head and the body
_REST = struct.Struct("<I32s16sQQQ")  # events, agent, epoch, first, last, received
HEAD_BYTES = _START.size + _REST.size


class RecordHead(msgspec.Struct, frozen=True, kw_only=True):
    """Whose batch a record holds, and which sequence numbers: readable without opening the batch."""

    agent: str
    """The agent id of the certificate that sent it: 32 hex characters."""
    epoch: str
    """The epoch of the agent's buffer: 16 hex characters."""
    first: int
    last: int
    count: int
    """Events in the batch."""
    received: Micros


class Record(RecordHead, frozen=True, kw_only=True):
    """One batch in a segment; `body` is the frame as received."""

    body: bytes


def pack_head(record: Record) -> bytes:
    """Write the head of `record`, with the checksum over head and body."""
    agent, epoch = record.agent.encode("ascii"), record.epoch.encode("ascii")
    if len(agent) != 32 or len(epoch) != 16:
        raise ValueError(f"agent {record.agent!r} or epoch {record.epoch!r} has the wrong length")
    rest = _REST.pack(record.count, agent, epoch, record.first, record.last, record.received)
    checksum = zlib.crc32(record.body, zlib.crc32(rest))
    return _START.pack(MAGIC, len(record.body), checksum) + rest


def scan(data: bytes) -> tuple[list[Record], int]:
    """Read whole records from the start; gives them and the offset of the first byte that is none."""
    records: list[Record] = []
    at = 0
    while at + HEAD_BYTES <= len(data):
        magic, length, checksum = _START.unpack_from(data, at)
        start = at + HEAD_BYTES
        body = data[start : start + length]
        if magic != MAGIC or len(body) != length:
            break
        rest = data[at + _START.size : start]
        if zlib.crc32(body, zlib.crc32(rest)) != checksum:
            break
        records.append(_record(rest, body))
        at = start + length
    return records, at


def read_segment(path: Path) -> list[Record]:
    """Read a sealed segment. Raises StoreError when any byte of it is damaged (see `scan`)."""
    data = path.read_bytes()
    records, end = scan(data)
    if end != len(data):
        raise StoreError(f"{path} is damaged at byte {end} of {len(data)}; {len(records)} records are whole")
    return records


def read_heads(path: Path) -> Iterator[RecordHead]:
    """Read the heads of a sealed segment, unchecked because the bodies are not read: for counting only."""
    with path.open("rb") as file:
        while len(head := file.read(HEAD_BYTES)) == HEAD_BYTES:
            magic, length, _ = _START.unpack_from(head)
            if magic != MAGIC:
                return
            yield _head(head[_START.size :])
            file.seek(length, 1)


def _head(rest: bytes) -> RecordHead:
    count, agent, epoch, first, last, received = _REST.unpack(rest)
    return RecordHead(
        agent=agent.decode("ascii", "replace"),
        epoch=epoch.decode("ascii", "replace"),
        first=first,
        last=last,
        count=count,
        received=received,
    )


def _record(rest: bytes, body: bytes) -> Record:
    head = _head(rest)
    return Record(
        agent=head.agent,
        epoch=head.epoch,
        first=head.first,
        last=head.last,
        count=head.count,
        received=head.received,
        body=body,
    )
