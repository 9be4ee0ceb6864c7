"""Keys of a map column, each a sparse column of its own, as one Arrow map array."""

from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from vedette.wire.merge import Batch, Sparse


def map_array(batch: Batch, column: str) -> "pa.Array[Any] | None":
    """Map array of `column` from the keys `column.<key>` of `batch`; None when no row has one."""
    prefix = column + "."
    found = [(name.removeprefix(prefix), key) for name, key in batch.keys.items() if name.startswith(prefix)]
    rows, keys, values, texts = _entries([key for _, key in found])
    if not len(rows):
        return None
    order = np.argsort(rows, kind="stable")
    offsets = np.zeros(batch.rows + 1, np.int32)
    np.cumsum(np.bincount(rows, minlength=batch.rows), out=offsets[1:])
    names: Any = pa.array([name for name, _ in found], pa.string())
    items: Any = pa.array(texts, pa.string())
    where: Any = pa.array(offsets)
    return pa.MapArray.from_arrays(where, names.take(pa.array(keys[order])), items.take(pa.array(values[order])))


def _entries(keys: list[Sparse]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], list[str]]:
    """Give every entry as (row, number of the key, number of the text), and the texts."""
    rows: list[NDArray[np.int64]] = []
    names: list[NDArray[np.int64]] = []
    values: list[NDArray[np.int64]] = []
    texts: list[str] = []
    for number, key in enumerate(keys):
        first = len(texts) - 1  # index 0 means absent
        texts += key.values[1:]
        for start, indices in key.parts:
            filled = np.flatnonzero(indices)
            rows.append(filled + start)
            names.append(np.full(len(filled), number, np.int64))
            values.append(indices[filled].astype(np.int64) + first)
    empty = np.zeros(0, np.int64)
    return (
        np.concatenate(rows) if rows else empty,
        np.concatenate(names) if names else empty,
        np.concatenate(values) if values else empty,
        texts,
    )
