"""The sessions source over a host made of files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.acting import ActingProcesses
from vedette.agent.linux.log_events import LogEvents
from vedette.agent.linux.logins import Login, Logins
from vedette.agent.linux.sources.sessions import Places, SessionsSource
from vedette.normalise import utmp
from vedette.normalise.utmp import Entry, entry_bytes
from vedette.schema.entities import Session


class FileHost:
    """Files of a host, its source, and the sessions that came out."""

    def __init__(self, root: Path) -> None:
        self.places = Places(root)
        for folder in (self.places.logind, self.places.proc, self.places.wtmp.parent):
            folder.mkdir(parents=True)
        self.now = 1_000_000_000
        self.logins = Logins(lambda: self.now)
        accounts = Accounts(lambda: 0, user=lambda uid: (f"u{uid}", uid), group=lambda gid: f"g{gid}")
        events = LogEvents(accounts, self.logins, ActingProcesses())
        self.source = SessionsSource(self.logins, accounts, events, self.places)

    def process(self, pid: int, *, session: int, uid: int = 5, name: str = "bash", env: bytes = b"") -> None:
        folder = self.places.proc / str(pid)
        folder.mkdir()
        fields = ["S", "1", "0", "0", "0", "0", "0", *["0"] * 12, str(pid * 10), *["0"] * 10]
        (folder / "stat").write_text(f"{pid} ({name}) {' '.join(fields)}")
        (folder / "status").write_text(f"Uid:\t{uid} {uid}\nGid:\t{uid} {uid}\nCapEff:\t0\n")
        (folder / "sessionid").write_text(str(session))
        (folder / "cmdline").write_bytes(b"bash\0")
        (folder / "environ").write_bytes(env)

    def logind(self, session: str, text: str) -> None:
        (self.places.logind / session).write_text(text)

    def told(self) -> list[Session]:
        self.now += 2_000_000
        return [event.session for event in self.logins.changes() if event.session is not None]


@pytest.fixture
def host(tmp_path: Path) -> FileHost:
    return FileHost(tmp_path)


def entry(kind: int, pid: int, line: str, user: str = "joe", host: str = "") -> Entry:
    return Entry(kind, pid, line, "x", user, host, 0, 900_000_000, "")


LOGIND = "UID=5\nUSER=joe\nSTATE=active\nREMOTE=1\nREMOTE_HOST=10.1.2.3\nTYPE=tty\nCLASS=user\nSERVICE=sshd\n"


def test_the_inventory_takes_each_session_once_from_the_best_teller(host: FileHost) -> None:
    host.process(30, session=3)
    host.logind("3", LOGIND + "LEADER=30\nAUDIT=3\nTTY=pts/0\nREALTIME=77\n")
    host.logind("3.ref", "")
    host.logind("c1", "USER=gdm\nCLASS=greeter\nTYPE=wayland\nLEADER=30\n")
    host.logind("m1", "USER=joe\nCLASS=manager\n")
    host.places.utmp.write_bytes(
        entry_bytes(entry(utmp.USER, 30, "pts/0", host="other")) + entry_bytes(entry(utmp.USER, 999, "tty9"))
    )
    host.source.look_around()
    by_id = {session.id: session for session in host.told()}
    assert set(by_id) == {"3", "c1"}
    assert (by_id["3"].remote_host, by_id["3"].remote_source, by_id["3"].start) == ("10.1.2.3", "logind", 77)
    assert by_id["c1"].type == "graphical"


def test_a_session_that_only_its_processes_tell_of(host: FileHost) -> None:
    host.process(30, session=3, name="sshd")
    host.process(31, session=3, env=b"A=1\0SSH_CONNECTION=10.0.0.9 1 10.0.0.1 22\0")
    host.source.look_around()
    (session,) = host.told()
    assert (session.id, session.state) == ("3", "active")
    assert (session.remote_host, session.remote_source, session.type) == ("10.0.0.9", "environment", "remote")


def test_a_session_file_that_comes_and_goes(host: FileHost) -> None:
    host.source.look_around()
    host.process(30, session=3)
    host.logind("3", LOGIND + "LEADER=30\nAUDIT=3\n")
    host.source.look()
    assert [session.state for session in host.told()] == ["active"]
    (host.places.logind / "3").unlink()
    host.source.look()
    assert [session.state for session in host.told()] == ["closed"]


def test_records_of_wtmp_open_and_close(host: FileHost) -> None:
    host.places.wtmp.write_bytes(entry_bytes(entry(utmp.USER, 1, "tty1", user="old")))
    host.source._wtmp.skip()
    host.process(30, session=0xFFFFFFFF)
    with host.places.wtmp.open("ab") as log:
        log.write(entry_bytes(entry(utmp.USER, 30, "pts/7", host="client.example")))
    host.source.look()
    (active,) = host.told()
    assert (active.id, active.user, active.remote_host, active.remote_source) == (
        "pts/7:30", "joe", "client.example", "utmp",
    )  # fmt: skip
    with host.places.wtmp.open("ab") as log:
        log.write(entry_bytes(entry(utmp.DEAD, 30, "pts/7", user="")))
    host.source.look()
    (closed,) = host.told()
    assert (closed.id, closed.state, closed.end) == ("pts/7:30", "closed", 900_000_000)


def test_a_leader_that_is_gone_closes_its_session(host: FileHost) -> None:
    host.process(30, session=3)
    host.logins.opened(Login(id="3", number=3, leader=30))
    host.source.look()
    assert [session.state for session in host.told()] == ["active"]
    shutil.rmtree(host.places.proc / "30")
    host.source.look()
    assert [session.state for session in host.told()] == ["closed"]


def test_status_names_the_tellers_that_are_there(host: FileHost) -> None:
    assert host.source.supported() == ""
    assert host.source.status() == {"mode": "proc+sessions", "open": 0}


def test_a_huge_folder_of_sessions_is_bounded(host: FileHost, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.agent.linux.sources.sessions.MOST_FILES", 5)
    for number in range(20):
        host.logind(f"s{number}", LOGIND)
    host.source.look()
    assert len(host.logins) == 5


def test_a_session_that_was_only_seen_ends_with_its_last_process(host: FileHost) -> None:
    host.process(30, session=3, name="cron")
    host.process(31, session=3)
    host.logins.seen(3, user="joe", uid=5, tty="", remote="")
    host.source.look()
    (active,) = host.told()
    assert (active.id, active.user, active.type, active.state) == ("3", "joe", "scheduled", "active")
    shutil.rmtree(host.places.proc / "30")
    host.source.look()
    assert host.told() == []
    shutil.rmtree(host.places.proc / "31")
    host.source.look()
    host.source.look()
    (closed,) = host.told()
    assert (closed.id, closed.state) == ("3", "closed")
    host.logins.seen(3, user="joe", uid=5, tty="", remote="")
    assert len(host.logins) == 0


def test_what_is_told_of_a_session_goes_before_what_was_seen(host: FileHost) -> None:
    host.process(30, session=3, name="sshd")
    host.logins.seen(3, user="joe", uid=5, tty="pts/1", remote="6.6.6.6")
    host.source.look()
    host.logins.opened(Login(id="3", number=3, type="remote", leader=77, remote_host="10.1.2.3", remote_source="audit"))
    (active,) = host.told()
    assert (active.remote_host, active.remote_source, active.tty) == ("10.1.2.3", "audit", "pts/1")
    assert [leader.pid for leader in host.logins.leaders()] == [77]
