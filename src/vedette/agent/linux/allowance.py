"""How many records a second a source may pass on: a bucket that fills steadily."""

import time
from collections.abc import Callable


class Allowance:
    """Allows `rate` a second on average and `burst` at once."""

    def __init__(self, rate: float, burst: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._monotonic = rate, burst, monotonic
        self._left, self._at = burst, monotonic()

    def take(self) -> bool:
        """Say whether one more is allowed, and count it."""
        moment = self._monotonic()
        self._left = min(self._burst, self._left + (moment - self._at) * self._rate)
        self._at = moment
        if self._left < 1:
            return False
        self._left -= 1
        return True
