"""A file of indicators, mapped: for ten million and more, replaced as a whole, checked when it is opened.

    magic | BLAKE2b of the rest | u64 length of header | header as JSON | padding to 64 | bits | high | low | source

`high` (sorted) and `low` are the halves of the keys, `source` the number of the list each is from. `bits` has a bit set
for each key's first bits, so that of the values that are no indicator one in fourteen is searched for at all.
"""

import mmap
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from vedette.query.ioc.indicators import Kind
from vedette.runtime.errors import VedetteError

MAGIC = b"VDTIOC1\n"
MAX_HEADER = 64 << 20
MAX_COUNT = 1 << 28
MAX_SOURCES = 65_536
ALIGNED = 64
DIGEST = 32
_START = len(MAGIC) + DIGEST + 8
_AT_ONCE = 1 << 24
Words = NDArray[np.uint64]


class TableError(VedetteError):
    """A file is no table of indicators, or is damaged."""

    def __init__(self, path: Path, problem: str) -> None:
        self.problem = problem
        super().__init__(f"{path}: {problem}")


class Source(Struct, frozen=True):
    """A list of indicators: what a finding names as its rule."""

    id: str
    title: str
    level: str = "high"


class Header(Struct, frozen=True, forbid_unknown_fields=True):
    """What is in the file."""

    count: int
    bits: int
    """Binary logarithm of the number of bits."""
    secret: bytes
    kinds: dict[str, int]
    lengths: tuple[int, ...]
    """Prefix lengths of the blocks of addresses, of 128."""
    labels: int
    """Most labels of a domain: longer parts of a name are not looked up."""
    sources: tuple[Source, ...]
    mark: str = ""
    """What it was made of; the same mark, the same table."""

    def sizes(self) -> tuple[int, int, int, int]:
        """Bytes of bits, high, low, source."""
        return (1 << self.bits) // 8, self.count * 8, self.count * 8, self.count * 4


class Table:
    """An open table."""

    def __init__(self, path: Path) -> None:
        """Map `path`. Raises `TableError` for anything but a whole table, OSError if it cannot be read."""
        with path.open("rb") as file:
            size = file.seek(0, 2)
            if size < _START:
                raise TableError(path, "this is no table of indicators: it is too short")
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self.header, start = _header(self._map, path)
        if start + sum(self.header.sizes()) != size:
            raise TableError(path, f"it is cut off or damaged: {size:,} bytes")
        parts = []
        for length, kind in zip(self.header.sizes(), ("u1", "<u8", "<u8", "<u4"), strict=True):
            count = length // np.dtype(kind).itemsize
            parts.append(np.frombuffer(self._map, kind, count, start))
            start += length
        self._bits: NDArray[Any] = parts[0]
        self._high: Words = parts[1]
        self._low: Words = parts[2]
        self._source: NDArray[Any] = parts[3]
        _check(path, self._map, self.header, parts)

    @property
    def sources(self) -> tuple[Source, ...]:
        """The lists, by number."""
        return self.header.sources

    def find(self, keys: Words) -> Iterator[tuple[int, int]]:
        """(row of `keys`, number of a source) for each row that is an indicator. `keys`: high and low half."""
        if not self.header.count or not len(keys):
            return
        place = keys[:, 0] >> np.uint64(64 - self.header.bits)
        seen = self._bits[(place >> np.uint64(3)).astype(np.int64)] >> (place & np.uint64(7)).astype(np.uint8) & 1
        passed = np.flatnonzero(seen)
        wanted = keys[passed, 0]
        first, end = np.searchsorted(self._high, wanted), np.searchsorted(self._high, wanted, side="right")
        for number in np.flatnonzero(end > first).tolist():
            row, start = int(passed[number]), int(first[number])
            same = np.flatnonzero(self._low[start : int(end[number])] == keys[row, 1])
            yield from ((row, int(self._source[start + at])) for at in same.tolist())


def as_words(keys: bytes | bytearray) -> Words:
    """Keys one after the other as two words each."""
    return np.frombuffer(keys, ">u8").astype(np.uint64).reshape(-1, 2)


def written(header: Header, parts: Sequence[memoryview]) -> list[bytes | memoryview]:
    """Everything that is in a file, in order."""
    text = msgspec.json.encode(header)
    head = len(text).to_bytes(8, "little") + text
    head += bytes(-(_START - 8 + len(head)) % ALIGNED)
    digest = blake2b(head, digest_size=DIGEST)
    for part in parts:
        digest.update(part)
    return [MAGIC, digest.digest(), head, *parts]


def _header(data: mmap.mmap, path: Path) -> tuple[Header, int]:
    if data[: len(MAGIC)] != MAGIC:
        raise TableError(path, "this is no table of indicators")
    length = int.from_bytes(data[_START - 8 : _START], "little")
    if length > min(MAX_HEADER, len(data) - _START):
        raise TableError(path, "its header is cut off or damaged")
    try:
        header = msgspec.json.decode(data[_START : _START + length], type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TableError(path, f"its header is damaged: {error}") from error
    if not (0 <= header.count <= MAX_COUNT and 3 <= header.bits <= 31 and len(header.secret) == 16):
        raise TableError(path, "its header is damaged: sizes beyond all bounds")
    if len(header.sources) > MAX_SOURCES or not all(0 <= one <= 128 for one in header.lengths):
        raise TableError(path, "its header is damaged: too many lists, or prefixes of more than 128 bits")
    if not header.kinds.keys() <= set(Kind):
        raise TableError(path, "it has kinds of indicators that this version does not know")
    end = _START + length
    return header, end + -end % ALIGNED


def _check(path: Path, data: mmap.mmap, header: Header, parts: list[NDArray[Any]]) -> None:
    """Check that it is what was written, and that nothing in it leads astray."""
    digest = blake2b(digest_size=DIGEST)
    after = len(MAGIC) + DIGEST
    with memoryview(data) as whole:
        digest.update(whole[after:])
    if digest.digest() != data[len(MAGIC) : after]:
        raise TableError(path, "it is damaged: its contents do not have the digest that it names")
    _bits, high, _low, source = parts
    for at in range(0, header.count, _AT_ONCE // 8):
        part = high[at : at + _AT_ONCE // 8 + 1]
        if not bool((part[1:] >= part[:-1]).all()):
            raise TableError(path, "it is damaged: its keys are not in order")
        if int(source[at : at + _AT_ONCE // 8].max()) >= len(header.sources):
            raise TableError(path, "it is damaged: an indicator of no list")
