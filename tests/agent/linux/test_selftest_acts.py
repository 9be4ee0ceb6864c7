"""The self-test's acts on the running kernel."""

import threading
import time

import pytest

from vedette.agent.core.activity import MARKER, Tally
from vedette.agent.linux.selftest_acts import CHECKS, perform
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.schema.policies import Settings

TEXT = "vedette-selftest-0123456789abcdef"


def test_a_marker_is_recognised() -> None:
    assert MARKER.fullmatch(TEXT)


@pytest.mark.root
def test_each_act_makes_its_event() -> None:
    wanted = {check.event for check in CHECKS if check.source == "kernel"}
    tally, stop, source = Tally(), threading.Event(), KernelSource("0123456789abcdef" * 2, Settings())
    thread = threading.Thread(target=source.run, args=(tally.observe, stop))
    thread.start()
    try:
        deadline = time.monotonic() + 30
        while not source.status().get("observing") and time.monotonic() < deadline:
            time.sleep(0.05)
        perform(TEXT)
        seen: set[str] = set()
        while not wanted <= seen and time.monotonic() < deadline:
            time.sleep(0.1)
            seen |= {kind for kind, program in tally.take() if program == TEXT}
    finally:
        stop.set()
        thread.join(20)
    assert wanted <= seen
