"""The whole agent, with sources of this file, against a real ingest."""

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vedette.agent import app
from vedette.agent.app import Agent
from vedette.agent.core.buffer import Facts
from vedette.agent.core.enrolment import enrol
from vedette.agent.core.identity import IdentityStore
from vedette.agent.core.source import Emit, Source
from vedette.agent.core.status import read_status
from vedette.runtime.clock import now
from vedette.schema.entities import Host, Os, Process
from vedette.schema.events.process import ProcessStop
from vedette.schema.policies import Settings

FACTS = Facts(Host(name="ws1", ip=("10.0.0.1",)), Os(family="linux"))
Eventually = Callable[..., Any]


class Counting:
    """Emits a number of events, then waits to be stopped; fails first if told to."""

    name = "counting"

    def __init__(self, count: int, failures: int = 0) -> None:
        self.count, self.failures = count, failures
        self.applied: list[Settings] = []
        self.done = threading.Event()

    def supported(self) -> str:
        return ""

    def run(self, emit: Emit, stop: threading.Event) -> None:
        if self.failures:
            self.failures -= 1
            raise ValueError("a source that breaks")
        process = Process(pid=1, command_line="counting")
        for number in range(self.count):
            emit(ProcessStop(time=now() + number, process=process))
        self.done.set()
        stop.wait()

    def drops(self) -> dict[str, int]:
        return {"file_change": 3}

    def status(self) -> dict[str, object]:
        return {"mode": "test"}

    def apply(self, settings: Settings) -> None:
        self.applied.append(settings)


class Absent(Counting):
    """A source that cannot run here."""

    name = "absent"

    def supported(self) -> str:
        return "no kernel for it"

    def drops(self) -> dict[str, int]:
        return {}


class Played:
    """A platform with given sources."""

    def __init__(self, *sources: Source) -> None:
        self._sources = list(sources)

    def facts(self) -> Facts:
        return FACTS

    def sources(self, host_id: str, settings: Settings) -> list[Source]:
        del host_id, settings
        return self._sources


class Running:
    """An agent in a thread."""

    def __init__(self, data: Path, *sources: Source) -> None:
        self.stop_event = threading.Event()
        self.agent = Agent(data, Played(*sources))
        self.thread = threading.Thread(target=self.agent.run, args=(self.stop_event,))
        self.thread.start()

    def stop(self) -> None:
        self.stop_event.set()
        self.thread.join(30)
        assert not self.thread.is_alive()


@pytest.fixture
def data(ingest: Any, tmp_path: Path) -> Path:
    """Enrol a host and give its data directory."""
    enrol(IdentityStore(tmp_path / "agent"), server=ingest.url, token=ingest.token(), facts=FACTS)
    return tmp_path / "agent"


def numbers(ingest: Any) -> list[int]:
    return sorted(row["event.sequence"] for row in ingest.events())


def test_events_arrive_once_with_the_host_and_the_losses(ingest: Any, data: Path, eventually: Eventually) -> None:
    source = Counting(3000)
    running = Running(data, source, Absent(0))
    eventually(lambda: ingest.received() >= 3000)
    running.stop()
    ingest.stop()
    assert numbers(ingest) == list(range(1, 3001))
    assert {row["process.command_line"] for row in ingest.events()} == {"counting"}
    status = read_status(data)
    assert status is not None
    assert (status.running, status.losses, status.buffer.events) == (False, {"file_change": 3}, 0)
    assert [report.loop.state for report in status.sources] == ["stopped", "not_supported"]
    assert status.sources[1].loop.last_failure == "no kernel for it"
    assert [settings.version for settings in source.applied] == [status.settings_version] == [1]


def test_what_waits_at_a_stop_is_sent(ingest: Any, data: Path) -> None:
    source = Counting(5)
    running = Running(data, source)
    source.done.wait(10)
    running.stop()
    ingest.stop()
    assert numbers(ingest) == [1, 2, 3, 4, 5]


def test_a_source_that_fails_is_started_again(data: Path, eventually: Eventually) -> None:
    running = Running(data, Counting(10, failures=1))
    eventually(lambda: running.agent.buffer.stats().next == 11)
    running.stop()
    status = read_status(data)
    assert status is not None
    assert (status.sources[0].loop.failures, status.sources[0].loop.last_failure) == (
        1,
        "ValueError: a source that breaks",
    )


def test_an_error_that_nobody_foresaw_does_not_silence_the_agent(
    ingest: Any, data: Path, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app, "FAILURE_PAUSE", 0.01)
    running = Running(data, Counting(100))
    buffer, append, step = running.agent.buffer, running.agent.buffer.append, running.agent.uplink.step
    broken = {"append": 2, "step": 2}

    def fail(name: str, action: Callable[..., Any]) -> Callable[..., Any]:
        def act(*arguments: Any, **named: Any) -> Any:
            if broken[name]:
                broken[name] -= 1
                raise RuntimeError("unforeseen")
            return action(*arguments, **named)

        return act

    monkeypatch.setattr(buffer, "append", fail("append", append))
    monkeypatch.setattr(running.agent.uplink, "step", fail("step", step))
    eventually(lambda: broken == {"append": 0, "step": 0} and buffer.stats().next == 101)
    running.stop()
    ingest.stop()
    assert numbers(ingest) == list(range(1, 101))
    assert running.agent.failures >= 4
    assert "RuntimeError: unforeseen" in running.agent.last_failure


def test_nothing_is_lost_while_ingest_is_killed(ingest: Any, data: Path, eventually: Eventually) -> None:
    running = Running(data, Counting(40_000))
    for _ in range(3):
        seen = ingest.received()
        eventually(lambda seen=seen: ingest.received() > seen or not running.agent.buffer.stats().batches)
        ingest.stop(signal.SIGKILL)
        ingest.start()
    eventually(lambda: ingest.received() >= 40_000)
    running.stop()
    ingest.stop()
    assert numbers(ingest) == list(range(1, 40_001))


def test_a_host_that_was_rolled_back_loses_nothing(ingest: Any, data: Path, eventually: Eventually) -> None:
    def session(count: int) -> None:
        running = Running(data, Counting(count))
        buffer = running.agent.buffer
        before = buffer.stats().next
        eventually(lambda: buffer.stats().next == before + count and not buffer.stats().events)
        running.stop()

    session(10)
    snapshot = (data / "buffer.sqlite").read_bytes()
    session(20)
    (data / "buffer.sqlite").write_bytes(snapshot)
    running = Running(data, Counting(30))
    eventually(lambda: running.agent.buffer.stats().next == 31 and not running.agent.buffer.stats().events)
    running.stop()
    ingest.stop()
    streams: dict[str, list[int]] = {}
    for record in ingest.records():
        streams.setdefault(record.epoch, []).extend(range(record.first, record.last + 1))
    assert sorted(map(sorted, streams.values())) == [list(range(1, 31)), list(range(1, 31))]


KILLED = """
import sys, threading
from pathlib import Path
from vedette.agent.app import run
from vedette.agent.core.buffer import Facts
from vedette.runtime.clock import now
from vedette.schema.events.process import ProcessStop
class Endless:
    name = "endless"
    def supported(self): return ""
    def run(self, emit, stop):
        while not stop.wait(0.01):
            for _ in range(50): emit(ProcessStop(time=now()))
    def drops(self): return {}
    def status(self): return {}
class Platform:
    def facts(self): return Facts()
    def sources(self, host_id, settings): return [Endless()]
run(Path(sys.argv[1]), threading.Event(), platform=Platform())
"""


@pytest.mark.slow
def test_an_agent_killed_at_any_moment_leaves_no_gap_and_no_double_and_says_so(
    ingest: Any, data: Path, eventually: Eventually
) -> None:
    for seconds in (1.5, 2.6, 3.3):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(data)])
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(seconds)
        process.kill()
        process.wait()
    running = Running(data, Counting(1))
    eventually(lambda: not running.agent.buffer.stats().events and running.agent.buffer.stats().next > 100)
    running.stop()
    ingest.stop()
    events = ingest.events()
    assert sorted(row["event.sequence"] for row in events) == list(range(1, len(events) + 1))
    gaps = [row for row in events if row["event.type"] == "telemetry_gap"]
    assert [gap["gap.reason"] for gap in gaps] == ["unclean_stop"] * len(gaps)
    assert len(gaps) >= 2  # one killed before its first batch leaves nothing to tell
    assert all(0 < gap["gap.start"] <= gap["gap.end"] for gap in gaps)


def test_a_second_agent_on_the_same_data_is_refused(data: Path) -> None:
    running = Running(data)
    command = [sys.executable, "-m", "vedette", "agent", "run", "--data", str(data)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    running.stop()
    assert found.returncode == 1
    assert "in use: another agent runs with this data directory" in found.stderr


def test_the_service_manager_hears_of_start_life_and_stop(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "n"))
        manager.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "n"))
        running = Running(data, Counting(1))
        assert manager.recv(1000) == b"READY=1"
        assert manager.recv(1000).startswith(b"WATCHDOG=1\nSTATUS=")
        running.stop()
        assert manager.recv(1000) == b"STOPPING=1"


def test_a_clean_stop_and_a_start_such_as_a_reboot_or_an_upgrade_keep_the_buffer(
    ingest: Any, data: Path, eventually: Eventually
) -> None:
    ingest.stop()
    first = Counting(40)
    running = Running(data, first)
    first.done.wait(10)
    running.stop()
    status = read_status(data)
    assert status is not None
    assert (status.buffer.events, status.link.state) == (40, "offline")
    ingest.start()
    running = Running(data, Counting(2))
    eventually(lambda: ingest.received() >= 42)
    running.stop()
    ingest.stop()
    assert numbers(ingest) == list(range(1, 43))
    assert {row["event.type"] for row in ingest.events()} == {"process_stop"}  # and no gap: it was a clean stop
