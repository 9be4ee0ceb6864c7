"""Times that cannot be right give way to the time of receipt, and are kept."""

import numpy as np
import pytest

from vedette.central.pipeline.clock_rule import correct_times
from vedette.runtime.clock import DAY, MINUTE
from vedette.wire.merge import UNKNOWN, Batch

RECEIVED = 1_790_000_000_000_000


def batch(*times: int) -> Batch:
    count = len(times)
    numbers = {"event.time": np.array(times, np.int64), "event.received": np.full(count, RECEIVED, np.int64)}
    nothing = np.zeros(count, np.int32)
    return Batch(rows=count, types={}, dictionaries={}, numbers=numbers, keys={}, arrival=nothing, extras=nothing)


@pytest.mark.parametrize("shift", [-22 * DAY, -DAY, 0, 5 * MINUTE])
def test_a_time_within_bounds_stays(shift: int) -> None:
    made = batch(RECEIVED + shift)
    assert not len(correct_times(made))
    assert made.numbers["event.time"].tolist() == [RECEIVED + shift]
    assert made.numbers["event.time_reported"].tolist() == [UNKNOWN]


@pytest.mark.parametrize("shift", [-22 * DAY - 1, 5 * MINUTE + 1, -RECEIVED])
def test_a_time_out_of_bounds_moves(shift: int) -> None:
    made = batch(RECEIVED, RECEIVED + shift)
    assert correct_times(made).tolist() == [1]
    assert made.numbers["event.time"].tolist() == [RECEIVED, RECEIVED]
    assert made.numbers["event.time_reported"].tolist() == [UNKNOWN, RECEIVED + shift]


def test_an_event_without_a_time_has_that_of_its_receipt() -> None:
    made = batch(UNKNOWN)
    assert correct_times(made).tolist() == [0]
    assert made.numbers["event.time"].tolist() == [RECEIVED]
    assert made.numbers["event.time_reported"].tolist() == [UNKNOWN]


def test_a_batch_whose_times_all_failed_has_them_too() -> None:
    made = batch(UNKNOWN, UNKNOWN)
    del made.numbers["event.time"]
    assert correct_times(made).tolist() == [0, 1]
    assert made.numbers["event.time"].tolist() == [RECEIVED, RECEIVED]
