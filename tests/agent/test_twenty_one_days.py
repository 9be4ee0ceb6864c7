"""Three weeks without a Central Node, at 3,000 events an hour, then all of it at once."""

from pathlib import Path
from typing import Any

import pytest

from vedette.agent.app import Agent
from vedette.agent.core.buffer import Facts
from vedette.agent.core.enrolment import enrol
from vedette.agent.core.identity import IdentityStore
from vedette.agent.core.passing import Boot
from vedette.agent.core.source import Source
from vedette.runtime.clock import DAY, HOUR, MINUTE, now
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.entities import Host, Os, Process
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStop
from vedette.schema.policies import Settings
from vedette.store.state import ledger
from vedette.wire.batch import decode
from vedette.wire.expand import cells

FACTS = Facts(Host(name="ws1"), Os(family="linux"))
PER_HOUR = 3000
STEP = 30 * MINUTE
EVERYTHING = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])


class Quiet:
    """A platform whose events the test makes."""

    def facts(self) -> Facts:
        return FACTS

    def sources(self, host_id: str, settings: Settings) -> list[Source]:
        del host_id, settings
        return []


@pytest.mark.slow
@pytest.mark.acceptance("T-05")
def test_after_22_days_offline_21_arrive_once_and_in_order_and_one_is_told_as_expired(
    ingest: Any, tmp_path: Path, eventually: Any
) -> None:
    enrol(IdentityStore(tmp_path / "agent"), server=ingest.url, token=ingest.token(), facts=FACTS)
    ingest.stop()
    end = now()
    time = end - 22 * DAY
    agent = Agent(tmp_path / "agent", Quiet(), lambda: time, lambda: Boot("b", time))
    process = Process(pid=1, command_line="work")
    count = PER_HOUR * STEP // HOUR
    while time < end:
        time += STEP
        events: list[Event] = [ProcessStop(time=time - STEP + n * STEP // count, process=process) for n in range(count)]
        agent._keep(events)
        if time % HOUR < STEP:
            agent.buffer.expire()
    agent.buffer.expire()
    agent.buffer.close()

    made = 22 * 24 * PER_HOUR
    ingest.start()
    agent = Agent(tmp_path / "agent", Quiet(), lambda: time, lambda: Boot("b", time))  # the host was restarted, too
    stats = agent.buffer.stats()
    assert stats.next - 1 == made
    assert stats.expired + stats.events == made
    assert stats.oldest is not None
    assert end - 21 * DAY - STEP <= stats.oldest <= end - 21 * DAY
    patience = 0.0  # without a pipeline the spool only grows, so ingest asks for less and less
    agent.uplink.monotonic = lambda: patience
    agent.uplink.step()
    while agent.buffer.stats().batches:
        patience += agent.uplink.step()
        assert agent.uplink.online
    agent.uplink.close()
    agent.buffer.close()

    def received() -> Any:
        with ingest.state.read() as db:
            lines = ledger.streams(db, EVERYTHING, [agent._identity.agent])
        return [line for line in lines if line.received == stats.events]

    (line,) = eventually(received)
    assert (line.ranges, line.duplicates) == ([(stats.expired + 1, made)], 0)
    assert (line.sent_last, line.expired) == (made, stats.expired)
    ingest.stop()
    times = [
        value
        for record in ingest.records()
        for value in cells(decode(record.body).types["process_stop"].columns["event.time"])
    ]
    live = PER_HOUR * STEP // HOUR  # what had just happened goes first, then the backlog in its order
    assert times[live:] == sorted(times[live:])
    assert len(set(times)) == len(times) == stats.events
