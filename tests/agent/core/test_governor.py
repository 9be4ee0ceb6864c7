"""The governor: costs in, orders out."""

from collections.abc import Callable
from typing import Any

from vedette.agent.core.governor import GRACE, Governor, Meters
from vedette.agent.core.orders import Orders
from vedette.runtime.clock import HOUR
from vedette.schema.policies import Settings


class Obedient:
    """A source that keeps its orders."""

    def __init__(self) -> None:
        self.orders: list[Orders] = []

    def save(self, orders: Orders) -> None:
        self.orders.append(orders)

    def throttled(self) -> dict[str, int]:
        return {}


class Host:
    """What the agent costs, by the test's word."""

    def __init__(self, clock: Callable[[], int], settings: Settings | None = None) -> None:
        self.now = self.cpu = 0.0
        self.rss, self.bytes, self.intervals = 100 << 20, 0, list[float]()
        self.source = Obedient()
        self.governor = Governor(
            settings or Settings(),
            Meters(lambda: self.bytes, lambda: self.cpu, lambda: self.rss, lambda: self.now),
            set_interval=self.intervals.append,
            clock=clock,
        )
        self.governor.govern([self.source, object()])

    def seconds(self, count: int, *, cpu: float = 0.0, size: int = 0) -> None:
        for _ in range(count):
            self.now, self.cpu, self.bytes = self.now + 1, self.cpu + cpu, self.bytes + size
            self.governor.step()


def test_a_quiet_agent_gets_one_order_and_no_other(clock: Any) -> None:
    host = Host(clock)
    host.seconds(100, cpu=0.05, size=100)
    assert host.source.orders == [Orders(cpu=0.1)]
    report = host.governor.report()
    assert (report.level, report.because, report.exceeded) == (0, "", ())
    assert (report.limits["cpu"].limit, report.limits["cpu"].used) == (10.0, 5.0)


def test_what_the_start_costs_is_free(clock: Any) -> None:
    host = Host(clock)
    host.seconds(int(GRACE) - 1, cpu=2.0)
    host.seconds(20)
    assert [orders.level for orders in host.source.orders] == [0]


def test_orders_rise_with_the_cost_and_fall_afterwards(clock: Any) -> None:
    host = Host(clock)
    host.seconds(10)
    clock.move(HOUR)
    host.seconds(20, cpu=0.9)
    assert host.source.orders[-1] == Orders(level=4, because="cpu", cpu=0.1)
    assert host.source.orders[-1].policy == "budget.cpu"
    assert host.governor.report().since == clock()
    assert host.governor.report().exceeded == ("cpu",)
    host.seconds(200)
    assert [orders.level for orders in host.source.orders][-5:] == [4, 3, 2, 1, 0]


def test_bytes_are_first_saved_by_sending_less_often(clock: Any) -> None:
    host = Host(clock, Settings(budget_bytes_per_day=1 << 20))
    host.seconds(10)
    host.seconds(30, size=4096)
    assert host.intervals[:1] == [5.0]
    assert host.source.orders[-1].because == "bytes"


def test_another_budget_is_obeyed_with_the_next_step(clock: Any) -> None:
    host = Host(clock)
    host.seconds(60, cpu=0.2)
    assert host.source.orders[-1].level > 0
    host.governor.apply(Settings(budget_cpu_percent=50))
    host.seconds(200, cpu=0.2)
    assert host.source.orders[-1] == Orders(cpu=0.5)


def test_memory_that_is_short_is_said(clock: Any) -> None:
    host = Host(clock)
    host.rss = 190 << 20
    host.seconds(6)
    assert (host.source.orders[-1].memory_is_short, host.source.orders[-1].because) == (True, "rss")
