"""The send rate that the spool's depth gives."""

from hypothesis import given
from hypothesis import strategies as st

from vedette.central.ingest.pace import DEEP, FREE, LEAST, DrainMeter, send_rate
from vedette.runtime.clock import SECOND


def test_a_shallow_spool_holds_nobody_back() -> None:
    assert send_rate(waiting=FREE, drained=0, senders=1000) == 0


def test_at_the_edge_all_that_is_drained_is_shared() -> None:
    assert send_rate(waiting=FREE + 1, drained=40_000, senders=100) == 400


def test_a_deep_spool_empties() -> None:
    assert send_rate(waiting=DEEP, drained=40_000, senders=100) == 40
    assert send_rate(waiting=100 * DEEP, drained=40_000, senders=100) == 40


def test_live_events_of_a_quiet_host_always_pass() -> None:
    assert send_rate(waiting=DEEP, drained=0, senders=10_000) == LEAST


@given(
    waiting=st.integers(FREE + 1, 10 * DEEP),
    more=st.integers(0, DEEP),
    drained=st.floats(0, 1e6),
    n=st.integers(0, 10**6),
)
def test_deeper_is_never_faster(waiting: int, more: int, drained: float, n: int) -> None:
    rate = send_rate(waiting=waiting, drained=drained, senders=n)
    assert rate >= LEAST
    assert send_rate(waiting=waiting + more, drained=drained, senders=n) <= rate


def test_the_meter_finds_a_steady_rate() -> None:
    meter = DrainMeter()
    for second in range(60):
        meter.see(second * 20_000, second * SECOND)
    assert 19_000 < meter.rate < 20_001


def test_the_meter_takes_two_looks_at_the_same_time() -> None:
    meter = DrainMeter()
    meter.see(0, 5)
    assert meter.see(100, 5) == 0.0
