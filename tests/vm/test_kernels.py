"""The capture test of the Linux agent on other kernels, in each mode: guests in QEMU, without KVM.

The native kernel runs the same test as part of `tests/agent/linux`.
"""

from __future__ import annotations

import functools
import re

import pytest
from tests.vm.guest import Guest
from tests.vm.packages import KERNELS, UnavailableError

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.timeout(400)]
PATIENCE = 240
"""Seconds for a guest: about 10 to Python, 20 to 40 for the test, more on a busy machine."""
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


@functools.cache
def _guest(series: str) -> Guest | str:
    try:
        return Guest(series)
    except UnavailableError as error:
        return str(error)


@pytest.fixture(params=sorted(KERNELS))
def guest(request: pytest.FixtureRequest) -> Guest:
    found = _guest(request.param)
    if isinstance(found, str):
        pytest.skip(f"THE KERNEL MATRIX IS NOT PROVEN: no guest with Linux {request.param}: {found}")
    return found


@pytest.mark.parametrize("mode", ["lsm", "tracepoint"])
def test_what_programs_do_is_captured(guest: Guest, mode: str) -> None:
    outcome = guest.run(*CAPTURE, timeout=PATIENCE, environment={"VEDETTE_TEST_KERNEL_MODE": mode})
    assert outcome.code == 0, outcome.output
    passed = re.search(r"(\d+) passed", outcome.output)
    assert passed is not None, outcome.output
    assert int(passed[1]) >= 25
    assert "skipped" not in outcome.output
