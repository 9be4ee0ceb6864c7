"""Token buckets: how often something may happen per key. In memory, bounded, for one process."""

from collections import OrderedDict
from threading import Lock

from vedette.runtime.clock import SECOND, Clock


class Throttle:
    """Allow `burst` at once and one more each `interval` microseconds, for each key."""

    def __init__(self, clock: Clock, *, burst: int, interval: int, keys: int = 10_000) -> None:
        self._clock, self._burst, self._interval, self._keys = clock, burst, interval, keys
        self._full_at: OrderedDict[str, int] = OrderedDict()
        self._lock = Lock()

    def wait(self, key: str) -> int:
        """Take one if there is one and give 0; else give the seconds to wait (at least 1)."""
        now = self._clock()
        with self._lock:
            full_at = max(self._full_at.pop(key, now), now)
            ahead = full_at - now
            missing = ahead - (self._burst - 1) * self._interval
            if missing > 0:
                self._full_at[key] = full_at
                return max(1, -(-missing // SECOND))
            self._full_at[key] = full_at + self._interval
            while len(self._full_at) > self._keys:
                self._full_at.popitem(last=False)
        return 0
