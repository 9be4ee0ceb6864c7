"""A chunk of an EVTX file made safe to parse: its tables of shared names and templates are chains that can be forged.

Each of 64 + 32 buckets in the chunk's header begins a chain of offsets. `evtx` 0.14 follows a chain that bites its tail
for ever, and refuses the whole chunk for one that leads out of it. A bucket with such a chain is emptied: the parser
then reads names and templates where records point to.
"""

from struct import Struct
from typing import Final

SIZE: Final = 65_536
_TABLES: Final = 128
_BUCKETS: Final = 64 + 32
_FIRST: Final = 512
"""Offset of the first record: no name lies before it."""
_TABLE: Final = Struct(f"<{_BUCKETS}I")
_NEXT: Final = Struct("<I")


def safe(chunk: bytes) -> bytes:
    """Give the chunk without chains that lead nowhere. `chunk` has SIZE bytes."""
    buckets = _TABLE.unpack_from(chunk, _TABLES)
    broken = [number for number, start in enumerate(buckets) if start and not _ends(chunk, start)]
    if not broken:
        return chunk
    made = bytearray(chunk)
    for number in broken:
        _NEXT.pack_into(made, _TABLES + 4 * number, 0)
    return bytes(made)


def _ends(chunk: bytes, start: int) -> bool:
    seen: set[int] = set()
    offset = start
    while offset:
        if offset in seen or not _FIRST <= offset <= SIZE - _NEXT.size:
            return False
        seen.add(offset)
        (offset,) = _NEXT.unpack_from(chunk, offset)
    return True
