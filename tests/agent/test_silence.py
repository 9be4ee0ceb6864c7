"""A real agent that is killed, frozen, or stopped in order, as the Central Node sees it."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vedette.agent.core.batches import Facts
from vedette.agent.core.enrolment import enrol
from vedette.agent.core.identity import IdentityStore
from vedette.central.alerts.watch import SilenceWatch
from vedette.runtime.clock import MINUTE, SECOND, now
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.entities import Host, Os
from vedette.store.state import agents, alerts

EVERYTHING = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])
AGENT = """
import signal, sys, threading
from pathlib import Path
from vedette.agent import app
from vedette.agent.core.batches import Facts
from vedette.schema.entities import Host

class Quiet:
    def facts(self): return Facts(Host(name=Path(sys.argv[1]).name))
    def sources(self, host_id, settings): return []

stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
app.run(Path(sys.argv[1]), stop, platform=Quiet())
"""


def test_a_killed_and_a_frozen_agent_are_silent_and_one_that_was_stopped_is_not(
    ingest: Any, tmp_path: Path, eventually: Callable[..., Any]
) -> None:
    running: dict[str, subprocess.Popen[bytes]] = {}

    def start(name: str) -> None:
        running[name] = subprocess.Popen([sys.executable, "-c", AGENT, str(tmp_path / name)])

    def seen() -> dict[str, agents.Agent]:
        with ingest.state.read() as db:
            return {host.hostname: host for host in agents.page(db, EVERYTHING) if host.last_seen}

    def told() -> list[tuple[str, str]]:
        with ingest.state.read() as db:
            return sorted((alert.hostname, alert.status.value) for alert in alerts.page(db, EVERYTHING))

    names = ("frozen", "killed", "stopped")
    try:
        for name in names:
            facts = Facts(Host(name=name), Os(family="linux"))
            enrol(IdentityStore(tmp_path / name), server=ingest.url, token=ingest.token(), facts=facts)
            start(name)
        eventually(lambda: len(seen()) == len(names))
        running["killed"].kill()
        running["frozen"].send_signal(signal.SIGSTOP)
        running["stopped"].terminate()
        eventually(lambda: seen()["stopped"].stopped)
        assert seen()["killed"].stopped is seen()["frozen"].stopped is None

        time = now()
        watch = SilenceWatch(ingest.state, lambda: time)
        for _ in range(17 * MINUTE // (15 * SECOND)):
            time += 15 * SECOND
            watch.look()
        assert told() == [("frozen", "new"), ("killed", "new")]

        before = seen()["killed"].last_seen
        running["killed"].wait()
        start("killed")
        eventually(lambda: seen()["killed"].last_seen != before)
        SilenceWatch(ingest.state, now).look()  # back in the present
        assert told() == [("frozen", "new"), ("killed", "closed")]
    finally:
        for process in running.values():
            process.kill()
            process.wait()
