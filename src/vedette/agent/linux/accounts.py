"""Names of users and groups, through NSS (so LDAP and sssd accounts have names too), cached and bounded."""

import grp
import pwd
from collections.abc import Callable

from msgspec.structs import replace

from vedette.agent.linux.logins import Logins
from vedette.probes.records import NO_ID
from vedette.runtime.clock import MINUTE, Clock, now
from vedette.schema.entities import Identity, Session, User

Ids = tuple[int, int, int, int, int]
"""uid, gid, effective uid, effective gid, audit login uid."""
KEPT = 4096
TRUSTED = 10 * MINUTE
"""A name is asked for again after this time."""


def _user(uid: int) -> tuple[str | None, int | None]:
    try:
        entry = pwd.getpwuid(uid)
    except (KeyError, OverflowError):
        return None, None
    return entry.pw_name, entry.pw_gid


def _group(gid: int) -> str | None:
    try:
        return grp.getgrgid(gid).gr_name
    except (KeyError, OverflowError):
        return None


class Accounts:
    """One shared `User` for each set of ids, one shared `Session` for each session."""

    def __init__(
        self,
        clock: Clock = now,
        *,
        user: Callable[[int], tuple[str | None, int | None]] = _user,
        group: Callable[[int], str | None] = _group,
        logins: Logins | None = None,
    ) -> None:
        self._logins, self._logins_version = logins, 0
        self._clock, self._ask_user, self._ask_group = clock, user, group
        self._users: dict[Ids, User] = {}
        self._sessions: dict[tuple[int, int, str, str], Session | None] = {}
        self._names: dict[int, tuple[str | None, int | None]] = {}
        self._groups: dict[int, str | None] = {}
        self._since = clock()

    def user(self, ids: Ids) -> User:
        """Give the account of a process with these ids."""
        known = self._users.get(ids)
        if known is not None:
            return known
        self._forget_old()
        uid, gid, euid, egid, login = ids
        if euid == NO_ID:  # the process was gone before anything but its PID was known
            return User()
        user = User(
            name=self.user_name(euid),
            id=str(euid),
            login=None if login == NO_ID else self.identity(login),
            real=self._identity(uid, gid),
            effective=self._identity(euid, egid),
        )
        self._users[ids] = user
        return user

    def session(self, number: int, login: int, tty: str, remote: str) -> Session | None:
        """Give the session with audit number `number`; None when nothing is known of it.

        `remote` is the address of SSH_CONNECTION, which the user can forge: what is known of the login goes before.
        """
        if self._logins is not None and self._logins_version != self._logins.version:
            self._logins_version = self._logins.version
            self._sessions.clear()
        key = (number, login, tty, remote)
        if key not in self._sessions:
            if len(self._sessions) >= KEPT:
                self._sessions.clear()
            nothing = number == NO_ID and not tty and not remote
            self._sessions[key] = None if nothing else self._session(key)
        return self._sessions[key]

    def _session(self, key: tuple[int, int, str, str]) -> Session:
        number, login, tty, remote = key
        if tty.startswith("pts") and tty[3:].isdigit():
            tty = f"pts/{tty[3:]}"  # the kernel's name of a terminal, as everybody else writes it
        if self._logins is not None and number != NO_ID:
            name = None if login == NO_ID else self.user_name(login)
            self._logins.seen(number, user=name, uid=login, tty=tty, remote=remote)
        known = None if self._logins is None else self._logins.session(number)
        if known is not None and (known.remote_host or not remote):
            return known if known.tty or not tty else replace(known, tty=tty)
        return Session(
            id=None if number == NO_ID else str(number),
            type="remote" if remote else None,
            user=None if login == NO_ID else self.user_name(login),
            remote_host=remote or None,
            remote_source="environment" if remote else None,
            tty=tty or None,
        )

    def identity(self, uid: int) -> Identity:
        """Give a user with the primary group."""
        return self._identity(uid, self._primary_group(uid))

    def user_name(self, uid: int) -> str | None:
        """Give the name of a user; None when no directory knows it."""
        return self._entry(uid)[0]

    def group_name(self, gid: int) -> str | None:
        """Give the name of a group; None when no directory knows it."""
        if gid not in self._groups:
            self._groups[gid] = self._ask_group(gid)
        return self._groups[gid]

    def _entry(self, uid: int) -> tuple[str | None, int | None]:
        if uid not in self._names:
            self._names[uid] = self._ask_user(uid)
        return self._names[uid]

    def _primary_group(self, uid: int) -> int | None:
        return self._entry(uid)[1]

    def _identity(self, uid: int, gid: int | None) -> Identity:
        return Identity(
            name=self.user_name(uid),
            id=str(uid),
            group=None if gid is None else self.group_name(gid),
            group_id=None if gid is None else str(gid),
        )

    def _forget_old(self) -> None:
        if self._clock() - self._since > TRUSTED or len(self._users) >= KEPT or len(self._names) >= KEPT:
            self._since = self._clock()
            for cache in (self._users, self._names, self._groups):
                cache.clear()
