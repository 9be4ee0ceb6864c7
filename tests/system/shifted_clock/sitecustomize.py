"""Shifts the wall clock of Python processes by the seconds in a file, as setting the host's clock would.

Python imports this at its start when the folder is on PYTHONPATH. The product reads the time by `time.time_ns`
(vedette.runtime.clock) and measures durations by the monotonic clock, which stays.
"""

import os
import time
from pathlib import Path

FILE = Path(os.environ["VEDETTE_TEST_CLOCK"])
_seconds, _nanoseconds = time.time, time.time_ns


def shift() -> int:
    """Give the seconds by which the clock is off."""
    try:
        return int(FILE.read_bytes())
    except (OSError, ValueError):
        return 0


time.time = lambda: _seconds() + shift()
time.time_ns = lambda: _nanoseconds() + shift() * 1_000_000_000
