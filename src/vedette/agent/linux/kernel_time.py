"""Times of the kernel as times of the day."""

import time

TICK = 10_000_000
"""Nanoseconds of the unit in which /proc tells when a process started (USER_HZ = 100 on every Linux)."""


class KernelTime:
    """Turns nanoseconds since boot (suspend included) into microseconds UTC; `refresh` follows a clock that is set."""

    def __init__(self) -> None:
        self._offset = 0
        self.refresh()

    def refresh(self) -> None:
        """Measure the distance of the two clocks anew."""
        offset = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        # Reading the two clocks is not one step: small differences are noise and would move start times.
        if abs(offset - self._offset) > 2_000_000:
            self._offset = offset

    def micros(self, since_boot: int) -> int:
        """Give the time of day of a moment, microseconds UTC."""
        return (since_boot + self._offset) // 1000

    def since_boot(self, since_1970: int) -> int:
        """Give nanoseconds since boot of a time in nanoseconds since 1970."""
        return since_1970 - self._offset


def ticks(start: int) -> int:
    """Cut a start (nanoseconds since boot) to what /proc tells, so that a process found there has the same id."""
    return start // TICK * TICK
