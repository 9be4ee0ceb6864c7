"""Keeps the agent within its budget: reads what it costs, decides, and tells the sources what to leave out.

`step` is called about once a second, by one thread.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple

import msgspec

from vedette.agent.core.budget import Budget, Limits, Reading, spent
from vedette.agent.core.memory import give_back
from vedette.agent.core.orders import Orders, Thrifty
from vedette.agent.core.own_cost import own_cpu, own_memory
from vedette.runtime.clock import DAY, SECOND, Clock
from vedette.schema.policies import Settings

log = logging.getLogger(__name__)

GRACE: Final = 10.0
"""Seconds after the start that cost nothing: probes and rules are loaded then."""
MINUTE: Final = 60.0
HOUR: Final = 3600.0
MEMORY_PAUSE: Final = 5.0
CLOSE: Final = 0.75
"""Memory is looked at every five seconds, and with every step when it is above this part of its limit."""
SEND_INTERVALS: Final = (0.0, 5.0, 10.0, 20.0, 30.0)
"""Seconds between batches at least, by the level that bytes ask for: fewer, larger batches are the first saving."""


class Gauge(msgspec.Struct, frozen=True, kw_only=True):
    """One limit, for people. CPU in percent of a core over the last minute, bytes in the last hour for a whole day."""

    limit: float
    used: float
    level: int
    left: float
    """Of the purse: 1 full, 0 empty, less in debt."""


class BudgetReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the budget is and how it fares."""

    level: int = 0
    because: str = ""
    since: int = 0
    """When the level in force began, microseconds UTC."""
    exceeded: tuple[str, ...] = ()
    """Limits that are broken although everything that may be left out is."""
    limits: dict[str, Gauge] = {}


class _Trend:
    """How fast a total grows: over `span` seconds, looked at every `every` seconds."""

    def __init__(self, span: float, every: float) -> None:
        self._points: deque[tuple[float, float]] = deque(maxlen=int(span / every) + 1)
        self._every, self._least = every, min(span, 10 * every)

    def add(self, at: float, total: float) -> None:
        if not self._points or at - self._points[-1][0] >= self._every:
            self._points.append((at, total))

    def a_second(self, at: float, total: float) -> float:
        since, before = self._points[0] if self._points else (at, total)
        return max(0.0, total - before) / max(at - since, self._least)


class Meters(NamedTuple):
    """Where the costs are read: bytes that came into the buffer, CPU seconds, memory; and a steady clock."""

    bytes: Callable[[], int]
    cpu: Callable[[], float] = own_cpu
    memory: Callable[[], int] = own_memory
    steady: Callable[[], float] = time.monotonic


class Governor:
    """Owns the budget. `set_interval` sets the seconds between batches, at least."""

    def __init__(
        self, settings: Settings, meters: Meters, *, set_interval: Callable[[float], None], clock: Clock
    ) -> None:
        self._limits, self._meters, self._set_interval, self._clock = (
            Limits.of(settings), meters, set_interval, clock
        )  # fmt: skip
        self._resident, self._look_at = 0, 0.0
        self._sources: list[Thrifty] = []
        self._free_until = meters.steady() + GRACE
        self._budget = Budget(last=self._reading())
        self._orders, self._since = Orders(cpu=self._limits.cpu), clock()
        self._cpu, self._bytes = _Trend(MINUTE, 1.0), _Trend(HOUR, MINUTE)

    def govern(self, sources: Iterable[object]) -> None:
        """Give orders to those of `sources` that take them."""
        self._sources = [source for source in sources if isinstance(source, Thrifty)]
        for source in self._sources:
            source.save(self._orders)

    def apply(self, settings: Settings) -> None:
        """Take another budget, in force with the next step."""
        self._limits = Limits.of(settings)

    def step(self) -> None:
        """Read the costs, decide, and pass on what changed."""
        reading = self._reading()
        self._cpu.add(reading.at, reading.cpu)
        self._bytes.add(reading.at, reading.bytes)
        if reading.at < self._free_until:
            self._budget = msgspec.structs.replace(self._budget, last=reading)
        before, self._budget = self._budget, spent(self._budget, reading, self._limits)
        purses = self._budget.purses
        orders = Orders(
            level=self._budget.level,
            because=self._budget.because,
            cpu=self._limits.cpu,
            memory_is_short=purses["rss"].level > 0,
        )
        if purses["bytes"].level != before.purses["bytes"].level:
            self._set_interval(SEND_INTERVALS[purses["bytes"].level])
        if orders.memory_is_short:
            give_back()
        if orders != self._orders:
            self._obey(orders)

    def _obey(self, orders: Orders) -> None:
        if orders.level != self._orders.level:
            self._since = self._clock()
            log.info("budget level=%d because=%s before=%d", orders.level, orders.because, self._orders.level)
        self._orders = orders
        for source in self._sources:
            source.save(orders)

    @property
    def last(self) -> Reading:
        """What the agent has cost at the last step."""
        return self._budget.last

    def report(self) -> BudgetReport:
        """Describe it."""
        last, limits = self._budget.last, self._limits
        shown = {
            "cpu": (100 * limits.cpu, 100 * self._cpu.a_second(last.at, last.cpu)),
            "rss": (float(limits.rss), float(last.rss)),
            "bytes": (float(limits.bytes_per_day), self._bytes.a_second(last.at, last.bytes) * (DAY / SECOND)),
        }
        return BudgetReport(
            level=self._budget.level,
            because=self._budget.because,
            since=self._since,
            exceeded=self._budget.exceeded,
            limits={name: self._gauge(name, limit=limit, used=used) for name, (limit, used) in shown.items()},
        )

    def _gauge(self, name: str, *, limit: float, used: float) -> Gauge:
        purse = self._budget.purses[name]
        return Gauge(limit=limit, used=round(used, 2), level=purse.level, left=round(purse.left, 3))

    def _reading(self) -> Reading:
        meters = self._meters
        at = meters.steady()
        if at >= self._look_at or self._resident > CLOSE * self._limits.rss:
            self._resident, self._look_at = meters.memory(), at + MEMORY_PAUSE
        return Reading(at=at, cpu=meters.cpu(), rss=self._resident, bytes=meters.bytes())
