"""The receiver's side of a batch: bytes from an agent -> checked columns.

The agent holds a certificate but may be in an attacker's hands, so each bound is checked before memory is
spent on what it bounds: the frame, the header, the size of the content, the counts, each column's bytes.
"""

from array import array
from collections.abc import Sequence
from sys import byteorder
from typing import Annotated

import msgspec
import zstandard
from msgspec import Meta

from vedette.runtime.errors import WireError
from vedette.wire import limits
from vedette.wire.columns import Column, items_of
from vedette.wire.frame import split
from vedette.wire.header import BatchHeader

_Name = Annotated[str, Meta(max_length=limits.NAME_CHARACTERS)]
_Text = Annotated[str, Meta(max_length=limits.TEXT_CHARACTERS)]
_Texts = Annotated[list[_Text], Meta(max_length=limits.ITEMS)]
_Map = Annotated[dict[_Text, _Text], Meta(max_length=limits.ITEMS)]


class RawColumns(msgspec.Struct, frozen=True):
    """All rows of one event type; values are not yet what the dictionary says they should be."""

    rows: int
    columns: dict[str, Column]


class RawBatch(msgspec.Struct, frozen=True):
    """A batch whose structure holds: indices point at values, sequence numbers are first..last."""

    header: BatchHeader
    types: dict[str, RawColumns]


class _TypePart(msgspec.Struct):
    n: Annotated[int, Meta(ge=1, le=limits.EVENTS)]
    columns: Annotated[dict[_Name, msgspec.Raw], Meta(max_length=limits.COLUMNS)]


_content = msgspec.msgpack.Decoder(Annotated[dict[_Name, _TypePart], Meta(max_length=limits.TYPES)])
_column = msgspec.msgpack.Decoder(
    tuple[bytes | list[None | bool | int | _Text | _Texts | _Map], bytes]  # noqa: RUF036 - order has no meaning here
)
_ALL = bytes(range(256))


def decode(data: bytes) -> RawBatch:
    """Give the batch in a frame. Raises WireError saying what is wrong and where; never anything else."""
    header, body = split(data)
    if not body and not header.count:
        return RawBatch(header, {})  # a sign of life
    types = decode_body(body)
    _check_sequences(header, types)
    return RawBatch(header, types)


def decode_body(body: bytes | memoryview) -> dict[str, RawColumns]:
    """Give the columns in a body, without what only the header knows. Raises WireError."""
    content = unpack(body)
    try:
        parts = _content.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"content: {error}") from error
    budget = _Budget(limits.VALUES, items=len(content) > limits.VALUES)
    types: dict[str, RawColumns] = {}
    for name, part in parts.items():
        types[name] = RawColumns(part.n, _columns(name, part, budget))
    return types


def unpack(body: bytes | memoryview) -> bytes:
    """Unpack one zstd frame whose stated size is within the limit. Raises WireError."""
    try:
        size = zstandard.frame_content_size(body)
        if not 0 <= size <= limits.CONTENT_BYTES:  # -1: the frame does not say
            raise WireError(f"content: size {size} stated, allowed are 0 to {limits.CONTENT_BYTES}")
        return zstandard.ZstdDecompressor().decompress(body, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise WireError(f"body: {error}") from error


class _Budget:
    """Values that a batch may still have. Items are counted only where the content is large enough to have many."""

    def __init__(self, left: int, *, items: bool) -> None:
        self.left, self.items = left, items


def _columns(name: str, part: _TypePart, budget: _Budget) -> dict[str, Column]:
    columns: dict[str, Column] = {}
    for column, raw in part.columns.items():
        view = memoryview(raw)
        count = _stated_values(view)
        budget.left -= count
        if count > part.n or budget.left < 0 or len(view) > limits.COLUMN_BYTES + 4 * part.n:
            raise WireError(f"{name} {column}: {count} values in {len(view)} bytes for {part.n} rows are too many")
        try:
            values, indices = _column.decode(view)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
            raise WireError(f"{name} {column}: {error}") from error
        if budget.items:
            budget.left -= items_of(values)
        problem = _problem(values, indices, part.n)
        if problem:
            raise WireError(f"{name} {column}: {problem}")
        columns[column] = (values, indices)
    return columns


def _stated_values(column: memoryview) -> int:
    """How many values the column says it has, read from msgpack's own length; 0 for bytes and for nonsense."""
    if len(column) < 2 or column[0] != 0x92:
        return 0
    kind = column[1]
    if kind & 0xF0 == 0x90:
        return kind & 0x0F
    width = {0xDC: 2, 0xDD: 4}.get(kind, 0)
    return int.from_bytes(column[2 : 2 + width], "big")


def _problem(values: Sequence[object] | bytes, indices: bytes, rows: int) -> str:
    if isinstance(values, bytes):
        fits = len(values) == 8 * rows and not indices
        return "" if fits else f"{len(values)} bytes of integers, {len(indices)} of indices, {rows} rows"
    count = len(values)
    if not indices:
        return "" if count == rows else f"{count} values without indices for {rows} rows"
    if len(indices) != (rows if count <= 256 else 2 * rows):
        return f"{len(indices)} bytes of indices to {count} values for {rows} rows"
    # Deleting the allowed bytes is ten times as quick as looking for the largest one.
    beyond = indices.translate(None, _ALL[:count]) if count <= 256 else max(wide(indices)) >= count
    return f"an index beyond {count} values" if beyond else ""


def wide(indices: bytes) -> "array[int]":
    """Read two-byte indices."""
    numbers = array("H", indices)
    if byteorder == "big":
        numbers.byteswap()
    return numbers


def numbers_of(raw: bytes) -> "array[int]":
    """Read raw integers."""
    numbers = array("q", raw)
    if byteorder == "big":
        numbers.byteswap()
    return numbers


def _check_sequences(header: BatchHeader, types: dict[str, RawColumns]) -> None:
    """Each number of first..last must be there once: the ledger and the event ids stand on it."""
    rows = sum(part.rows for part in types.values())
    if rows != header.count:
        raise WireError(f"batch: {rows} rows, the header says {header.count}")
    numbers: list[int] = []
    for name, part in types.items():
        values, _ = part.columns.get("event.sequence", (None, b""))
        if not isinstance(values, bytes):
            raise WireError(f"{name} event.sequence: missing, or not raw integers")
        numbers.extend(numbers_of(values))
    numbers.sort()
    if numbers != list(range(header.first, header.last + 1)):
        raise WireError(f"event.sequence: not each of {header.first}..{header.last} once")
