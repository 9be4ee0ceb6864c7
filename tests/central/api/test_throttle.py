"""Token buckets keep their rate whatever the pattern of calls."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.central.api.throttle import Throttle
from vedette.runtime.clock import SECOND


@given(st.lists(st.integers(0, 3 * SECOND), max_size=60), st.integers(1, 5))
def test_no_window_has_more_than_burst_and_rate_allow(pauses: list[int], burst: int) -> None:
    now = 0
    throttle = Throttle(lambda: now, burst=burst, interval=SECOND)
    allowed = []
    for pause in pauses:
        now += pause
        if not throttle.wait("a"):
            allowed.append(now)
    for first, start in enumerate(allowed):
        for last in range(first, len(allowed)):
            assert last - first + 1 <= burst + (allowed[last] - start) // SECOND + 1


def test_waiting_as_told_is_enough() -> None:
    now = 0
    throttle = Throttle(lambda: now, burst=2, interval=6 * SECOND)
    assert [throttle.wait("a") for _ in range(3)] == [0, 0, 6]
    assert throttle.wait("b") == 0
    now += 6 * SECOND
    assert [throttle.wait("a") for _ in range(2)] == [0, 6]


def test_memory_is_bounded_and_those_just_seen_stay() -> None:
    throttle = Throttle(lambda: 0, burst=1, interval=SECOND, keys=3)
    for key in "abcd":
        throttle.wait(key)
    assert throttle.wait("d") > 0
    assert throttle.wait("a") == 0
