"""Records of the local session manager (21 to 25, 39, 40) -> terminal sessions. 1149 stays a record: no session yet."""

from typing import Final

from vedette.normalise.windows import winlog
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.texts import account, address, known
from vedette.schema.entities import Auth, Session
from vedette.schema.events.base import Event
from vedette.schema.events.logs import OsLogEvent, TerminalSession

_STATES: Final = {
    21: "active", 22: "active", 23: "closed", 24: "disconnected", 25: "active", 39: "disconnected", 40: "disconnected",
}  # fmt: skip
_MOVED: Final = frozenset(("User", "SessionID", "Session", "TargetSession"))
_ENDED: Final = 23


def terminal_session(record: Record, memory: Memory) -> Event:
    """21, 22 (logon, shell), 23 (logoff), 24, 39, 40 (disconnected), 25 (reconnected): the session as it is now."""
    data, host, kind = record.data, record.system.computer, record.system.event_id or 0
    number = known(data.get("SessionID")) or known(data.get("Session")) or known(data.get("TargetSession"))
    sessions = memory.sessions
    before = sessions.get((host, number), Session())
    where = data.get("Address", "")
    remote = address(where) or before.remote_host
    domain, name = account(data.get("User"))
    kind_of = "remote" if remote else "local" if where.upper() == "LOCAL" else before.type
    session = Session(
        id=number,
        type=kind_of,
        user=name or before.user,
        remote_host=remote,
        start=before.start if before.start is not None else record.time if kind == 21 else None,
        end=record.time if kind == _ENDED else None,
        state=_STATES.get(kind),
    )
    if kind == _ENDED:
        sessions.forget((host, number))
    else:
        sessions.put((host, number), session, session.user, session.remote_host)
    user = memory.user(domain, name or session.user)
    return TerminalSession(time=record.time, user=user, session=session, winlog=winlog.rest(record, _MOVED))


def connected(record: Record, memory: Memory) -> Event:
    """1149: an account was accepted over the network, before its session."""
    data = record.data
    name, domain = known(data.get("Param1")), known(data.get("Param2"))
    remote = address(data.get("Param3"))
    return OsLogEvent(
        time=record.time, user=memory.user(domain, name), auth=Auth(domain=domain, remote_ip=remote),
        session=Session(type="remote", remote_host=remote), winlog=winlog.whole(record),
    )  # fmt: skip
