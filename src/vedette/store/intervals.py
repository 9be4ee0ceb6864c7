"""Sets of whole numbers kept as sorted, disjoint, inclusive ranges: which sequence numbers are durable."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from enum import Enum


class Overlap(Enum):
    """How a range lies to a set."""

    NONE = "none"
    PART = "part"
    WHOLE = "whole"


class Intervals:
    """A set of integers; adjacent ranges are joined, so a gap-free history is one pair."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, pairs: Iterable[tuple[int, int]] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for first, last in pairs:
            self.add(first, last)

    def __len__(self) -> int:
        """Count the ranges (not the numbers)."""
        return len(self._firsts)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Intervals) and self.pairs() == other.pairs()

    __hash__ = None  # type: ignore[assignment]  # it changes

    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Give the ranges, lowest first, both ends included."""
        return tuple(zip(self._firsts, self._lasts, strict=True))

    def highest(self) -> tuple[int, int] | None:
        """Give the last range; None when the set is empty."""
        return (self._firsts[-1], self._lasts[-1]) if self._firsts else None

    def total(self) -> int:
        """Count the numbers in the set."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    def overlap(self, first: int, last: int) -> Overlap:
        """Say how much of first..last is in the set."""
        at = bisect_left(self._lasts, first)
        if at == len(self._firsts) or self._firsts[at] > last:
            return Overlap.NONE
        whole = self._firsts[at] <= first and last <= self._lasts[at]
        return Overlap.WHOLE if whole else Overlap.PART

    def add(self, first: int, last: int) -> None:
        """Put first..last into the set. Raises ValueError when last < first."""
        if last < first:
            raise ValueError(f"{first}..{last} is not a range")
        low = bisect_left(self._lasts, first - 1)
        high = bisect_right(self._firsts, last + 1)
        if low < high:
            first = min(first, self._firsts[low])
            last = max(last, self._lasts[high - 1])
        self._firsts[low:high] = [first]
        self._lasts[low:high] = [last]

    def remove(self, first: int, last: int) -> None:
        """Take first..last out of the set. Raises ValueError when last < first."""
        if last < first:
            raise ValueError(f"{first}..{last} is not a range")
        low = bisect_left(self._lasts, first)
        high = bisect_right(self._firsts, last)
        if low >= high:
            return
        firsts, lasts = [], []
        if self._firsts[low] < first:
            firsts.append(self._firsts[low])
            lasts.append(first - 1)
        if self._lasts[high - 1] > last:
            firsts.append(last + 1)
            lasts.append(self._lasts[high - 1])
        self._firsts[low:high] = firsts
        self._lasts[low:high] = lasts
