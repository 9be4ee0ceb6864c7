"""kill -9 of pipeline and store while they work: every event is stored, counted and detected once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import text
from tests.central.api.test_rules import SIGMA

from vedette.runtime.clock import now
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.entities import Detect, Os, Process
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStart
from vedette.schema.events.protection import EppDetect
from vedette.schema.rules import RuleCheck, RuleKind, RuleText
from vedette.store.events import EventStore
from vedette.store.segment import Record, pack_head
from vedette.store.state import agents, alerts, ledger, rules, tokens
from vedette.store.state.rules import Saved

if TYPE_CHECKING:
    from tests.central.conftest import Node

SEGMENTS, EVENTS, DETECTED = 24, 4000, 5
RULE = "11111111-2222-4333-8444-555555555555"


class Processes:
    """Store and pipeline of a node, started again as their supervisor would."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        module = {"store": "vedette.store.server", "pipeline-0": "vedette.central.pipeline"}[name]
        ready = self.node.layout.ready(name)
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", module, "--data", str(self.node.layout.data)]
        self.running[name] = subprocess.Popen(command, env={**os.environ, "PYTHONWARNINGS": "ignore"})
        while not ready.exists():
            assert self.running[name].poll() is None, f"{name} ended at its start"
            time.sleep(0.05)

    def kill(self, name: str) -> None:
        self.running[name].kill()
        self.running[name].wait()
        self.start(name)

    def stop(self) -> None:
        for process in reversed(self.running.values()):
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0

    def store(self) -> EventStore:
        layout = self.node.layout
        return EventStore(
            f"http://127.0.0.1:{layout.ready('store').read_text().strip()}", layout.store_password.read_text()
        )


@pytest.fixture
def processes(prepared_node: Node) -> Iterator[Processes]:
    made = Processes(prepared_node)
    yield made
    for process in made.running.values():
        process.kill()
        process.wait()


def enrol(node: Node) -> str:
    with node.state.write() as db:
        secret = tokens.create_enrolment(db, tokens.NewEnrolment(), now=now())
        return agents.enrol(db, tokens.sha256(secret), hostname="h", os="linux", now=now()).id


def seal(folder: Path, number: int, *records: Record) -> None:
    path = folder / f"{number:012d}.open"
    path.write_bytes(b"".join(pack_head(record) + record.body for record in records))
    path.rename(path.with_suffix(".seg"))


def keep_rule(node: Node) -> None:
    """Have the pipeline look for a behaviour, too."""
    rule = RuleText(kind=RuleKind.TAA, name="marker", text=SIGMA)
    with node.state.write() as db:
        rules.put(db, Saved(rule=rule, check=RuleCheck(rules=(RULE,)), tenant="default", author="ann"), now=now())


def threats() -> list[Event]:
    """Give events in each of which something is found: by two rules of the host's engine, by one of ours."""
    by_host = [EppDetect(time=now(), detect=Detect(engine="yara", category=f"T{n % 2}")) for n in range(DETECTED - 1)]
    return [*by_host, ProcessStart(time=now(), process=Process(command_line="echo vedette-marker"))]


@pytest.mark.slow
def test_every_event_is_stored_counted_and_detected_once(
    processes: Processes, prepared_node: Node, make_record: Callable[..., Record]
) -> None:
    node, chance = prepared_node, random.Random(5)
    agent = enrol(node)
    keep_rule(node)
    processes.start("store")
    processes.start("pipeline-0")
    for number in range(SEGMENTS):
        halves = [make_record(number * EVENTS + at, EVENTS // 2, agent=agent) for at in (1, EVENTS // 2 + 1)]
        first = SEGMENTS * EVENTS + number * DETECTED + 1
        detected = make_record(first, agent=agent, events=threats(), os=Os(family="linux"))
        seal(node.layout.spool, number, *halves, detected, make_record(number + 1, 1, agent="f" * 32))
        time.sleep(chance.uniform(0, 0.3))
        if number % 4 == 2:
            processes.kill(chance.choice(["store", "pipeline-0"]))
    deadline = time.monotonic() + 90
    while any(node.layout.spool.glob("*.seg")):
        assert time.monotonic() < deadline, sorted(node.layout.spool.iterdir())
        time.sleep(0.1)
    whole = SEGMENTS * (EVENTS + DETECTED)
    found = processes.store().query("SELECT count(), uniqExact(`event.sequence`), max(`event.sequence`) FROM event")
    assert found == [(whole, whole, whole)]
    assert processes.store().query("SELECT sum(events) FROM event_hour") == [(whole,)]
    with node.state.read() as db:
        scope = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])
        (stream,) = ledger.streams(db, scope, [agent])
        raised = {alert.rule: alert.count for alert in alerts.page(db, scope)}
        kept = db.execute(text("SELECT count(*), count(DISTINCT event) FROM finding")).one()
    assert raised == {"yara:T0": 2 * SEGMENTS, "yara:T1": 2 * SEGMENTS, RULE: SEGMENTS}
    assert tuple(kept) == (DETECTED * SEGMENTS, DETECTED * SEGMENTS)
    assert (stream.stored, stream.dead_letter) == (whole, 0)
    assert len(list(node.layout.dead_letter.glob("*-000.seg"))) == SEGMENTS
    processes.stop()
