"""Rows of events as a Parquet file that is written while it is sent: row group by row group, the footer last.

A file that was cut off has no footer, and no reader takes it for a whole one.
"""

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vedette.schema.dictionary import EVENT_ID, FIELDS
from vedette.store.columns import arrow_type

GROUP_ROWS = 65_536
GROUP_BYTES = 32 * 2**20
"""A row group ends at the first of these. The footer holds about 100 bytes a column and row group."""


class ParquetRows:
    """Takes columns of values in the order of `names`; `taken` gives the bytes that are ready."""

    def __init__(self, names: Sequence[str]) -> None:
        self._types = [_type(name) for name in names]
        self._schema = pa.schema(list(zip(names, self._types, strict=True)))
        self._sink = _Sink()
        self._writer = pq.ParquetWriter(
            pa.PythonFile(self._sink, mode="w"), self._schema, compression="zstd", write_statistics=False
        )
        self._waiting: list[pa.RecordBatch] = []

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """Take some rows: the values of each column."""
        arrays = [_array(kind, values) for kind, values in zip(self._types, columns, strict=True)]
        self._waiting.append(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        size = sum(batch.nbytes for batch in self._waiting)
        if size >= GROUP_BYTES or sum(batch.num_rows for batch in self._waiting) >= GROUP_ROWS:
            self._write()

    def finish(self) -> None:
        """End the file."""
        if self._waiting:
            self._write()
        self._writer.close()

    def taken(self) -> bytes:
        """Give what is to be sent."""
        return self._sink.taken()

    def _write(self) -> None:
        table = pa.Table.from_batches(self._waiting, self._schema)
        self._waiting = []
        self._writer.write_table(table, row_group_size=table.num_rows)


def _type(name: str) -> "pa.DataType":
    return pa.string() if name == EVENT_ID.name else arrow_type(FIELDS[name].kind)


def _array(kind: "pa.DataType", values: Sequence[Any]) -> "pa.Array[Any]":
    if pa.types.is_map(kind):
        return pa.array([list(value.items()) if value else [] for value in values], type=kind)
    if pa.types.is_timestamp(kind):
        return pa.array(values, type=pa.int64()).cast(kind)
    if pa.types.is_boolean(kind):
        return pa.array([None if value is None else bool(value) for value in values], type=kind)
    return pa.array(values, type=kind)


class _Sink(io.RawIOBase):
    """What Arrow writes to; holds what was not taken yet."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)
