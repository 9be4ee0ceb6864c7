"""Terminal sessions: what is open when the agent starts, what opens and closes after.

Reads logind's files, utmp, wtmp and /proc; audit records come in through `Logins`. Where several tell of one session
the audit session id makes one of it.
"""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from vedette.agent.linux import inventory
from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.kernel_time import KernelTime
from vedette.agent.linux.log_events import LogEvents
from vedette.agent.linux.logins import Leader, Login, Logins, session_type
from vedette.agent.linux.tail import Tail
from vedette.normalise import logind, utmp
from vedette.normalise.log_record import NO_ID, LogRecord
from vedette.runtime.clock import now
from vedette.schema.entities import Auth, OsLog
from vedette.schema.events.base import Event

EVERY: Final = 2.0
"""Seconds between two looks at files (their status only, unless it changed)."""
SETTLING: Final = 0.5
LARGEST: Final = 1 << 20
"""Bytes of a file read at once."""
MOST_FILES: Final = 1024
_SSH = b"SSH_CONNECTION="
_NOT_A_SESSION: Final = frozenset(("manager", "manager-early", "background", "background-light", "none"))


class Places:
    """Where the host keeps its sessions."""

    def __init__(self, root: Path = Path("/")) -> None:
        self.logind = root / "run/systemd/sessions"
        self.utmp = root / "run/utmp"
        self.wtmp = root / "var/log/wtmp"
        self.btmp = root / "var/log/btmp"
        self.proc = root / "proc"


class SessionsSource:
    """The source `sessions`."""

    name = "sessions"

    def __init__(self, logins: Logins, accounts: Accounts, events: LogEvents, places: Places | None = None) -> None:
        self._logins, self._accounts, self._events = logins, accounts, events
        self._places = places or Places()
        self._logind_seen: dict[str, int] = {}
        self._logind_ids: dict[str, str] = {}
        self._wtmp, self._btmp = Tail(self._places.wtmp, utmp.SIZE), Tail(self._places.btmp, utmp.SIZE)
        self._leaders: dict[str, tuple[int, int]] = {}

    def supported(self) -> str:
        """Give "" when it can run here, else why not."""
        return "" if self._places.proc.is_dir() else "there is no /proc"

    def run(self, emit: Callable[[Event], None], stop: threading.Event) -> None:
        """Observe until `stop` is set."""
        self._wtmp.skip()
        self._btmp.skip()
        self.look_around()
        while not stop.is_set():
            for event in self._logins.changes():
                emit(event)
            self._logins.wake.wait(SETTLING if self._logins.waiting() else EVERY)
            self.look()
            for failed in utmp.entries(self._btmp.read()):
                self._events.report(_failed_login(failed), emit)
        for event in self._logins.changes():
            emit(event)

    def look_around(self) -> None:
        """Enter the sessions that are open already, from the best teller to the worst."""
        self._look_at_logind()
        for login in self._of_utmp():
            self._logins.opened(login)
        for login in self._of_processes():
            self._logins.opened(login)

    def look(self) -> None:
        """Enter what changed: files of logind, new records of wtmp, leaders that ended."""
        self._look_at_logind()
        for entry in utmp.entries(self._wtmp.read()):
            self._wtmp_entry(entry)
        self._look_at_leaders()

    def _look_at_logind(self) -> None:
        seen: dict[str, int] = {}
        for path in _files(self._places.logind):
            try:
                changed = path.stat().st_mtime_ns
                seen[path.name] = changed
                if self._logind_seen.get(path.name) != changed:
                    self._logind_session(logind.parse(path.name, _read_text(path)))
            except OSError:
                continue  # it ended this moment
        for gone in self._logind_seen.keys() - seen.keys():
            identity = self._logind_ids.pop(gone, None)
            if identity is not None:
                self._logins.closed(identity, now())
        self._logind_seen = seen

    def _logind_session(self, session: logind.LogindSession) -> None:
        if session.category in _NOT_A_SESSION:
            return
        number = session.audit or NO_ID
        identity = str(number) if number != NO_ID else session.id
        self._logind_ids[session.id] = identity
        graphical = session.kind in {"x11", "wayland", "mir"}
        kind = "graphical" if graphical else session_type(session.service, remote=session.remote)
        self._logins.opened(
            Login(
                id=identity, number=number, user=session.user, uid=session.uid, tty=session.tty, start=session.start,
                type=kind, leader=session.leader, remote_host=session.remote_host,
                remote_source="logind" if session.remote_host else None,
            )
        )  # fmt: skip

    def _of_utmp(self) -> Iterator[Login]:
        try:
            entries = list(utmp.entries(_read(self._places.utmp)))
        except OSError:
            return
        for entry in entries:
            if entry.kind == utmp.USER and (self._places.proc / str(entry.pid)).exists():
                yield self._of_entry(entry)

    def _of_entry(self, entry: utmp.Entry) -> Login:
        number = _number(self._places.proc / str(entry.pid) / "sessionid")
        host = entry.host or entry.address or None
        if host is not None and host.startswith(":"):
            host = None  # an X display
        return Login(
            id=f"{entry.line}:{entry.pid}" if number == NO_ID else str(number), number=number, user=entry.user or None,
            tty=entry.line or None, start=entry.time, leader=entry.pid, remote_host=host,
            remote_source="utmp" if host else None, type="remote" if host else "local",
        )  # fmt: skip

    def _wtmp_entry(self, entry: utmp.Entry) -> None:
        if entry.kind == utmp.USER:
            self._logins.opened(self._of_entry(entry))
        elif entry.kind == utmp.DEAD and entry.line:
            identity = self._logins.on_terminal(entry.line)
            if identity is not None:
                self._logins.closed(identity, entry.time)

    def _of_processes(self) -> Iterator[Login]:
        """Give the sessions that only the processes in them tell of."""
        found: dict[int, Login] = {}
        clock = KernelTime()
        for process in inventory.running(self._places.proc):
            if process.session == NO_ID or process.kernel_thread:
                continue
            login = found.get(process.session)
            if login is None:
                uid = process.ids[4]
                login = found[process.session] = Login(
                    id=str(process.session), number=process.session, uid=None if uid == NO_ID else uid,
                    user=None if uid == NO_ID else self._accounts.user_name(uid), leader=process.pid,
                    start=clock.micros(process.start),
                    type=session_type(process.name.decode("utf-8", "replace"), remote=False),
                )  # fmt: skip
            remote = _remote(process.env or b"")
            if remote and login.remote_host is None:
                login.remote_host, login.remote_source, login.type = remote, "environment", "remote"
        yield from found.values()

    def _look_at_leaders(self) -> None:
        """Close the sessions whose leader is gone without a word; find leaders for those that were only seen."""
        leaders: dict[str, tuple[int, int]] = {}
        lost: list[Leader] = []
        for leader in self._logins.leaders():
            start = None if leader.pid is None else _start_of(self._places.proc / str(leader.pid))
            before = self._leaders.get(leader.id)
            if leader.pid is None or start is None or (before is not None and before != (leader.pid, start)):
                lost.append(leader)
            else:
                leaders[leader.id] = (leader.pid, start)
        self._leaders = leaders
        found = self._first_processes({leader.number for leader in lost if leader.guessed})
        for leader in lost:
            process = found.get(leader.number)
            if leader.guessed and process is not None:
                kind = session_type(process.name.decode("utf-8", "replace"), remote=False)
                self._logins.lead(leader.id, process.pid, KernelTime().micros(process.start), kind)
            elif leader.guessed or leader.pid is not None:
                self._logins.closed(leader.id, now())

    def _first_processes(self, numbers: set[int]) -> dict[int, inventory.Found]:
        """Give the oldest process of each of these sessions; looks through /proc only when there is a question."""
        first: dict[int, inventory.Found] = {}
        for folder in self._places.proc.iterdir() if numbers else ():
            if folder.name.isdigit() and (number := _number(folder / "sessionid")) in numbers:
                process = _process(folder)
                if process is not None and (number not in first or process.start < first[number].start):
                    first[number] = process
        return first

    def drops(self) -> dict[str, int]:
        """Event type -> lost since `run` began."""
        return {"terminal_session": self._logins.lost} if self._logins.lost else {}

    def status(self) -> dict[str, object]:
        """Open sessions, and which tellers this host has."""
        places = self._places
        tellers = [path.name for path in (places.logind, places.utmp, places.wtmp) if path.exists()]
        return {"mode": "+".join(["proc", *tellers]), "open": len(self._logins)}


def _failed_login(entry: utmp.Entry) -> LogRecord:
    host = entry.host or entry.address or None
    where = f" from {host}" if host else ""
    return LogRecord(
        time=entry.time,
        oslog=OsLog(
            type="FAILED_LOGIN", result="failure", source="utmp", unit="btmp",
            message=f"failed login of {entry.user} on {entry.line}{where}",
        ),
        auth=Auth(subtype="logon_failed", remote_ip=entry.address or host),
        pid=entry.pid or None,
        account=entry.user or None,
        terminal=entry.line or None,
        remote=host,
    )  # fmt: skip


def _files(folder: Path) -> Iterator[Path]:
    try:
        with os.scandir(folder) as entries:
            for entry, _ in zip(entries, range(MOST_FILES), strict=False):
                if not entry.name.endswith(".ref") and entry.is_file(follow_symlinks=False):
                    yield Path(entry.path)
    except OSError:
        return


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST)


def _read_text(path: Path) -> str:
    return _read(path).decode("utf-8", "replace")


def _number(path: Path) -> int:
    try:
        return int(_read(path))
    except (OSError, ValueError):
        return NO_ID


def _remote(environment: bytes) -> str:
    for variable in environment.split(b"\0"):
        if variable.startswith(_SSH):
            return variable[len(_SSH) :].split(b" ")[0].decode("utf-8", "replace")
    return ""


def _start_of(folder: Path) -> int | None:
    process = _process(folder)
    return None if process is None else process.start


def _process(folder: Path) -> inventory.Found | None:
    try:
        return inventory.parse_stat(_read(folder / "stat"))
    except OSError:
        return None
