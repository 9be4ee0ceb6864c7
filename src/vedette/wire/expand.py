"""Columns back to one mapping a row: for tests and tools; the server works on the columns."""

from typing import Any

from vedette.wire.columns import Column
from vedette.wire.decode import RawBatch, numbers_of, wide


def rows(batch: RawBatch) -> list[dict[str, Any]]:
    """Every event as {column: value} without the unknown ones, with `event.type`, by sequence number."""
    events: list[dict[str, Any]] = []
    for name, part in batch.types.items():
        here: list[dict[str, Any]] = [{"event.type": name} for _ in range(part.rows)]
        for column, content in part.columns.items():
            for row, value in zip(here, cells(content), strict=True):
                if value is not None:
                    row[column] = value
        events.extend(here)
    return sorted(events, key=lambda event: int(event["event.sequence"]))


def cells(column: Column) -> list[Any]:
    """Give the value of each row."""
    values, indices = column
    if isinstance(values, bytes):
        return list(numbers_of(values))
    if not indices:
        return values
    return [values[at] for at in (indices if len(values) <= 256 else wide(indices))]
