"""Pauses and rates."""

import pytest

from vedette.agent.core.pace import Backoff, Rate


def test_pauses_double_up_to_the_longest() -> None:
    backoff = Backoff(longest=20, draw=lambda: 0.0)
    assert [backoff.failed() for _ in range(7)] == [1, 2, 4, 8, 16, 20, 20]


def test_hosts_do_not_come_as_one() -> None:
    assert Backoff(draw=lambda: 1.0).failed() == 0.5
    assert {Backoff().failed() for _ in range(20)} != {1.0}


def test_success_begins_anew() -> None:
    backoff = Backoff(draw=lambda: 0.0)
    backoff.failed()
    backoff.failed()
    backoff.succeeded()
    assert backoff.failed() == 1


def test_retry_after_is_kept_and_bounded() -> None:
    backoff = Backoff(draw=lambda: 0.5)
    assert backoff.failed(asked=30) == pytest.approx(33)
    assert backoff.failed(asked=10**9) == pytest.approx(3960)


def test_many_failures_do_not_overflow() -> None:
    backoff = Backoff(draw=lambda: 0.0)
    backoff.failures = 10**6
    assert backoff.failed() == 120


def test_a_rate_spreads_batches() -> None:
    rate = Rate()
    rate.limit = 100
    rate.sent(50, now=10.0)
    assert rate.pause(10.0) == pytest.approx(0.5)
    assert rate.pause(10.4) == pytest.approx(0.1)
    rate.sent(50, now=10.4)
    assert rate.pause(10.4) == pytest.approx(0.6)
    assert rate.pause(20.0) == 0


def test_no_limit_is_no_pause() -> None:
    rate = Rate()
    rate.sent(10**6, now=1.0)
    assert rate.pause(1.0) == 0
