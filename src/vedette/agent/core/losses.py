"""Counts of events that never reached the buffer: lost, or left out by the budget. Kept over restarts."""

import threading
from collections import Counter
from collections.abc import Mapping


class Losses:
    """Event type (or type/policy, for what the budget leaves out) -> events since the epoch began.

    A source counts from its own start, so only increases are added; a count that went down is a new start.
    """

    def __init__(self, before: Mapping[str, int] = {}) -> None:
        self._total: Counter[str] = Counter(before)
        self._seen: dict[str, dict[str, int]] = {}
        self._lock = threading.Lock()

    def restart(self, before: Mapping[str, int]) -> None:
        """Begin another epoch with these totals."""
        with self._lock:
            self._total = Counter(before)

    def add(self, event_type: str, count: int = 1) -> None:
        """Count events that the agent itself had to let go."""
        with self._lock:
            self._total[event_type] += count

    def observe(self, source: str, drops: Mapping[str, int]) -> None:
        """Take the absolute counts that `source` gives."""
        with self._lock:
            seen = self._seen.setdefault(source, {})
            for event_type, count in drops.items():
                before = seen.get(event_type, 0)
                self._total[event_type] += count - before if count >= before else count
                seen[event_type] = count

    def totals(self) -> dict[str, int]:
        """Give all counts that are not zero."""
        with self._lock:
            return {event_type: count for event_type, count in sorted(self._total.items()) if count > 0}
