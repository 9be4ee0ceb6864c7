"""What one thread of the fleet has seen; threads are added up when a person looks."""

from array import array
from collections.abc import Iterable, Sequence

import msgspec


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """Percentiles of durations, seconds; None when nothing was measured."""

    count: int
    p50: float | None
    p95: float | None
    p99: float | None
    highest: float | None


class Tally:
    """Counters of one thread."""

    def __init__(self) -> None:
        self.events = self.batches = self.bytes = 0
        self.receipts, self.late = array("d"), array("d")
        """Seconds from sending to the receipt; seconds after its time that a batch was first sent."""
        self.busy, self.busy_seconds = 0, 0.0
        """Answers 503, and how long the agents waited for them."""
        self.paced = 0
        """Receipts that named a send rate."""
        self.lost_contact = self.refused = 0
        self.problem = ""
        """The last one, in words."""
        self.newest: tuple[str, str, int, float] | None = None
        """Agent, epoch and last number of the newest batch with a receipt, and when it was sent (monotonic)."""

    def receipt(self, seconds: float, *, events: int, size: int, rate: int) -> None:
        """Count a batch that has its receipt."""
        self.receipts.append(seconds)
        self.events += events
        self.bytes += size
        self.batches += 1
        self.paced += rate > 0

    def told_to_wait(self, seconds: float) -> None:
        """Count a 503."""
        self.busy += 1
        self.busy_seconds += seconds

    def unreachable(self, why: str) -> None:
        """Count a request without an answer."""
        self.lost_contact += 1
        self.problem = why

    def refuse(self, why: str) -> None:
        """Count a batch that will never be taken."""
        self.refused += 1
        self.problem = why


def spread(values: Iterable[float]) -> Spread:
    """Give the percentiles."""
    ordered = sorted(values)
    if not ordered:
        return Spread(count=0, p50=None, p95=None, p99=None, highest=None)
    return Spread(
        count=len(ordered),
        p50=percentile(ordered, 0.5),
        p95=percentile(ordered, 0.95),
        p99=percentile(ordered, 0.99),
        highest=round(ordered[-1], 4),
    )


def percentile(ordered: Sequence[float], part: float) -> float:
    """Give the value that `part` of the ordered values do not exceed."""
    return round(ordered[min(len(ordered) - 1, int(len(ordered) * part))], 4)
