"""How much the scanner may cost, and how often it may report."""

from collections.abc import Callable
from time import monotonic

Seconds = Callable[[], float]


class CpuBudget:
    """Seconds of CPU time: `share` of one core over time, `burst` seconds at once after a quiet time."""

    def __init__(self, *, share: float, burst: float = 5.0, clock: Seconds = monotonic) -> None:
        self.share = share
        self._burst, self._clock = burst, clock
        self._left, self._at, self._used = burst, clock(), 0.0

    def pause(self, used: float) -> float:
        """Give the seconds to wait before more may be used; `used`: CPU seconds so far, all in all."""
        now = self._clock()
        earned = (now - self._at) * self.share
        self._left = min(self._burst, self._left + earned) - max(0.0, used - self._used)
        self._at, self._used = now, used
        return 0.0 if self._left >= 0 else -self._left / self.share


class Quota:
    """Reports: `rate` a second over time, `burst` at once after a quiet time."""

    def __init__(self, *, rate: float, burst: int, clock: Seconds = monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = float(burst), clock()

    def take(self) -> bool:
        """Say whether one more may be sent now, and count it."""
        now = self._clock()
        self._left = min(float(self._burst), self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True
