"""Records of the kernel's audit system: logins, authentications, commands of sudo, changes of accounts, denials.

Reads the multicast group `AUDIT_NLGRP_READLOG` beside whatever audit daemon the host has; sets no rules. Records of the
agent's own rules belong to the kernel source. Lost records are counted by the gaps in their serial numbers. Other
records than those of logins (an operator's own rules can make thousands a second) are held to an allowance, and what is
over it is counted.
"""

import os
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Final

from vedette.agent.linux.acting import ActingProcesses
from vedette.agent.linux.allowance import Allowance
from vedette.agent.linux.audit_netlink import AuditSocket, AuditStatus, audit_status, refusal
from vedette.agent.linux.audit_rules import KEY
from vedette.agent.linux.log_events import LogEvents
from vedette.agent.linux.logins import Logins
from vedette.normalise.audit import Assembler, AuditEvent, parse
from vedette.normalise.audit_event import log_record
from vedette.runtime.clock import SECOND, now
from vedette.schema.events.base import Event

RATE, BURST = 100.0, 2000.0
"""Records a second, and at once, that are not about logins and accounts."""
LOGIN_RATE, LOGIN_BURST = 1000.0, 10_000.0
"""The same for those that are: only somebody who tries passwords at a great rate reaches it."""
IDLE: Final = 1.0
UNFINISHED: Final = 1 * SECOND
"""An event whose end does not come is sent after this time."""
STATUS_EVERY: Final = 30.0
ROUND: Final = 256
"""Records read before the clock is looked at."""
_LOGINS: Final = frozenset((*range(1100, 1127), *range(1132, 1137), *range(2100, 2300), 1006)) - {1107, 1124}
"""Records of login programs, of changes of accounts, of anomalies that programs report."""
_REPEATED: Final = frozenset(("REPLACE", "PROCTITLE", "EOE"))


class AuditSource:
    """The source `audit`."""

    name = "audit"

    def __init__(self, events: LogEvents, logins: Logins, acting: ActingProcesses) -> None:
        self._events, self._logins, self._acting = events, logins, acting
        self._allowance, self._login_allowance = Allowance(RATE, BURST), Allowance(LOGIN_RATE, LOGIN_BURST)
        self._assembler = Assembler()
        self._serial, self._overrun = 0, False
        self.received = self.malformed = self.lost = self.throttled = self.own = 0
        self._state: AuditStatus | None = None
        self._here: frozenset[str] = frozenset()

    def supported(self) -> str:
        """Give "" when it can run here, else why not."""
        return refusal()

    def run(self, emit: Callable[[Event], None], stop: threading.Event) -> None:
        """Observe until `stop` is set. Raises ProbeError when the kernel refuses."""
        self._assembler, self._serial, self._overrun = Assembler(), 0, False
        self.received = self.malformed = self.lost = self.throttled = self.own = 0
        opened = AuditSocket()
        try:
            self._observe(opened, emit, stop)
        finally:
            opened.close()
        for event in self._assembler.flush(now() + UNFINISHED):
            self._take(event, emit)
        self._acting.finish()

    def _observe(self, opened: AuditSocket, emit: Callable[[Event], None], stop: threading.Event) -> None:
        poll = select.poll()
        poll.register(opened, select.POLLIN)
        look_again = 0.0
        while not stop.is_set():
            if time.monotonic() >= look_again:
                self._state, self._here = audit_status(), _names()
                look_again = time.monotonic() + STATUS_EVERY
            poll.poll(IDLE * 1000)
            self._read(opened, emit)
            for event in self._assembler.flush(now() - UNFINISHED):
                self._take(event, emit)
            self._acting.expire()

    def _read(self, opened: AuditSocket, emit: Callable[[Event], None]) -> None:
        for _ in range(ROUND):
            try:
                received = opened.receive()
            except BufferError:
                self._overrun = True
                continue
            if received is None:
                return
            self.take(*received, emit)

    def take(self, number: int, text: str, emit: Callable[[Event], None]) -> None:
        """Take one record."""
        record = parse(number, text)
        if record is None:
            self.malformed += 1
            return
        self.received += 1
        if self._overrun and self._serial:
            self.lost += max(1, record.serial - self._serial - 1)
        self._overrun, self._serial = False, max(self._serial, record.serial)
        for event in self._assembler.add(record):
            self._take(event, emit)

    def _take(self, event: AuditEvent, emit: Callable[[Event], None]) -> None:
        main = event.main
        if main.type in _REPEATED:
            return
        call = event.call
        if call is not None and call.fields.get("key") == KEY:
            return  # of the rules that the kernel source set: it makes events of it
        # System calls for which the operator has rules: the only records that come by the thousand.
        if main.type == "SYSCALL" and not self._allowance.take():
            self.throttled += 1
            return
        record = log_record(event, self._here)
        # What the agent itself or its children do is no news, and would make more of itself.
        fields = {name: value for one in event.records for name, value in one.fields.items()}
        if str(os.getpid()) in {fields.get("pid"), fields.get("ppid")}:
            self.own += 1
            return
        self._logins.of_audit(record)
        allowance = self._login_allowance if main.number in _LOGINS else self._allowance
        if main.type != "SYSCALL" and not allowance.take():
            self.throttled += 1
            return
        self._events.report(record, emit)

    def is_reading(self) -> bool:
        """Whether the kernel audits and this source reads it."""
        return self._state is not None and bool(self._state.enabled)

    def drops(self) -> dict[str, int]:
        """Event type -> lost since `run` began: overruns, and what was over the allowance."""
        count = self.lost + self.throttled
        return {"os_log": count} if count else {}

    def status(self) -> dict[str, object]:
        """Whether the kernel audits at all, who else reads, and counts."""
        state = self._state
        return {
            "mode": "unknown" if state is None else "multicast" if state.enabled else "off",
            "audit_daemon": None if state is None else state.daemon,
            "note": ""
            if state is None or state.enabled
            else "auditing is off in the kernel; `auditctl -e 1` starts it",
            "received": self.received,
            "lost": self.lost,
            "throttled": self.throttled,
            "own": self.own,
            "malformed": self.malformed,
        }


def _names() -> frozenset[str]:
    name = socket.gethostname()
    return frozenset((name, name.partition(".")[0], "localhost"))
