"""What a reader could not read: every loss has a count and a reason."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Tally:
    """Counts of one reading. `skipped`: reason -> how many; `first`: reason -> where it first happened."""

    records: int = 0
    cut: int = 0
    """Items of records that were shortened or left out."""
    skipped: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def skip(self, reason: str, where: str) -> None:
        """Count one thing that was not read."""
        self.skipped[reason] += 1
        self.first.setdefault(reason, where)
