"""Reads an open file whole, with its digests. Never mapped: a file that shrinks would end the process."""

import hashlib
import os

from msgspec import Struct

from vedette.engines.objects import Reason


class Reading(Struct, frozen=True, kw_only=True):
    """A file as it was read; `problem` is "" when it is all there."""

    data: bytes = b""
    size: int = 0
    """Bytes that the file has."""
    md5: str | None = None
    sha256: str | None = None
    problem: Reason | None = None
    detail: str = ""


def read_whole(handle: int, largest: int) -> Reading:
    """Read the file behind `handle` from its start; one above `largest` bytes is not read. Never raises OSError."""
    try:
        size = os.fstat(handle).st_size
        if size > largest:
            return Reading(size=size, problem=Reason.TOO_LARGE, detail=f"{size} bytes, limit {largest}")
        data = _read(handle, size)
    except OSError as error:
        return Reading(problem=Reason.UNREADABLE, detail=error.strerror or type(error).__name__)
    if len(data) < size:
        return Reading(size=size, problem=Reason.TRUNCATED, detail=f"{len(data)} of {size} bytes")
    md5, sha256 = hashlib.md5(data, usedforsecurity=False).hexdigest(), hashlib.sha256(data).hexdigest()
    return Reading(data=data, size=size, md5=md5, sha256=sha256)


def _read(handle: int, size: int) -> bytes:
    """Read `size` bytes; what is appended meanwhile belongs to the next version of the file."""
    data = os.pread(handle, size, 0)  # in one piece, as a rule: joining pieces would need the memory twice
    while len(data) < size and (part := os.pread(handle, size - len(data), len(data))):
        data += part
    return data
