"""Time: integer microseconds UTC everywhere; functions that need it take a `Clock`."""

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Gives microseconds since 1970-01-01 UTC."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


def now() -> int:
    """Microseconds UTC by the host's clock."""
    return time.time_ns() // 1000
