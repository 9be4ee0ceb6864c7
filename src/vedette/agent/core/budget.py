"""How hard the agent must save: what was spent goes in, a level comes out. Pure; the governor reads the costs.

CPU time and bytes are paid from a purse each. A purse fills at nine tenths of the budget's rate and holds what a
while of quiet saves up, so that a burst costs nothing and a steady excess is throttled down to the budget. The
emptier the purse, the higher the level; memory counts as a purse of what is free below its limit.
"""

from typing import Final

import msgspec

from vedette.runtime.clock import DAY, SECOND
from vedette.schema.policies import Settings

HIGHEST: Final = 4
"""Levels: 0 nothing is left out, 1 what repeats itself, 2 what is worth little too, 3 much, 4 nearly all of that."""
ENTER: Final = (0.5, 0.38, 0.26, 0.14)
"""Part of a purse below which level 1, 2, 3, 4 begins ..."""
LEAVE_ABOVE: Final = 0.08
"""... and how much above that it ends."""
HOLD: Final = 5.0
"""Seconds that a level lasts at least before a lower one follows."""
FILL: Final = 0.9
"""Part of the budget at which a purse fills: the rest is for what no level can hold back at once."""
DEBT: Final = -0.5
"""A purse is never emptier than this: what was spent in vain is not paid for longer than half a burst."""
CPU_BURST: Final = 60.0
"""Seconds of quiet that the purse of CPU time holds."""
BYTES_BURST: Final = DAY / SECOND / 8
RSS_MARGIN: Final = 0.3
"""Part of the memory limit below it that is the purse of memory: at 85 % of the limit it is half empty."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator allows."""

    cpu: float
    """CPU seconds a second."""
    rss: int
    bytes_per_day: int

    @classmethod
    def of(cls, settings: Settings) -> "Limits":
        """Take the limits out of the settings."""
        return cls(
            cpu=settings.budget_cpu_percent / 100,
            rss=settings.budget_rss_bytes,
            bytes_per_day=settings.budget_bytes_per_day,
        )


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent has cost so far: CPU seconds and bytes in all, memory now. `at` in seconds of a steady clock."""

    at: float
    cpu: float
    rss: int
    bytes: int


class Purse(msgspec.Struct, frozen=True, kw_only=True):
    """How one limit fares."""

    left: float = 1.0
    """1 = a whole burst is saved up, 0 = spent, less = in debt."""
    level: int = 0
    since: float = 0.0


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """All purses, by the name of the limit, and the reading that they were drawn up from."""

    last: Reading
    purses: dict[str, Purse] = msgspec.field(default_factory=lambda: dict.fromkeys(("cpu", "bytes", "rss"), Purse()))

    @property
    def level(self) -> int:
        """The level in force."""
        return max(purse.level for purse in self.purses.values())

    @property
    def because(self) -> str:
        """The limit that asks for it; "" at level 0."""
        level = self.level
        return next((name for name, purse in self.purses.items() if purse.level == level), "") if level else ""

    @property
    def exceeded(self) -> tuple[str, ...]:
        """Limits that are broken although all that may be left out is."""
        return tuple(name for name, purse in self.purses.items() if purse.left <= 0 and purse.level == HIGHEST)


def spent(budget: Budget, reading: Reading, limits: Limits) -> Budget:
    """Give the budget after `reading`."""
    last, purses = budget.last, budget.purses
    seconds = max(0.0, reading.at - last.at)
    cpu = max(0.0, reading.cpu - last.cpu)  # a child that ended takes its count along for a moment
    sent = max(0, reading.bytes - last.bytes) / (limits.bytes_per_day * SECOND / DAY)
    left = {
        "cpu": _paid(purses["cpu"].left, seconds, cpu / limits.cpu, CPU_BURST),
        "bytes": _paid(purses["bytes"].left, seconds, sent, BYTES_BURST),
        "rss": max(DEBT, min(1.0, (1 - reading.rss / limits.rss) / RSS_MARGIN)),
    }
    return Budget(last=reading, purses={name: _purse(purses[name], part, reading.at) for name, part in left.items()})


def _paid(left: float, seconds: float, cost: float, burst: float) -> float:
    """Fill and pay; `cost` in seconds of the budget's rate."""
    return max(DEBT, min(1.0, left + (seconds * FILL - cost) / burst))


def _purse(before: Purse, left: float, at: float) -> Purse:
    """Rise to a higher level at once; go down one at a time, late and not before it has lasted."""
    wanted = sum(left < threshold for threshold in ENTER)
    if wanted > before.level:
        return Purse(left=left, level=wanted, since=at)
    may_fall = before.level > 0 and left > ENTER[before.level - 1] + LEAVE_ABOVE and at - before.since >= HOLD
    if may_fall:
        return Purse(left=left, level=before.level - 1, since=at)
    return Purse(left=left, level=before.level, since=before.since)
