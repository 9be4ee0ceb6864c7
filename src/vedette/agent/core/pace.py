"""When to send next: pauses that grow after failures, and the rate that the Central Node asks for."""

import random
from collections.abc import Callable

LONGEST_RETRY_AFTER = 3600.0


class Backoff:
    """Pauses of 1, 2, 4 ... `longest` seconds, each shortened by up to half so that hosts do not come as one."""

    def __init__(self, *, longest: float = 120.0, draw: Callable[[], float] = random.random) -> None:
        self._longest, self._draw = longest, draw
        self.failures = 0

    def succeeded(self) -> None:
        """Begin anew."""
        self.failures = 0

    def failed(self, *, asked: float = 0.0) -> float:
        """Give the seconds to wait; at least `asked` (Retry-After) and up to a fifth more."""
        pause = min(2.0 ** min(self.failures, 16), self._longest) * (1 - self._draw() / 2)
        self.failures += 1
        if asked > 0:
            return max(pause, min(asked, LONGEST_RETRY_AFTER) * (1 + self._draw() / 5))
        return pause


class Rate:
    """Spreads events to at most `limit` a second (0 = no limit); times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        self.limit = 0
        self._free = 0.0

    def sent(self, events: int, now: float) -> None:
        """Take note of events that were sent at `now`."""
        if self.limit > 0:
            self._free = max(self._free, now) + events / self.limit
        else:
            self._free = now

    def pause(self, now: float) -> float:
        """Seconds until the next batch may go."""
        return max(0.0, self._free - now)
