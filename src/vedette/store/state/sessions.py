"""Sessions of people who signed in. The secret is in the browser's cookie; only its SHA-256 is kept."""

import secrets

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.clock import HOUR, MINUTE
from vedette.runtime.errors import NotFoundError
from vedette.store.state.rows import to_struct, to_structs
from vedette.store.state.tokens import sha256

IDLE = 30 * MINUTE
ABSOLUTE = 12 * HOUR
TOUCH = MINUTE
"""`last_used` is written at most this often."""


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One signed-in browser or client. Times in microseconds UTC."""

    id: str
    tenant: str
    account: str
    created: int
    last_used: int
    expires: int
    address: str
    user_agent: str


INSERT = text("""
INSERT INTO session (id, tenant, account, sha256, created, last_used, expires, address, user_agent)
SELECT :id, tenant, id, :sha256, :now, :now, :expires, :address, :user_agent FROM account
WHERE id = :account
""")

COLUMNS = "id, tenant, account, created, last_used, expires, address, user_agent"

BY_HASH = text(f"""
SELECT {COLUMNS} FROM session WHERE sha256 = :sha256 AND expires > :now AND last_used > :idle_since
""")  # noqa: S608 - the text is a constant

OF_ACCOUNT = text(f"""
SELECT {COLUMNS} FROM session WHERE account = :account AND expires > :now AND last_used > :idle_since
ORDER BY created DESC, id
""")  # noqa: S608 - the text is a constant

TOUCHED = text("UPDATE session SET last_used = :now WHERE id = :id")

END = text("DELETE FROM session WHERE id = :id AND account = :account")

END_ALL = text("DELETE FROM session WHERE account = :account AND id <> :but")

CLEAN = text("DELETE FROM session WHERE expires <= :now OR last_used <= :idle_since")


def start(db: Connection, account: str, *, address: str, user_agent: str, now: int) -> tuple[Session, str]:
    """Begin a session; gives it and its secret. Sessions that ended by time are removed on the way."""
    db.execute(CLEAN, {"now": now, "idle_since": now - IDLE})
    secret = secrets.token_urlsafe(32)
    db.execute(
        INSERT,
        {
            "id": secrets.token_hex(8),
            "account": account,
            "sha256": sha256(secret),
            "now": now,
            "expires": now + ABSOLUTE,
            "address": address,
            "user_agent": user_agent[:200],
        },
    )
    found = of_secret(db, secret, now=now)
    if found is None:
        raise NotFoundError(f"there is no account {account}")
    return found, secret


def of_secret(db: Connection, secret: str, *, now: int) -> Session | None:
    """Give the live session with this secret: not ended, used within 30 minutes, younger than 12 hours."""
    values = {"sha256": sha256(secret), "now": now, "idle_since": now - IDLE}
    row = db.execute(BY_HASH, values).one_or_none()
    return None if row is None else to_struct(row, Session)


def touch(db: Connection, session: str, *, now: int) -> None:
    """Note that a session was used."""
    db.execute(TOUCHED, {"id": session, "now": now})


def of_account(db: Connection, account: str, *, now: int) -> list[Session]:
    """List an account's live sessions, newest first."""
    values = {"account": account, "now": now, "idle_since": now - IDLE}
    return to_structs(db.execute(OF_ACCOUNT, values), Session)


def end(db: Connection, session: str, account: str) -> None:
    """End one session of an account. Raises NotFoundError."""
    if db.execute(END, {"id": session, "account": account}).rowcount != 1:
        raise NotFoundError(f"there is no session {session}")


def end_all(db: Connection, account: str, *, but: str = "") -> int:
    """End an account's sessions, all but one when it is named; gives how many ended."""
    return db.execute(END_ALL, {"account": account, "but": but}).rowcount
