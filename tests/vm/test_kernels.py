"""The capture test of the Linux agent on other kernels, in each mode: guests in QEMU, without KVM.

The native kernel runs the same test as part of `tests/agent/linux`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from tests.vm.guest import Guest, Outcome
from tests.vm.packages import KERNELS, UnavailableError

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(1200)]
PATIENCE = 480
"""Seconds for a guest: about 10 to Python, 40 for the test, several times that on a busy machine."""
CAPTURE = (
    "/usr/bin/python3",
    "-m",
    "pytest",
    "-q",
    "--color=no",
    "-p",
    "no:cacheprovider",
    "tests/agent/linux/test_live.py",
    "tests/agent/linux/test_live_budget.py",
)


MODES = ("lsm", "tracepoint")


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, str], Future[Outcome]]]:
    """Give what the guests will have said, by kernel and mode. Each has one processor: two run at a time.

    They are made one after the other: they share what is fetched.
    """
    with ThreadPoolExecutor(1) as maker, ThreadPoolExecutor(2) as pool:
        guests = {series: maker.submit(Guest, series) for series in sorted(KERNELS)}

        def capture(series: str, mode: str) -> Outcome:
            guest = guests[series].result()
            return guest.run(*CAPTURE, timeout=PATIENCE, environment={"VEDETTE_TEST_KERNEL_MODE": mode})

        yield {(series, mode): pool.submit(capture, series, mode) for series in guests for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("series", sorted(KERNELS))
def test_what_programs_do_is_captured(outcomes: dict[tuple[str, str], Future[Outcome]], series: str, mode: str) -> None:
    try:
        outcome = outcomes[series, mode].result()
    except UnavailableError as error:
        pytest.skip(f"THE KERNEL MATRIX IS NOT PROVEN: no guest with Linux {series}: {error}")
    assert outcome.code == 0, outcome.output
    passed = re.search(r"(\d+) passed", outcome.output)
    assert passed is not None, outcome.output
    assert int(passed[1]) >= 25
    assert "skipped" not in outcome.output
