"""Login sessions of this host: who, from where, on which terminal, since when. Shared between the sources.

Audit records, logind's files, utmp and /proc each tell a part; the audit session id joins them. What changes is kept
as `terminal_session` events for the source `sessions` to send. Bounded.
"""

import threading
from collections import deque
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Final, NamedTuple

import msgspec

from vedette.normalise.log_record import NO_ID, LogRecord
from vedette.runtime.clock import SECOND, Clock, now
from vedette.schema.entities import Session, User
from vedette.schema.events.logs import TerminalSession
from vedette.schema.fields import Micros

MOST: Final = 4096
"""Sessions kept, and events that wait, at most."""
SETTLED: Final = 1 * SECOND
"""A new session is told after this time: several records tell of one, the terminal comes last."""
_SCHEDULED: Final = frozenset(("cron", "crond", "atd", "anacron", "fcron"))
_SERVICES: Final = frozenset(("systemd", "systemd-executor", "systemd-user"))
_GRAPHICAL: Final = ("gdm", "lightdm", "sddm", "xdm", "lxdm", "greetd")


class Login(msgspec.Struct):
    """One session. `number` is its audit session id, `leader` the process that opened it and will close it."""

    id: str
    number: int = NO_ID
    user: str | None = None
    uid: int | None = None
    type: str = "local"
    remote_host: str | None = None
    remote_source: str | None = None
    tty: str | None = None
    start: Micros | None = None
    leader: int | None = None
    guessed: bool = False
    """The leader is only some process of the session: nobody told of a login, processes were seen."""
    due: Micros = 0
    told: bool = False

    def session(self, **more: object) -> Session:
        """Give it as the entity of events."""
        facts = {name: getattr(self, name) for name in ("id", "user", "type", "remote_host", "remote_source", "tty")}
        return Session(**facts, start=self.start, **more)  # type: ignore[arg-type]


class Leader(NamedTuple):
    """Who leads a session; see `Login`."""

    id: str
    number: int
    pid: int | None
    guessed: bool


class Logins:
    """The open sessions. Any thread may call it."""

    def __init__(self, clock: Clock = now, *, name_of: Callable[[int], str | None] = lambda _: None) -> None:
        self._clock, self._name_of = clock, name_of
        self._lock = threading.Lock()
        self._open: dict[str, Login] = {}
        self._sessions: dict[int, Session] = {}
        self._ready: deque[TerminalSession] = deque()
        self.lost = 0
        self.version = 0
        """Grows with each change: whoever keeps copies of sessions knows when they are old."""
        self.wake = threading.Event()

    def session(self, number: int) -> Session | None:
        """Give the session with an audit session id, for events of its processes."""
        return self._sessions.get(number)

    def seen(self, number: int, *, user: str | None, uid: int, tty: str, remote: str) -> None:
        """Take that a process of a session that nobody told of was seen; its leader is yet to be found."""
        login = self._open.get(str(number))
        if login is None and number in self._sessions:
            return  # it ended; this process outlives it
        if login is not None and not login.guessed:
            return  # who opened it told all of it
        self.opened(
            Login(
                id=str(number), number=number, user=user, uid=uid, type="remote" if remote else "local",
                remote_host=remote or None, remote_source="environment" if remote else None,
                tty=tty or None, guessed=True,
            )
        )  # fmt: skip

    def leaders(self) -> list[Leader]:
        """Give who leads the open sessions, as far as it is known."""
        with self._lock:
            return [Leader(login.id, login.number, login.leader, login.guessed) for login in self._open.values()]

    def lead(self, identity: str, pid: int, start: Micros, kind: str) -> None:
        """Take that `pid`, which started then, leads a session that was only seen."""
        with self._lock:
            login = self._open.get(identity)
            if login is None or not login.guessed:
                return
            login.leader = pid
            login.start = login.start or start
            if not login.told and login.type == "local":
                login.type = kind
            self._sessions[login.number] = login.session()
            self.version += 1

    def of_audit(self, record: LogRecord, executable: str = "") -> None:
        """Take what an audit record says of a session."""
        if not record.change:
            return
        program = PurePosixPath(record.executable or executable).name
        number = record.session
        identity = str(number) if number != NO_ID else f"{program or 'login'}:{record.pid}"
        if record.change == "closed":
            self._closed_by(identity, record)
        elif record.change == "opened":
            uid = record.login_uid if record.login_uid != NO_ID else None
            account = self._account(record)
            tty = record.terminal if record.terminal and _is_line(record.terminal) else None
            self.opened(
                Login(
                    id=identity, number=number, user=account, uid=uid, tty=tty, start=record.time, leader=record.pid,
                    remote_host=record.remote, remote_source="audit" if record.remote else None,
                    type=session_type(program, remote=bool(record.remote)),
                )
            )  # fmt: skip

    def opened(self, login: Login) -> None:
        """Take a session that is open; what another source told of it already is completed."""
        with self._lock:
            known = self._open.get(login.id) or self._same_terminal(login)
            if known is None:
                if len(self._open) >= MOST:
                    self._forget(next(iter(self._open)))
                known = self._open[login.id] = login
                login.due = self._clock() + SETTLED
            elif not _complete(known, login):
                return
            if known.number != NO_ID:
                self._sessions[known.number] = known.session()
            self.version += 1
        self.wake.set()

    def closed(self, identity: str, time: Micros) -> None:
        """Take the end of a session."""
        with self._lock:
            login = self._open.get(identity)
            if login is None:
                return
            if not login.told:
                self._tell(login, "active")
            self._tell(login, "closed", end=time)
            self._forget(identity)
        self.wake.set()

    def changes(self) -> list[TerminalSession]:
        """Give the events that are due: starts that have settled, and ends."""
        with self._lock:
            moment = self._clock()
            for login in self._open.values():
                if not login.told and login.due <= moment:
                    self._tell(login, "active")
            ready = list(self._ready)
            self._ready.clear()
            self.wake.clear()
            return ready

    def waiting(self) -> bool:
        """Whether a start has yet to settle."""
        with self._lock:
            return any(not login.told for login in self._open.values())

    def __len__(self) -> int:
        return len(self._open)

    def on_terminal(self, tty: str) -> str | None:
        """Give the id of the session on a terminal."""
        with self._lock:
            return next((login.id for login in self._open.values() if login.tty == tty), None)

    def _account(self, record: LogRecord) -> str | None:
        account, login = record.account, record.login_uid
        if account is not None and not account.startswith("#"):
            return account
        uid = int(account[1:]) if account else login
        return None if uid == NO_ID else self._name_of(uid)

    def _closed_by(self, identity: str, record: LogRecord) -> None:
        with self._lock:
            login = self._open.get(identity)
            if login is None:
                return
            mine = login.leader in {None, record.pid}
        if mine or record.oslog.type == "USER_LOGOUT":
            self.closed(identity, record.time)

    def _same_terminal(self, login: Login) -> Login | None:
        """Give the session that another source reported without an audit id: it has the same terminal and user."""
        if login.tty is None:
            return None
        for other in self._open.values():
            if other.tty == login.tty and other.user == login.user and NO_ID in {other.number, login.number}:
                return other
        return None

    def _tell(self, login: Login, state: str, end: Micros | None = None) -> None:
        login.told = True
        if len(self._ready) >= MOST:
            self._ready.popleft()
            self.lost += 1
        time = end if end is not None else (login.start or self._clock())
        user = User(name=login.user, id=None if login.uid is None else str(login.uid))
        self._ready.append(TerminalSession(time=time, user=user, session=login.session(state=state, end=end)))

    def _forget(self, identity: str) -> None:
        login = self._open.pop(identity)
        # Processes of the session may outlive it (nohup, tmux): it is still where they came from.
        while len(self._sessions) > MOST:
            self._sessions.pop(next(iter(self._sessions)))
        if login.number != NO_ID:
            self._sessions[login.number] = login.session()


def session_type(program: str, *, remote: bool) -> str:
    """Say what kind of session a program opens: remote, local, scheduled, service or graphical."""
    if program in _SCHEDULED:
        return "scheduled"
    if program in _SERVICES:
        return "service"
    if remote:
        return "remote"
    return "graphical" if program.startswith(_GRAPHICAL) else "local"


def _is_line(terminal: str) -> bool:
    """Whether it is a terminal line, not a word like `ssh` or `cron`."""
    return terminal.startswith(("tty", "pts/", "console", "hvc", ":"))


_FACTS: Final = ("user", "uid", "remote_host", "remote_source", "tty", "start", "leader")


def _complete(known: Login, more: Login) -> bool:
    """Fill in what was not known of a session; says whether there was anything."""
    changed = False
    for name in _FACTS:
        if getattr(known, name) is None and getattr(more, name) is not None:
            setattr(known, name, getattr(more, name))
            changed = True
    if known.remote_source == "environment" and more.remote_host and more.remote_source != "environment":
        known.remote_host, known.remote_source, changed = more.remote_host, more.remote_source, True
    if known.guessed and not more.guessed:
        known.guessed, known.leader = False, more.leader or known.leader
        known.type, changed = more.type, True
    if known.number == NO_ID and more.number != NO_ID:
        known.number, changed = more.number, True
    if changed and known.remote_host and known.type == "local":
        known.type = "remote"
    return changed
