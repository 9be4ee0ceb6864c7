"""Login sessions put together from what several sources tell."""

from __future__ import annotations

from typing import Any

import pytest

from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.logins import MOST, SETTLED, Login, Logins, session_type
from vedette.normalise.log_record import NO_ID, LogRecord
from vedette.probes.records import NO_ID as KERNEL_NO_ID
from vedette.schema.entities import OsLog, Session


class Host:
    """The logins of a host whose clock the test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000_000
        self.logins = Logins(lambda: self.now, name_of=lambda uid: f"u{uid}")

    def audit(self, kind: str, change: str, **other: Any) -> None:
        self.now += 1000
        facts: dict[str, Any] = {
            "pid": 77, "session": 12, "login_uid": 5, "account": "joe", "executable": "/usr/sbin/sshd",
            "terminal": "ssh", "remote": "client.example",
        }  # fmt: skip
        self.logins.of_audit(
            LogRecord(time=self.now, oslog=OsLog(type=kind, source="audit"), change=change, **facts | other)
        )

    def told(self, seconds: float = 0) -> list[Session]:
        self.now += int(seconds * 1_000_000)
        events = self.logins.changes()
        assert all(event.session is not None for event in events)
        return [event.session for event in events if event.session is not None]


def test_a_login_over_ssh_is_one_session_with_all_that_its_records_tell() -> None:
    host = Host()
    host.audit("LOGIN", "assigned")
    host.audit("USER_START", "opened")
    host.audit("USER_LOGIN", "opened", terminal="pts/0", account="#5")
    assert host.told() == []
    (active,) = host.told(1)
    assert (active.id, active.user, active.type, active.state) == ("12", "joe", "remote", "active")
    assert (active.remote_host, active.remote_source, active.tty) == ("client.example", "audit", "pts/0")
    assert host.told(5) == []
    host.audit("USER_END", "closed")
    (closed,) = host.told()
    assert (closed.state, closed.start, closed.end) == ("closed", active.start, host.now)
    assert (closed.remote_host, closed.tty) == ("client.example", "pts/0")


def test_only_who_opened_a_session_closes_it() -> None:
    host = Host()
    host.audit("USER_START", "opened")
    host.told(1)
    host.audit("USER_END", "closed", pid=99, executable="/usr/bin/other")
    assert host.told() == []
    assert len(host.logins) == 1


def test_a_session_that_is_over_before_it_was_told_gives_both_events() -> None:
    host = Host()
    host.audit("USER_START", "opened")
    host.audit("USER_END", "closed")
    assert [session.state for session in host.told()] == ["active", "closed"]


def test_what_logind_and_utmp_tell_completes_the_same_session() -> None:
    host = Host()
    host.audit("USER_START", "opened", remote=None)
    host.logins.opened(Login(id="12", number=12, remote_host="10.1.2.3", remote_source="logind", tty="pts/4"))
    host.logins.opened(Login(id="pts/4:80", user="joe", tty="pts/4", remote_host="other", remote_source="utmp"))
    (active,) = host.told(1)
    assert (active.remote_host, active.remote_source, active.tty, active.type) == (
        "10.1.2.3", "logind", "pts/4", "remote",
    )  # fmt: skip


def test_a_forgeable_remote_host_gives_way_to_a_better_one() -> None:
    host = Host()
    host.logins.opened(Login(id="12", number=12, remote_host="6.6.6.6", remote_source="environment"))
    host.logins.opened(Login(id="12", number=12, remote_host="10.1.2.3", remote_source="logind"))
    known = host.logins.session(12)
    assert known is not None
    assert (known.remote_host, known.remote_source) == ("10.1.2.3", "logind")


def test_the_session_of_a_process_is_known_after_it_ended_too() -> None:
    host = Host()
    host.audit("USER_START", "opened")
    host.audit("USER_END", "closed")
    known = host.logins.session(12)
    assert known is not None
    assert (known.remote_host, known.state, known.end) == ("client.example", None, None)


def test_accounts_name_the_remote_host_as_soon_as_it_is_known() -> None:
    host = Host()
    accounts = Accounts(lambda: 0, user=lambda uid: (f"u{uid}", uid), group=str, logins=host.logins)
    before = accounts.session(12, 5, "pts0", "6.6.6.6")
    assert before is not None
    assert (before.remote_host, before.remote_source) == ("6.6.6.6", "environment")
    host.audit("USER_START", "opened")
    after = accounts.session(12, 5, "pts0", "6.6.6.6")
    assert after is not None
    assert (after.remote_host, after.remote_source, after.tty) == ("client.example", "audit", "pts/0")
    assert accounts.session(12, 5, "pts0", "6.6.6.6") is after
    assert accounts.session(KERNEL_NO_ID, KERNEL_NO_ID, "", "") is None


def test_a_session_without_a_number_has_an_id_of_its_own() -> None:
    host = Host()
    host.audit("USER_START", "opened", session=NO_ID, login_uid=NO_ID, executable="/usr/sbin/dropbear")
    host.audit("USER_END", "closed", session=NO_ID, login_uid=NO_ID, executable="/usr/sbin/dropbear")
    assert [(session.id, session.state) for session in host.told()] == [
        ("dropbear:77", "active"), ("dropbear:77", "closed"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("program", "host", "kind"),
    [("sshd", "h", "remote"), ("login", "", "local"), ("cron", "", "scheduled"), ("systemd", "", "service"),
     ("gdm-session-worker", "", "graphical")],
)  # fmt: skip
def test_the_type_of_a_session(program: str, host: str, kind: str) -> None:
    assert session_type(program, remote=bool(host)) == kind


def test_open_sessions_and_waiting_events_are_bounded_and_counted() -> None:
    host = Host()
    for number in range(MOST + 10):
        host.logins.opened(Login(id=str(number), number=number))
    assert len(host.logins) == MOST
    host.now += SETTLED
    host.logins.changes()
    for number in range(10, MOST + 10):
        host.logins.opened(Login(id=f"x{number}"))
        host.logins.closed(f"x{number}", host.now)
    assert len(host.logins.changes()) <= MOST
    assert host.logins.lost > 0
