"""The file of a syslog daemon for login programs, on hosts without a journal: /var/log/auth.log or /var/log/secure."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from vedette.agent.linux.acting import ActingProcesses
from vedette.agent.linux.allowance import Allowance
from vedette.agent.linux.cursor import Cursor
from vedette.agent.linux.log_events import LogEvents
from vedette.agent.linux.sources.journal import has_journal
from vedette.agent.linux.tail import Tail
from vedette.normalise.syslog import parse
from vedette.runtime.clock import Clock, now
from vedette.schema.events.base import Event

PLACES: Final = (Path("/var/log/auth.log"), Path("/var/log/secure"))
EVERY: Final = 2.0
LONGEST_LINE: Final = 1 << 16
RATE, BURST = 200.0, 2000.0


class AuthLogSource:
    """The source `auth_log`."""

    name = "auth_log"

    def __init__(
        self, events: LogEvents, acting: ActingProcesses, *, places: tuple[Path, ...] = PLACES, clock: Clock = now
    ) -> None:
        self._events, self._acting, self._places, self._clock = events, acting, places, clock
        self._tail: Tail | None = None
        self._cursor = Cursor()
        self._allowance = Allowance(RATE, BURST)
        self._rest = b""
        self.received = self.malformed = self.throttled = 0

    def supported(self) -> str:
        """Give "" when it can run here, else why not."""
        if has_journal():
            return "the journal is read instead"
        return "" if self._file() else "there is no /var/log/auth.log and no /var/log/secure"

    def keep_in(self, folder: Path) -> None:
        """Keep the position in `folder`."""
        self._cursor.keep_in(folder / "auth_log.position")

    def run(self, emit: Callable[[Event], None], stop: threading.Event) -> None:
        """Observe until `stop` is set."""
        self.received = self.malformed = self.throttled = 0
        self.begin()
        while not stop.is_set():
            self.look(emit)
            self._acting.expire()
            stop.wait(EVERY)
        self.look(emit)
        self._acting.finish()
        self.keep()

    def begin(self) -> None:
        """Go on where the last run ended, else at the end of the file."""
        file = self._file()
        if file is None:
            return
        self._tail = Tail(file)
        if not self._tail.resume(self._cursor.value):
            self._tail.skip()

    def look(self, emit: Callable[[Event], None]) -> None:
        """Report the new lines."""
        if self._tail is None:
            return
        *lines, rest = (self._rest + self._tail.read()).split(b"\n")
        self._rest = rest if len(rest) <= LONGEST_LINE else b""
        for line in lines:
            record = parse(line.decode("utf-8", "replace"), self._clock())
            if record is None:
                self.malformed += bool(line)
            elif self._allowance.take():
                self.received += 1
                self._events.report(record, emit)
            else:
                self.throttled += 1

    def keep(self) -> None:
        """Keep the position of the last whole line."""
        if self._tail is not None:
            self._cursor.save(self._tail.position(behind=len(self._rest)))

    def _file(self) -> Path | None:
        return next((place for place in self._places if place.is_file()), None)

    def drops(self) -> dict[str, int]:
        """Event type -> lost since `run` began: what was over the allowance."""
        return {"os_log": self.throttled} if self.throttled else {}

    def status(self) -> dict[str, object]:
        """Counts."""
        return {"mode": "tail", "received": self.received, "throttled": self.throttled, "malformed": self.malformed}
