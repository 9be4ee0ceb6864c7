"""Log records joined with account, session and process."""

from __future__ import annotations

from typing import Any

from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.acting import ActingProcesses
from vedette.agent.linux.log_events import LogEvents
from vedette.agent.linux.logins import Login, Logins
from vedette.agent.linux.processes import Image, Life
from vedette.normalise.log_record import LogRecord
from vedette.schema.entities import File, OsLog, Session
from vedette.schema.events.base import Event
from vedette.schema.events.logs import OsLogEvent


class Joined:
    """One host, one process in its table, and the event that came out."""

    def __init__(self) -> None:
        self.logins = Logins(lambda: 0)
        self.acting = ActingProcesses()
        accounts = Accounts(lambda: 0, user=lambda uid: (f"u{uid}", uid), group=lambda gid: f"g{gid}")
        self.events = LogEvents(accounts, self.logins, self.acting)
        self.life = Life(77, 0, "id77", None)
        self.life.ids = (1000, 1000, 0, 0, 5)
        self.image = Image({"pid": 77, "entity_id": "id77"}, since=0, started_by=None)
        self.life.run(self.image)

    def report(self, *, known: bool = True, **facts: Any) -> OsLogEvent:
        emitted: list[Event] = []
        values: dict[str, Any] = {"time": 1, "oslog": OsLog(type="USER_AUTH", source="audit"), "pid": 77} | facts
        self.events.report(LogRecord(**values), emitted.append)
        self.acting.serve(lambda *_: (self.life, self.image) if known else None, final=True)
        (event,) = emitted
        assert isinstance(event, OsLogEvent)
        return event


def test_the_account_is_whom_the_record_names_the_other_ids_are_those_of_the_process() -> None:
    user = Joined().report(account="root", login_uid=7).user
    assert user is not None
    assert user.real is not None
    assert user.effective is not None
    assert user.login is not None
    assert (user.name, user.real.name, user.effective.name, user.login.name) == ("root", "u1000", "u0", "u7")


def test_an_account_that_is_named_by_number_has_its_name() -> None:
    user = Joined().report(account="#9").user
    assert user is not None
    assert (user.name, user.id) == ("u9", "9")


def test_a_record_without_account_speaks_of_who_acted() -> None:
    user = Joined().report(known=False, uid=8).user
    assert user is not None
    assert (user.name, user.real is not None and user.real.name) == ("u8", "u8")
    assert Joined().report(known=False).user is None


def test_the_process_is_that_of_the_table_else_what_the_record_tells() -> None:
    process = Joined().report().process
    assert process is not None
    assert process.entity_id == "id77"
    told = Joined().report(known=False, executable="/usr/bin/su").process
    assert told is not None
    assert told.pid == 77
    assert told.file == File(name="su", directory="/usr/bin", path="/usr/bin/su")


def test_the_session_is_the_known_login_with_that_number() -> None:
    joined = Joined()
    joined.logins.opened(Login(id="12", number=12, user="joe", type="remote", remote_host="h", remote_source="audit"))
    session = joined.report(session=12).session
    assert session is not None
    assert (session.id, session.user, session.remote_host) == ("12", "joe", "h")


def test_a_login_that_failed_has_the_remote_host_but_no_session_id() -> None:
    session = Joined().report(remote="10.0.0.9").session
    assert session == Session(type="remote", remote_host="10.0.0.9", remote_source="audit")


def test_a_record_of_no_process_goes_at_once() -> None:
    assert Joined().report(pid=None).process is None
