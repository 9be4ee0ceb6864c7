"""Log records -> `os_log` events: account, session and acting process are joined here."""

import threading
from collections.abc import Callable
from pathlib import PurePosixPath

from msgspec.structs import replace

from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.acting import ActingProcesses
from vedette.agent.linux.logins import Logins
from vedette.agent.linux.processes import NOBODY, Life
from vedette.normalise.log_record import NO_ID, LogRecord
from vedette.schema.entities import File, Identity, Process, Session, User
from vedette.schema.events.base import Event
from vedette.schema.events.logs import OsLogEvent


class LogEvents:
    """Makes events of log records. Any thread may call it."""

    def __init__(self, accounts: Accounts, logins: Logins, acting: ActingProcesses) -> None:
        self._accounts, self._logins, self._acting = accounts, logins, acting
        self._lock = threading.Lock()

    def report(self, record: LogRecord, emit: Callable[[Event], None]) -> None:
        """Emit the event of `record` as soon as its process is known."""
        if not record.pid:
            emit(self._event(record, None, None))
            return
        self._acting.ask(
            record.pid,
            record.time,
            lambda life, process: emit(self._event(record, life, process or _told(record))),
            executable=record.executable,
        )

    def _event(self, record: LogRecord, life: Life | None, process: Process | None) -> OsLogEvent:
        with self._lock:
            return OsLogEvent(
                time=record.time,
                user=self._user(record, life),
                session=self._session(record, None if life is None else life.session),
                process=process,
                oslog=record.oslog,
                auth=record.auth,
            )

    def _user(self, record: LogRecord, life: Life | None) -> User | None:
        accounts, name = self._accounts, record.account
        uid: int | None = record.uid if name is None else None
        if name is not None and name.startswith("#"):
            uid, name = int(name[1:]), None
        if uid is not None:
            name = accounts.user_name(uid)
        number = None if uid is None else str(uid)
        if life is not None and life.ids != NOBODY:
            login = life.ids[4] if record.login_uid == NO_ID else record.login_uid
            return replace(accounts.user((*life.ids[:4], login)), name=name, id=number)
        if uid is None and name is None and record.login_uid == NO_ID and record.uid is None:
            return None
        real = accounts.identity(record.uid) if record.uid is not None else None
        return User(name=name, id=number, real=real, login=self._login(record))

    def _login(self, record: LogRecord) -> Identity | None:
        return None if record.login_uid == NO_ID else self._accounts.identity(record.login_uid)

    def _session(self, record: LogRecord, session: Session | None) -> Session | None:
        if record.session != NO_ID:
            known = self._logins.session(record.session)
            if known is not None:
                session = known
            elif session is None or session.id != str(record.session):
                user = self._accounts.user_name(record.login_uid) if record.login_uid != NO_ID else None
                session = Session(id=str(record.session), user=user)
        if record.remote and (session is None or session.remote_host is None):
            session = replace(
                session or Session(), type="remote", remote_host=record.remote, remote_source=record.oslog.source
            )
        return session


def _told(record: LogRecord) -> Process:
    """Give the process as far as the record itself tells it."""
    if not record.executable:
        return Process(pid=record.pid)
    path = PurePosixPath(record.executable)
    return Process(pid=record.pid, file=File(name=path.name, directory=str(path.parent), path=str(path)))
