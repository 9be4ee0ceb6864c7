"""Promise 1: whatever is killed, filled or set wrong, nothing acknowledged is lost and nothing is stored twice."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.conftest import Deployment
from tests.system.soak import DECK, OVERLOAD, START_SECONDS, Round, run, total

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(1500)]
ROUNDS = 30


def test_thirty_rounds_lose_nothing_and_store_nothing_twice(make_deployment: Callable[[], Deployment]) -> None:
    deployment = make_deployment()
    began = time.monotonic()
    try:
        rounds, off = run(deployment, ROUNDS, seed=ROUNDS, tell=print)
    finally:
        print(f"{time.monotonic() - began:.0f} s", deployment.log("central")[-3000:], deployment.log("agent")[-3000:])
    assert off == 0, "at the end sent = received = stored = different numbers"
    assert [one for one in rounds if one.lost or one.doubled] == []
    assert {one.fault for one in rounds} == set(DECK)
    starts = [(one.fault, one.start) for one in rounds if one.start is not None and one.load <= OVERLOAD]
    # The fastest of each: other programs take their time on a shared machine, now here and now there.
    fastest = {fault: min(start for other, start in starts if other == fault) for fault, _ in starts}
    assert {fault: start for fault, start in fastest.items() if start > START_SECONDS} == {}
    assert rounds[-1].acknowledged > 1000


def test_the_sum_names_what_was_not_whole() -> None:
    good = Round(round=1, fault="store", start=1.0, acknowledged=10, lost=0, doubled=0, seconds=2.0, load=1.0)
    slow = replace(good, round=2, start=10.1)
    lost = replace(good, round=3, fault="clock", start=None, lost=2, doubled=1)
    busy = replace(slow, round=4, load=OVERLOAD + 1.0)
    added = total([good, slow, lost, busy])
    assert (added["lost"], added["doubled"], added["start_longest"], added["not_whole"]) == (2, 1, 10.1, [2, 3])
    assert added["faults"] == {"clock": 1, "store": 3}
