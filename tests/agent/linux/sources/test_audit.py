"""The audit source: records in, events out, without a kernel."""

from __future__ import annotations

import os

from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.acting import ActingProcesses
from vedette.agent.linux.log_events import LogEvents
from vedette.agent.linux.logins import Logins
from vedette.agent.linux.sources.audit import BURST, AuditSource
from vedette.schema.events.base import Event
from vedette.schema.events.logs import OsLogEvent

LOGIN = 'pid=0 uid=0 auid=5 ses=12 msg=\'op=login acct="joe" exe="/usr/sbin/sshd" addr=10.1.2.3 res=success\''


class Fed:
    """The source, fed by hand."""

    def __init__(self) -> None:
        self.logins = Logins()
        acting = ActingProcesses()
        self.source = AuditSource(LogEvents(Accounts(), self.logins, acting), self.logins, acting)
        self.events: list[Event] = []
        self.serial = 0

    def take(self, number: int, body: str, *, skip: int = 0) -> None:
        self.serial += 1 + skip
        self.source.take(number, f"audit(1795498910.852:{self.serial}): {body}", self.events.append)


def test_a_login_becomes_an_event_and_a_session() -> None:
    fed = Fed()
    fed.take(1112, LOGIN)
    (event,) = fed.events
    assert isinstance(event, OsLogEvent)
    assert event.oslog is not None
    assert (event.oslog.type, event.oslog.result) == ("USER_LOGIN", "success")
    assert event.session is not None
    assert event.session.remote_host == "10.1.2.3"
    assert len(fed.logins) == 1


def test_what_the_agent_does_itself_makes_no_event() -> None:
    fed = Fed()
    fed.take(1112, LOGIN.replace("pid=0", f"pid={os.getpid()}"))
    fed.take(1123, LOGIN.replace("pid=0", f"ppid={os.getpid()}"))
    assert fed.events == []
    assert fed.source.status()["own"] == 2
    assert fed.source.drops() == {}


def test_floods_are_held_to_an_allowance_but_logins_pass() -> None:
    fed = Fed()
    for _ in range(int(BURST) + 500):
        fed.take(1130, "pid=0 uid=0 msg='unit=x res=success'")
    # The allowance goes on filling while the test runs.
    assert BURST <= len(fed.events) < BURST + 400
    assert fed.source.drops()["os_log"] == fed.serial - len(fed.events)
    before = len(fed.events)
    fed.take(1112, LOGIN)
    assert len(fed.events) == before + 1


def test_a_gap_in_the_serial_numbers_after_an_overrun_is_counted() -> None:
    fed = Fed()
    fed.take(1112, LOGIN)
    fed.take(1112, LOGIN, skip=3)
    assert fed.source.drops() == {}
    fed.source._overrun = True
    fed.take(1112, LOGIN, skip=7)
    fed.take(1112, LOGIN, skip=7)
    assert fed.source.drops() == {"os_log": 7}


def test_nonsense_is_counted() -> None:
    fed = Fed()
    fed.source.take(0, "", fed.events.append)
    assert fed.source.status()["malformed"] == 1
