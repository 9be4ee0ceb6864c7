"""EVTX files -> records, one chunk of 64 KiB at a time, so that a broken chunk costs no other.

The `evtx` library (extra `detection`) parses a chunk behind a header of our own: memory stays that of one chunk, and a
count of chunks that lies, as in a file copied from a running system, does no harm.
"""

import io
from collections.abc import Iterator
from typing import IO, Final

from vedette.normalise.windows import evtx_chunk, evtx_json
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.tally import Tally
from vedette.runtime.errors import ConfigError

MAGIC: Final = b"ElfFile\x00"
_CHUNK_MAGIC: Final = b"ElfChnk\x00"
_HEADER: Final = 4096
_RECORD_CHARACTERS: Final = 4 << 20
"""Of the JSON of one record: a template can repeat itself, so a chunk can unfold to far more than its size."""
_FAILURES: Final = 64
"""Broken records of one chunk that are stepped over."""


def records(file: IO[bytes], tally: Tally) -> Iterator[Record]:
    """Every record that can be read. Raises ConfigError when it is no EVTX file or `evtx` is not installed."""
    header = file.read(_HEADER)
    if not header.startswith(MAGIC) or len(header) < _HEADER:
        raise ConfigError("no EVTX file: its first bytes are not those of one")
    front = _one_chunk(header)
    position = _HEADER
    while chunk := file.read(evtx_chunk.SIZE):
        if len(chunk) < evtx_chunk.SIZE and chunk.strip(b"\x00"):
            tally.skip("cut chunk", f"byte {position}")
            chunk = chunk.ljust(evtx_chunk.SIZE, b"\x00")
        if chunk.startswith(_CHUNK_MAGIC):
            yield from _chunk(front + evtx_chunk.safe(chunk), f"byte {position}", tally)
        elif chunk.strip(b"\x00"):
            tally.skip("broken chunk", f"byte {position}")
        position += evtx_chunk.SIZE


def _one_chunk(header: bytes) -> bytes:
    """Give the header of a file of one chunk: first and last chunk 0, their count 1."""
    made = bytearray(header)
    made[8:24] = bytes(16)
    made[42:44] = (1).to_bytes(2, "little")
    return bytes(made)


def _chunk(content: bytes, where: str, tally: Tally) -> Iterator[Record]:
    found = _texts(content, where, tally)
    for text in found:
        if len(text) > _RECORD_CHARACTERS:
            tally.skip("record too large", where)
            continue
        record = evtx_json.parse(text)
        if record is None:
            tally.skip("record without header", where)
            continue
        tally.records += 1
        tally.cut += record.cut
        yield record


def _texts(content: bytes, where: str, tally: Tally) -> Iterator[str]:
    """Records of a chunk as JSON."""
    try:
        from evtx import PyEvtxParser
    except ImportError as error:
        raise ConfigError("EVTX files need the package evtx: pip install 'vedette[detection]'") from error
    failures = 0
    try:
        found = iter(PyEvtxParser(io.BytesIO(content), number_of_threads=1).records_json())
    except (RuntimeError, OSError, ValueError):
        tally.skip("broken chunk", where)
        return
    while failures < _FAILURES:
        try:
            told = next(found)
        except StopIteration:
            return
        except (RuntimeError, OSError, ValueError):
            failures += 1
            tally.skip("broken record or chunk", where)
            continue
        if told is not None:
            yield told["data"]
