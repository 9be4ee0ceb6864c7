"""T-05: 22 days without a Central Node at 3,000 events an hour, then all of it at once, into the events database.

The host's clock and the time since its boot are the test's; everything else is real: the agent's buffer, TLS,
ingest, pipeline, store, API and command line.
"""

from __future__ import annotations

import time as clocks
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Deployment, until

from vedette.agent.app import Agent
from vedette.agent.core.buffer import Facts
from vedette.agent.core.passing import Boot
from vedette.agent.core.source import Source
from vedette.runtime.clock import DAY, HOUR, MINUTE, now
from vedette.schema.entities import Detect, Host, Os, Process, Session, Task
from vedette.schema.events.base import Event
from vedette.schema.events.logs import TaskReport, TerminalSession
from vedette.schema.events.process import ProcessStop
from vedette.schema.events.protection import EppDetect
from vedette.schema.policies import Settings
from vedette.store.events import EventStore

PER_HOUR = 3000
BETWEEN = HOUR // PER_HOUR
"""Microseconds from one event to the next."""
STEP = 10 * MINUTE
OUTAGE = 22 * DAY
MADE = OUTAGE // BETWEEN

SUMMARY = """
SELECT count(), uniqExact(`event.sequence`), min(`event.sequence`), max(`event.sequence`),
    countIf(toUnixTimestamp64Micro(`event.time`) != {start:Int64} + (`event.sequence` - 1) * {between:Int64}),
    countIf(`event.time_reported` IS NOT NULL)
FROM event WHERE `host.id` = {host:String} AND `event.type` != 'telemetry_gap'
"""
KINDS = "SELECT `event.type`, count() FROM event WHERE `host.id` = {host:String} GROUP BY `event.type`"


class Quiet:
    """A platform whose events the test makes."""

    def facts(self) -> Facts:
        return Facts(Host(name="ws1"), Os(family="linux"))

    def sources(self, host_id: str, settings: Settings) -> list[Source]:
        del host_id, settings
        return []


def event(number: int, time: int) -> Event:
    """Give event `number` (from 0) of the kinds that T-04 names."""
    match number % 1000:
        case 0:
            return TaskReport(time=time, task=Task(id=str(number), type="kill_process", state="done"))
        case 250:
            return EppDetect(time=time, detect=Detect(engine="yara", result="detected", object_name="EICAR"))
        case 500:
            return TerminalSession(time=time, session=Session(id=str(number), type="ssh"))
        case _:
            return ProcessStop(time=time, process=Process(pid=1, command_line="work"))


class Outage:
    """An enrolled agent that nobody listens to."""

    def __init__(self, data: Path, end: int) -> None:
        self.data, self.start, self.time = data, end - OUTAGE, end - OUTAGE
        self.made = 0
        self.agent = self.begin()

    def begin(self) -> Agent:
        """Start the agent; the host has been up for a year."""
        self.agent = Agent(self.data, Quiet(), lambda: self.time, lambda: Boot("b", self.time - self.start + 365 * DAY))
        return self.agent

    def run(self, until_time: int) -> None:
        """Let events happen; what an agent does each minute happens each hour."""
        while self.time < until_time:
            count = STEP // BETWEEN
            numbers = range(self.made, self.made + count)
            events = [event(number, self.start + number * BETWEEN) for number in numbers]
            self.made += count
            self.time += STEP
            self.agent._keep(events)
            if self.time % HOUR < STEP:
                self.agent.buffer.expire()


def drain(agent: Agent) -> None:
    """Send everything, as fast as the Central Node allows."""
    while agent.buffer.stats().batches:
        clocks.sleep(min(agent.uplink.step(), 1.0))


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.acceptance("T-05")
def test_after_22_days_offline_what_is_21_days_old_arrives_once_in_order_and_the_rest_is_told(
    make_deployment: Callable[[], Deployment],
) -> None:
    deployment = make_deployment()
    deployment.start_central()
    data = deployment.enrol()
    deployment.stop("central")

    end = now()
    outage = Outage(data, end)
    outage.run(end - 11 * DAY)
    outage.agent.buffer._db.connection.close()  # as after kill -9
    outage.begin()
    outage.run(end)
    outage.agent.buffer.expire()
    outage.agent.buffer.close()

    agent = outage.begin()  # and again, in order
    assert outage.made == MADE
    stats = agent.buffer.stats()
    expired = stats.expired
    assert (stats.next - 1, stats.events) == (MADE, MADE - expired)
    oldest = outage.start + expired * BETWEEN
    assert stats.oldest == oldest
    assert end - 21 * DAY - STEP - BETWEEN <= oldest <= end - 21 * DAY
    kinds = Counter(kind(number) for number in range(expired, MADE))
    gone = Counter(kind(number) for number in range(expired))

    deployment.start_central()
    agent.uplink.step()
    reported = told(deployment, lambda line: line["spool_oldest"] == oldest)
    assert (reported["spooled"], reported["expired"], reported["aged"]) == (stats.events, expired, gone)
    drain(agent)
    agent.uplink.close()
    agent.buffer.close()

    line = told(deployment, lambda line: line["stored"] == stats.events, seconds=120)
    assert (line["sent"], line["received"], line["missing"], line["expired"]) == (MADE, stats.events, expired, expired)
    assert (line["duplicates"], line["in_flight"], line["dead_lettered"], line["clock_corrected"]) == (0, 0, 0, 0)
    assert line["gaps"] == [{"first": 1, "last": expired}]

    host = line["host"]
    (summary,) = ask(deployment, SUMMARY, host=host, start=outage.start, between=BETWEEN)
    assert summary == (stats.events, stats.events, expired + 1, MADE, 0, 0)
    assert dict(ask(deployment, KINDS, host=host)) == kinds
    assert kinds.keys() == {"process_stop", "task_report", "epp_detect", "terminal_session"}
    for name, count in kinds.items():
        counted = deployment.json_lines("hunt", f"event.type:{name}", "--since", "23d", "--count")[0]
        assert (counted["count"], counted["complete"]) == (count, True)
    first = deployment.json_lines("hunt", "event.type:task_report", "--since", "23d", "--limit", "5000")
    numbers = [one["event.sequence"] for one in first]  # newest first
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) == kinds["task_report"]


def kind(number: int) -> str:
    return {0: "task_report", 250: "epp_detect", 500: "terminal_session"}.get(number % 1000, "process_stop")


def told(deployment: Deployment, good: Callable[[dict[str, Any]], bool], *, seconds: float = 30) -> dict[str, Any]:
    """Wait until the ledger of the one host is good; gives it."""
    seen: list[dict[str, Any]] = []

    def look() -> bool:
        seen[:] = deployment.json_lines("ledger")
        return bool(seen) and good(seen[0])

    until(look, seconds=seconds, every=0.5, what="the ledger", alive=deployment.alive)
    return seen[0]


def ask(deployment: Deployment, sql: str, **parameters: Any) -> list[tuple[Any, ...]]:
    """Ask the events database itself."""
    run = deployment.root / "central" / "run"
    password = (run / "store-password").read_text().strip()
    store = EventStore(f"http://127.0.0.1:{deployment.ports['store']}", password)
    return [tuple(row) for row in store.query(sql, parameters, {"max_execution_time": 60})]
