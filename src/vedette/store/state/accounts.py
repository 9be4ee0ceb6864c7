"""Accounts of people: name, role, tenants, password; failed logins make the next attempt wait."""

import secrets
from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.clock import MINUTE, SECOND
from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import RIGHTS, Right, Role, Scope
from vedette.store.state import passwords
from vedette.store.state.rows import to_json, to_struct, to_structs
from vedette.store.state.scoping import tenants as tenants_of

FREE_FAILURES = 5
FIRST_WAIT = 10 * SECOND
LONGEST_WAIT = 15 * MINUTE


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A person who may sign in. Times in microseconds UTC, None = never."""

    id: str
    tenant: str
    name: str
    role: Role
    tenants: list[str]
    must_change: int
    created: int
    disabled: int | None
    last_login: int | None
    failures: int
    locked_until: int

    def scope(self) -> Scope:
        """Give what the account's role and tenants allow."""
        return Scope(tenants=frozenset(self.tenants), rights=RIGHTS[self.role])


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """What a login is checked against."""

    id: str
    password_hash: str
    disabled: int | None
    locked_until: int


INSERT = text("""
INSERT INTO account (id, tenant, name, role, tenants, password_hash, must_change, created)
VALUES (:id, :tenant, :name, :role, :tenants, :password_hash, :must_change, :now)
ON CONFLICT (name) DO NOTHING
""")


def create(
    db: Connection,
    name: str,
    *,
    role: Role,
    password_hash: str,
    now: int,
    tenants: Iterable[str] = ("default",),
) -> Account:
    """Make an account whose password must be changed at the first login. Raises ConfigError: name taken.

    Hashing a password takes longer than a write may hold its turn: callers do it before (`passwords.hashed`).
    """
    allowed = sorted(tenants)
    account = secrets.token_hex(8)
    found = db.execute(
        INSERT,
        {
            "id": account,
            "tenant": allowed[0],
            "name": name.lower(),
            "role": role.value,
            "tenants": to_json(allowed),
            "password_hash": password_hash,
            "must_change": 1,
            "now": now,
        },
    )
    if found.rowcount != 1:
        raise ConfigError(f"there is an account {name.lower()} already")
    return get(db, account)


COUNT = text("SELECT count(*) FROM account")


def first_administrator(db: Connection, *, now: int, name: str = "admin") -> tuple[Account, str] | None:
    """Make the first account, with a one-time password (given only here); None when accounts exist."""
    if db.execute(COUNT).scalar_one():
        return None
    password = passwords.one_time()
    made = create(db, name, role=Role.ADMINISTRATOR, password_hash=passwords.hashed(password), now=now)
    return made, password


COLUMNS = """
id, tenant, name, role, tenants, must_change, created, disabled, last_login, failures, locked_until
"""

ONE = text(f"SELECT {COLUMNS} FROM account WHERE id = :id")  # noqa: S608 - the text is a constant

ALL = text(f"SELECT {COLUMNS} FROM account ORDER BY name")  # noqa: S608 - the text is a constant

CREDENTIALS = text("SELECT id, password_hash, disabled, locked_until FROM account WHERE name = :name")

CREDENTIALS_OF = text("SELECT id, password_hash, disabled, locked_until FROM account WHERE id = :id")


def get(db: Connection, account: str) -> Account:
    """Give one account. Raises NotFoundError."""
    row = db.execute(ONE, {"id": account}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no account {account}")
    return to_struct(row, Account, json=("tenants",))


def visible(db: Connection, scope: Scope) -> list[Account]:
    """List the accounts whose tenants the caller may all see."""
    allowed = set(tenants_of(scope, Right.USERS_READ))
    found = to_structs(db.execute(ALL), Account, json=("tenants",))
    return [account for account in found if allowed.issuperset(account.tenants)]


def credentials(db: Connection, name: str) -> Credentials | None:
    """Give what a login as `name` (any case) is checked against; None when there is no such account."""
    row = db.execute(CREDENTIALS, {"name": name.lower()}).one_or_none()
    return None if row is None else to_struct(row, Credentials)


def credentials_of(db: Connection, account: str) -> Credentials:
    """Give what the password of account id `account` is checked against. Raises NotFoundError."""
    row = db.execute(CREDENTIALS_OF, {"id": account}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no account {account}")
    return to_struct(row, Credentials)


SUCCEEDED = text("UPDATE account SET failures = 0, locked_until = 0, last_login = :now WHERE id = :id")

FAILED = text("UPDATE account SET failures = failures + 1 WHERE id = :id RETURNING failures")

LOCK = text("UPDATE account SET locked_until = :until WHERE id = :id")


def login_succeeded(db: Connection, account: str, *, now: int) -> None:
    """Note a login; earlier failures are forgotten."""
    db.execute(SUCCEEDED, {"id": account, "now": now})


def login_failed(db: Connection, account: str, *, now: int) -> int:
    """Count a wrong password; gives the time until which further attempts are refused (0 = none yet)."""
    failures = db.execute(FAILED, {"id": account}).scalar_one()
    wait = waiting_time(failures)
    if wait:
        db.execute(LOCK, {"id": account, "until": now + wait})
    return now + wait if wait else 0


def waiting_time(failures: int) -> int:
    """Give the microseconds to wait after so many wrong passwords in a row: doubles up to 15 minutes."""
    if failures < FREE_FAILURES:
        return 0
    return int(min(FIRST_WAIT * 2 ** min(failures - FREE_FAILURES, 20), LONGEST_WAIT))


PASSWORD = text("""
UPDATE account SET password_hash = :password_hash, must_change = :must_change, failures = 0, locked_until = 0
WHERE id = :id
""")

DISABLE = text("UPDATE account SET disabled = :now WHERE id = :id AND disabled IS NULL")

ENABLE = text("UPDATE account SET disabled = NULL, failures = 0, locked_until = 0 WHERE id = :id")

SET_ROLE = text("UPDATE account SET role = :role, tenants = :tenants WHERE id = :id")

ADMINISTRATORS = text("""
SELECT count(*) FROM account WHERE role = 'administrator' AND disabled IS NULL AND id <> :id
""")


def set_password(db: Connection, account: str, password_hash: str, *, must_change: bool) -> None:
    """Replace the password. The caller has judged its strength, hashed it, and ends the account's sessions."""
    values = {"id": account, "password_hash": password_hash, "must_change": int(must_change)}
    db.execute(PASSWORD, values)


def disable(db: Connection, account: str, *, now: int) -> None:
    """Refuse the account from now on. Raises ConfigError for the last administrator."""
    _keep_an_administrator(db, account)
    db.execute(DISABLE, {"id": account, "now": now})


def enable(db: Connection, account: str) -> None:
    """Accept the account again."""
    db.execute(ENABLE, {"id": account})


def set_role(db: Connection, account: str, role: Role, tenants: Iterable[str]) -> None:
    """Replace role and tenants. Raises ConfigError when no administrator would be left."""
    if role is not Role.ADMINISTRATOR:
        _keep_an_administrator(db, account)
    db.execute(SET_ROLE, {"id": account, "role": role.value, "tenants": to_json(sorted(tenants))})


def _keep_an_administrator(db: Connection, but: str) -> None:
    if not db.execute(ADMINISTRATORS, {"id": but}).scalar_one():
        raise ConfigError("this is the last administrator; make another one first")
