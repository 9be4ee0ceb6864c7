"""The journal source: recorded lines, and a real journald in a mount namespace of its own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.acting import ActingProcesses, Answer
from vedette.agent.linux.log_events import LogEvents
from vedette.agent.linux.logins import Logins
from vedette.agent.linux.sources import journal
from vedette.agent.linux.sources.journal import JournalSource
from vedette.schema.events.base import Event
from vedette.schema.events.logs import OsLogEvent


class Nobody(ActingProcesses):
    """A process table that knows nobody, and says so at once."""

    def ask(self, pid: int, at: int, then: Answer, *, executable: str | None = None) -> None:
        del pid, at, executable
        then(None, None)


def make(folder: Path | None = None, *, audit: bool = True) -> JournalSource:
    acting = Nobody()
    return JournalSource(LogEvents(Accounts(), Logins(), acting), acting, folder=folder, audit_is_read=lambda: audit)


def line(number: int, **other: str) -> bytes:
    fields = {
        "__CURSOR": f"c{number}", "__REALTIME_TIMESTAMP": "1795499276198570", "SYSLOG_FACILITY": "10",
        "SYSLOG_IDENTIFIER": "sshd", "MESSAGE": f"Failed password for u{number} from 10.0.0.9 port 4 ssh2",
    }  # fmt: skip
    return json.dumps(fields | other).encode() + b"\n"


def texts(events: list[Event]) -> list[str | None]:
    return [event.oslog.message for event in events if isinstance(event, OsLogEvent) and event.oslog]


def test_lines_in_pieces_become_events() -> None:
    source, events = make(), list[Event]()
    data = line(1) + b"nonsense\n" + line(2)
    for start in range(0, len(data), 7):
        source.take(data[start : start + 7], events.append)
    assert [text and text.split()[3] for text in texts(events)] == ["u1", "u2"]
    assert source.status()["malformed"] == 1


def test_audit_records_are_left_to_the_audit_source_where_it_reads() -> None:
    for reading, count in ((True, 0), (False, 1)):
        source, events = make(audit=reading), list[Event]()
        source.take(line(1, _TRANSPORT="audit"), events.append)
        assert len(events) == count


def test_the_agents_own_lines_make_no_events() -> None:
    source, events = make(), list[Event]()
    source.take(line(1, _PID=str(os.getpid())), events.append)
    assert events == []


def test_a_line_without_end_is_let_go_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journal, "LONGEST_LINE", 100)
    source, events = make(), list[Event]()
    source.take(b"x" * 101, events.append)
    source.take(b"\n" + line(1), events.append)
    assert len(events) == 1
    assert source.drops() == {"os_log": 1}


def test_a_flood_keeps_few_cursors_and_the_newest() -> None:
    source, events = make(), list[Event]()
    source.take(b"".join(line(number) for number in range(3000)), events.append)
    assert len(source._passed) < 3000
    assert source._passed[-1][1] == "c2999"


def test_only_what_is_surely_buffered_is_kept_unless_the_agent_stops_cleanly(tmp_path: Path) -> None:
    source, events = make(), list[Event]()
    source.keep_in(tmp_path)
    source.take(line(1) + line(2), events.append)
    source._save()
    assert not (tmp_path / "journald.cursor").exists()
    source._save(far=True)
    assert (tmp_path / "journald.cursor").read_text() == "c2"
    again = make()
    again.keep_in(tmp_path)
    assert "--after-cursor=c2" in again.command()
    assert "--lines=0" in make().command()


def test_a_host_without_a_journal_says_so(tmp_path: Path) -> None:
    assert "no journal" in make(tmp_path).supported()


ENTER = """set -e
mount --bind "$1/run" /run
exec "$2"
"""
JOURNALD = Path("/lib/systemd/systemd-journald")


@pytest.fixture
def journald(tmp_path: Path) -> Iterator[Path]:
    """Run a journald of our own; gives the folder that it sees as /run."""
    if not JOURNALD.exists():
        pytest.skip("there is no systemd-journald on this host")
    settings = tmp_path / "run/systemd/journald.conf.d/test.conf"
    settings.parent.mkdir(parents=True)
    # `Audit=` leaves the kernel's auditing as it is; yes and no would switch it for the whole host.
    settings.write_text("[Journal]\nAudit=\nReadKMsg=no\nStorage=volatile\nForwardToWall=no\n")
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", ENTER, "sh", str(tmp_path), str(JOURNALD)],
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        socket = tmp_path / "run/systemd/journal/dev-log"
        wait_for(lambda: socket.exists() and any((tmp_path / "run/log/journal").glob("*/*.journal")))
        yield tmp_path / "run"
    finally:
        process.terminate()
        process.wait(10)


def wait_for(question: object, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not question():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def following(source: JournalSource, events: list[Event]) -> Iterator[None]:
    stop = threading.Event()
    thread = threading.Thread(target=source.run, args=(events.append, stop))
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(20)
        assert not thread.is_alive()


def say(run: Path, text: str, priority: str = "authpriv.info") -> None:
    socket = str(run / "systemd/journal/dev-log")
    subprocess.run(["logger", "--socket", socket, "-p", priority, "-t", "sshd", text], check=True)


@pytest.mark.root
def test_a_real_journal_is_followed_and_nothing_is_lost_or_read_twice_over_a_restart(
    journald: Path, tmp_path: Path
) -> None:
    folder = journald / "log/journal"

    def started() -> JournalSource:
        source = make(folder)
        source.keep_in(tmp_path / "sources")
        assert source.supported() == ""
        return source

    said = [f"Accepted password for u{number} from 10.0.0.9 port 4 ssh2" for number in range(4)]
    events: list[Event] = []
    source = started()
    with following(source, events):
        # The first line may come before journalctl follows; it is said again until it is seen.
        def seen() -> bool:
            say(journald, "first")
            return source.received > 0

        wait_for(seen)
        say(journald, said[0])
        say(journald, "an ordinary message", "daemon.info")
        wait_for(lambda: said[0] in texts(events) or len(events) > 50, 20)
    say(journald, said[1])  # while the agent is not there
    say(journald, said[2])
    with following(started(), events):
        say(journald, said[3])
        wait_for(lambda: said[3] in texts(events))
    assert [text for text in texts(events) if text != "first"] == said
