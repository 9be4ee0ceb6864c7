"""Events an hour of one type: what is over the limit is counted and goes no further.

A quarter of an hour's number may come at once and the other three quarters over the hour, so that no hour has more.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

import msgspec

from vedette.schema.events import EVENT_TYPES, tag
from vedette.schema.events.base import Event
from vedette.schema.policies import LOW_VALUE

HOUR: Final = 3600.0
BURST: Final = 0.25
POLICY: Final = "budget.events"
_LIMITABLE: Final = {tag(kind): kind for kind in EVENT_TYPES if tag(kind) in LOW_VALUE}


class Hourly(msgspec.Struct, frozen=True, kw_only=True):
    """The limit of one type, for people; `left` of what may come at once."""

    limit: int
    left: int


class HourlyLimits:
    """The limits in force; `gate` may be used by several threads."""

    def __init__(self, limits: dict[str, int], steady: Callable[[], float] = time.monotonic) -> None:
        self._steady, self._lock = steady, threading.Lock()
        self._limits: dict[type[Event], int] = {}
        self._left: dict[type[Event], float] = {}
        self._over: Counter[str] = Counter()
        self._at = steady()
        self.set(limits)

    def set(self, limits: dict[str, int]) -> None:
        """Take other limits; types that cannot be limited are passed over. A type with a new limit begins full."""
        wanted = {_LIMITABLE[name]: limit for name, limit in limits.items() if name in _LIMITABLE}
        with self._lock:
            left = {
                kind: self._left[kind] if self._limits.get(kind) == limit else _burst(limit)
                for kind, limit in wanted.items()
            }
            self._limits, self._left = wanted, left

    def gate(self, emit: Callable[[Event], None]) -> Callable[[Event], None]:
        """Give an `emit` that lets through what is within the limits."""

        def limited(event: Event) -> None:
            if type(event) in self._left and not self._take(type(event)):
                return
            emit(event)

        return limited

    def refill(self) -> None:
        """Let in what the time since the last call allows."""
        now = self._steady()
        with self._lock:
            seconds, self._at = now - self._at, now
            for kind, limit in self._limits.items():
                more = limit * (1 - BURST) * seconds / HOUR
                self._left[kind] = min(_burst(limit), self._left[kind] + more)

    def throttled(self) -> dict[str, int]:
        """Event type/policy -> events held back since the start."""
        with self._lock:
            return dict(self._over)

    def report(self) -> dict[str, Hourly]:
        """Describe them."""
        with self._lock:
            return {tag(kind): Hourly(limit=limit, left=int(self._left[kind])) for kind, limit in self._limits.items()}

    def _take(self, kind: type[Event]) -> bool:
        with self._lock:
            left = self._left.get(kind)
            if left is None:
                return True  # the limit was lifted this moment
            if left < 1:
                self._over[f"{tag(kind)}/{POLICY}"] += 1
                return False
            self._left[kind] = left - 1
            return True


def _burst(limit: int) -> float:
    return max(1.0, BURST * limit) if limit else 0.0
