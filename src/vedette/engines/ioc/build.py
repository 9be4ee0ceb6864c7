"""Writing a table of indicators: gathered in memory (20 bytes each), sorted, written beside the old one, renamed."""

import math
import secrets
from array import array
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vedette.engines.ioc.keys import Keys
from vedette.engines.ioc.table import MAX_COUNT, MAX_SOURCES, Header, Source, TableError, as_words, written
from vedette.query.ioc import names
from vedette.query.ioc.indicators import Indicator, Kind
from vedette.runtime.files import write_atomic

_ROOM = 12
"""Bits for each indicator."""


class Builder:
    """Gathers indicators of several lists."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(16)
        self._keys = Keys(self._secret)
        self._gathered = bytearray()
        self._sources: list[Source] = []
        self._source_of = array("I")
        self._kinds: Counter[str] = Counter()
        self._lengths: set[int] = set()
        self._labels = 0

    def add_source(self, source: Source) -> None:
        """Begin a list: the indicators that follow are from it."""
        if len(self._sources) >= MAX_SOURCES:
            raise ValueError(f"more than {MAX_SOURCES:,} lists")
        self._sources.append(source)

    def add(self, indicator: Indicator) -> None:
        """Add an indicator of the list that was begun last."""
        keys = self._keys.of(indicator)
        self._gathered += b"".join(keys)
        self._source_of.extend([len(self._sources) - 1] * len(keys))
        self._kinds[indicator.kind] += 1
        if indicator.kind in {Kind.ADDRESS, Kind.NETWORK}:
            self._lengths.update(names.network(value)[1] for value in indicator.values)
        if indicator.kind is Kind.DOMAIN:
            self._labels = max(self._labels, *(value.count(".") + 1 for value in indicator.values))

    def write(self, path: Path, mark: str = "") -> None:
        """Replace the table at `path`. Raises `TableError` for too many, OSError for a disk that will not."""
        if len(self._source_of) > MAX_COUNT:
            raise TableError(path, f"more than {MAX_COUNT:,} indicators")
        high, low, source = self._sorted()
        bits = _log2(len(high))
        parts = (_bit_table(high, bits), high, low, source)
        header = Header(
            count=len(high),
            bits=bits,
            secret=self._secret,
            kinds=dict(self._kinds),
            lengths=tuple(sorted(self._lengths, reverse=True)),
            labels=self._labels,
            sources=tuple(self._sources),
            mark=mark,
        )
        write_atomic(path, *written(header, [part.data.cast("B") for part in parts]))

    def _sorted(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Halves of the keys and sources, by key; the same indicator of one list once."""
        words = as_words(self._gathered)
        high, low = words[:, 0], words[:, 1]
        source = np.frombuffer(self._source_of, "<u4") if self._source_of else np.zeros(0, "<u4")
        order = np.lexsort((source, low, high))
        high, low, source = high[order], low[order], source[order]
        if len(high):
            new = np.ones(len(high), bool)
            new[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1]) | (source[1:] != source[:-1])
            high, low, source = high[new], low[new], source[new]
        return tuple(np.ascontiguousarray(part, kind) for part, kind in ((high, "<u8"), (low, "<u8"), (source, "<u4")))  # type: ignore[return-value]


def _log2(count: int) -> int:
    return min(31, max(10, math.ceil(math.log2(max(1, count * _ROOM)))))


def _bit_table(high: NDArray[Any], bits: int) -> NDArray[np.uint8]:
    """Bits in portions, so that no array of one byte a bit is made."""
    table = np.zeros((1 << bits) // 8, np.uint8)
    place = high >> np.uint64(64 - bits)
    byte, bit = (place >> np.uint64(3)).astype(np.int64), np.uint8(1) << (place & np.uint64(7)).astype(np.uint8)
    starts = np.flatnonzero(np.diff(byte, prepend=-1))
    if len(starts):
        table[byte[starts]] = np.bitwise_or.reduceat(bit, starts)
    return table
