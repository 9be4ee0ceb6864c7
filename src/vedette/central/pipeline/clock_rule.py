"""Whether a time that an agent reports can be believed."""

import numpy as np

from vedette.runtime.clock import DAY, MINUTE
from vedette.wire.merge import UNKNOWN, Batch
from vedette.wire.values import Indices

EARLIEST, LATEST = -22 * DAY, 5 * MINUTE
"""Bounds of event.time, from the moment of receipt: an agent keeps events for 21 days."""


def correct_times(batch: Batch) -> Indices:
    """Move times out of bounds to event.time_reported, with receipt as event.time; gives the rows it touched.

    An event without a time gets that of its receipt and counts as touched.
    """
    received = batch.numbers["event.received"]
    times = batch.numbers.get("event.time")
    if times is None:
        times = np.full(batch.rows, UNKNOWN, np.int64)
    believable = (times >= received + EARLIEST) & (times <= received + LATEST)
    batch.numbers["event.time"] = np.where(believable, times, received)
    batch.numbers["event.time_reported"] = np.where(believable, UNKNOWN, times)
    return np.flatnonzero(~believable).astype(np.int32)
