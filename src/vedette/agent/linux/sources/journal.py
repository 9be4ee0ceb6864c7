"""The systemd journal: messages of login programs, of the service manager, warnings and worse.

`journalctl --output=json --follow` writes into a pipe; when we are slow it waits, and the journal keeps. The cursor of
what is surely in the agent's buffer is kept, so that a restart goes on there: after a clean stop nothing is read twice,
after a crash the last seconds are. Records of the audit system are left to the source `audit` where that runs.
"""

import os
import select
import shutil
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vedette.agent.linux.acting import ActingProcesses
from vedette.agent.linux.allowance import Allowance
from vedette.agent.linux.cursor import Cursor
from vedette.agent.linux.log_events import LogEvents
from vedette.normalise.journald import FIELDS, parse
from vedette.runtime.errors import ProbeError
from vedette.schema.events.base import Event

RATE, BURST = 100.0, 2000.0
"""Records a second, and at once, that do not come from login programs."""
LAG: Final = 40.0
"""Seconds after which an event is surely in the agent's buffer (the longest send interval is 30)."""
SAVE_EVERY: Final = 10.0
IDLE: Final = 1.0
LONGEST_LINE: Final = 1 << 20
CHUNK: Final = 1 << 16
MATCHES: Final = (
    "SYSLOG_FACILITY=4", "+", "SYSLOG_FACILITY=10", "+", "_PID=1", "+",
    "PRIORITY=0", "PRIORITY=1", "PRIORITY=2", "PRIORITY=3", "PRIORITY=4",
)  # fmt: skip
"""Authentication, the service manager, and warnings or worse of everybody."""
FOLDERS: Final = (Path("/var/log/journal"), Path("/run/log/journal"))


class JournalSource:
    """The source `journald`."""

    name = "journald"

    def __init__(
        self,
        events: LogEvents,
        acting: ActingProcesses,
        *,
        folder: Path | None = None,
        audit_is_read: Callable[[], bool] = lambda: True,
    ) -> None:
        self._acting = acting
        self._events, self._folder, self._audit_is_read = events, folder, audit_is_read
        self._allowance = Allowance(RATE, BURST)
        self._cursor = Cursor()
        self._passed: deque[tuple[float, str]] = deque()
        self._rest = b""
        self.received = self.malformed = self.throttled = self.oversized = 0

    def supported(self) -> str:
        """Give "" when it can run here, else why not."""
        if shutil.which("journalctl") is None:
            return "there is no journalctl on this host"
        return "" if has_journal(self._folder) else "there is no journal on this host (journald does not run)"

    def keep_in(self, folder: Path) -> None:
        """Keep the cursor in `folder`."""
        self._cursor.keep_in(folder / "journald.cursor")

    def run(self, emit: Callable[[Event], None], stop: threading.Event) -> None:
        """Observe until `stop` is set. Raises ProbeError when journalctl ends."""
        self.received = self.malformed = self.throttled = self.oversized = 0
        self._rest = b""
        # Its own session: a Ctrl-C meant for the agent must not end it before the agent has read the rest.
        reader = subprocess.Popen(
            self.command(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
        try:
            self._follow(reader, emit, stop)
        finally:
            reader.terminate()
            reader.wait()
            if reader.stdout is not None:
                reader.stdout.close()
        self._acting.finish()
        self._save(far=True)

    def command(self) -> list[str]:
        """Give the command whose output is read."""
        where = [] if self._folder is None else [f"--directory={self._folder}"]
        cursor = self._cursor.value
        start = f"--after-cursor={cursor}" if cursor else "--lines=0"
        fields = ",".join(FIELDS)
        options = ("--output=json", "--follow", "--no-pager", "--quiet", "--no-hostname", f"--output-fields={fields}")
        tail = [] if not cursor else ["--no-tail"]
        return ["journalctl", *where, *options, start, *tail, *MATCHES]

    def _follow(self, reader: "subprocess.Popen[bytes]", emit: Callable[[Event], None], stop: threading.Event) -> None:
        output = reader.stdout
        if output is None:
            raise ProbeError("journalctl has no output")
        poll = select.poll()
        poll.register(output, select.POLLIN | select.POLLHUP)
        save_at = time.monotonic() + SAVE_EVERY
        while not stop.is_set():
            if poll.poll(IDLE * 1000):
                data = os.read(output.fileno(), CHUNK)
                if not data:
                    raise ProbeError(f"journalctl ended with {reader.wait()}")
                self.take(data, emit)
            if time.monotonic() >= save_at:
                self._save()
                save_at = time.monotonic() + SAVE_EVERY
            self._acting.expire()

    def take(self, data: bytes, emit: Callable[[Event], None]) -> None:
        """Take bytes of the output; a line may come in parts."""
        *lines, rest = (self._rest + data).split(b"\n")
        if len(rest) > LONGEST_LINE:
            rest, self.oversized = b"", self.oversized + 1
        self._rest = rest
        for line in lines:
            if line:
                self._line(line, emit)

    def _line(self, line: bytes, emit: Callable[[Event], None]) -> None:
        entry = parse(line)
        if entry is None:
            self.malformed += 1
            return
        self.received += 1
        self._pass(entry.cursor)
        if entry.record.pid == os.getpid() or (entry.audit and self._audit_is_read()):
            return
        if not entry.login and not self._allowance.take():
            self.throttled += 1
            return
        self._events.report(entry.record, emit)

    def _pass(self, cursor: str) -> None:
        moment, passed = time.monotonic(), self._passed
        if len(passed) > 1024 and moment - passed[-2][0] < 0.1:
            passed[-1] = (moment, cursor)  # a flood: the cursors between are not needed
        else:
            passed.append((moment, cursor))

    def _save(self, *, far: bool = False) -> None:
        """Keep the cursor of the newest entry that is surely in the buffer; `far`: all are, the agent stops cleanly."""
        before = time.monotonic() - LAG
        newest = ""
        while self._passed and (far or self._passed[0][0] <= before):
            newest = self._passed.popleft()[1]
        if newest:
            self._cursor.save(newest)

    def drops(self) -> dict[str, int]:
        """Event type -> lost since `run` began: what was over the allowance, lines that were too long."""
        count = self.throttled + self.oversized
        return {"os_log": count} if count else {}

    def status(self) -> dict[str, object]:
        """Counts."""
        return {"mode": "follow", "received": self.received, "throttled": self.throttled, "malformed": self.malformed}


def has_journal(folder: Path | None = None) -> bool:
    """Whether there is a journal."""
    return any(next(place.glob("*/*.journal"), None) for place in (FOLDERS if folder is None else (folder,)))
