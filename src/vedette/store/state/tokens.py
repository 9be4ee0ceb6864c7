"""Tokens: for enrolling agents (`vde_`) and for calling the API (`vdt_`). Only their SHA-256 is kept."""

import hashlib
import secrets
from collections.abc import Collection

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.clock import DAY
from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right, Scope
from vedette.store.state.rows import any_of, to_json, to_struct, to_structs
from vedette.store.state.scoping import tenants

ENROLMENT_PREFIX = "vde_"
API_PREFIX = "vdt_"


def sha256(secret: str) -> str:
    """Give the form in which a token is kept. Tokens hold 256 random bits, so no slow hash is needed."""
    return hashlib.sha256(secret.encode()).hexdigest()


class NewEnrolment(msgspec.Struct, frozen=True, kw_only=True):
    """What a new enrolment token allows: `uses` agents within `valid` microseconds."""

    tenant: str = "default"
    group: str = "default"
    uses: int = 1
    valid: int = DAY
    note: str = ""
    created_by: str = ""


ONE_AGENT = NewEnrolment()
"""One agent of the default group, within a day."""


class EnrolmentToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that lets `uses` agents enrol until `expires` (microseconds UTC)."""

    id: str
    tenant: str
    group: str
    note: str
    uses: int
    used: int
    created: int
    created_by: str
    expires: int
    revoked: int | None


class ApiToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that acts for an account with a part of its rights. Times in microseconds UTC."""

    id: str
    tenant: str
    account: str
    name: str
    rights: list[str]
    created: int
    expires: int
    last_used: int | None
    revoked: int | None


INSERT_ENROLMENT = text("""
INSERT INTO enrolment_token (id, tenant, group_name, sha256, note, uses, created, created_by, expires)
VALUES (:id, :tenant, :group_name, :sha256, :note, :uses, :created, :created_by, :expires)
""")


def create_enrolment(db: Connection, wanted: NewEnrolment = ONE_AGENT, *, now: int) -> str:
    """Make a token that enrols agents. Its text is given only here.

    The text lacks the CA's fingerprint, which the printer adds after a dot; `enrol` hashes the part before.
    """
    secret = ENROLMENT_PREFIX + secrets.token_urlsafe(32)
    db.execute(
        INSERT_ENROLMENT,
        {
            "id": secrets.token_hex(8),
            "tenant": wanted.tenant,
            "group_name": wanted.group,
            "sha256": sha256(secret),
            "note": wanted.note,
            "uses": wanted.uses,
            "created": now,
            "created_by": wanted.created_by,
            "expires": now + wanted.valid,
        },
    )
    return secret


ENROLMENT_COLUMNS = """
id, tenant, group_name AS "group", note, uses, used, created, created_by, expires, revoked
"""

ENROLMENTS = text(f"""
SELECT {ENROLMENT_COLUMNS} FROM enrolment_token WHERE tenant IN :tenants
ORDER BY created DESC, id LIMIT :limit
""").bindparams(any_of("tenants"))  # noqa: S608 - the text is a constant

ENROLMENT_BY_HASH = text(f"SELECT {ENROLMENT_COLUMNS} FROM enrolment_token WHERE sha256 = :sha256")  # noqa: S608

REVOKE_ENROLMENT = text("""
UPDATE enrolment_token SET revoked = :now WHERE id = :id AND tenant IN :tenants AND revoked IS NULL
""").bindparams(any_of("tenants"))


def enrolments(db: Connection, scope: Scope, *, limit: int = 100) -> list[EnrolmentToken]:
    """List enrolment tokens, newest first."""
    return to_structs(
        db.execute(ENROLMENTS, {"tenants": tenants(scope, Right.HOSTS_READ), "limit": limit}), EnrolmentToken
    )


def enrolment(db: Connection, secret: str) -> EnrolmentToken:
    """Give the enrolment token whose text is `secret`. Raises NotFoundError."""
    row = db.execute(ENROLMENT_BY_HASH, {"sha256": sha256(secret)}).one_or_none()
    if row is None:
        raise NotFoundError("this enrolment token is not known here")
    return to_struct(row, EnrolmentToken)


def revoke_enrolment(db: Connection, token: str, scope: Scope, *, now: int) -> None:
    """Stop a token from enrolling anything more. Raises NotFoundError."""
    values = {"id": token, "tenants": tenants(scope, Right.HOSTS_MANAGE), "now": now}
    found = db.execute(REVOKE_ENROLMENT, values)
    if found.rowcount != 1:
        raise NotFoundError(f"there is no enrolment token {token} that is not yet revoked")


INSERT_API = text("""
INSERT INTO api_token (id, tenant, account, name, sha256, rights, created, expires)
SELECT :id, tenant, id, :name, :sha256, :rights, :now, :expires FROM account WHERE id = :account
""")


def create_api(
    db: Connection, account: str, *, name: str, rights: Collection[str], now: int, valid: int
) -> tuple[ApiToken, str]:
    """Make an API token for an account; gives it and its text, which is given only here.

    `rights` limit the token: it can do what both they and the account's role allow. Raises NotFoundError.
    """
    token = secrets.token_hex(8)
    secret = f"{API_PREFIX}{token}_{secrets.token_urlsafe(32)}"
    found = db.execute(
        INSERT_API,
        {
            "id": token,
            "account": account,
            "name": name,
            "sha256": sha256(secret),
            "rights": to_json(sorted(rights)),
            "now": now,
            "expires": now + valid,
        },
    )
    if found.rowcount != 1:
        raise NotFoundError(f"there is no account {account}")
    return _api(db, sha256(secret)), secret


API_COLUMNS = "id, tenant, account, name, rights, created, expires, last_used, revoked"

API_BY_HASH = text(f"SELECT {API_COLUMNS} FROM api_token WHERE sha256 = :sha256")  # noqa: S608 - constant

API_OF = text(f"""
SELECT {API_COLUMNS} FROM api_token WHERE account = :account ORDER BY created DESC, id LIMIT :limit
""")  # noqa: S608 - the text is a constant

API_USED = text("UPDATE api_token SET last_used = :now WHERE id = :id")

REVOKE_API = text("""
UPDATE api_token SET revoked = :now WHERE id = :id AND account = :account AND revoked IS NULL
""")


def _api(db: Connection, digest: str) -> ApiToken:
    row = db.execute(API_BY_HASH, {"sha256": digest}).one_or_none()
    if row is None:
        raise NotFoundError("this API token is not known here")
    return to_struct(row, ApiToken, json=("rights",))


def api(db: Connection, secret: str) -> ApiToken:
    """Give the token whose text is `secret`, expired and revoked ones too. Raises NotFoundError."""
    return _api(db, sha256(secret))


def api_of(db: Connection, account: str, *, limit: int = 100) -> list[ApiToken]:
    """List an account's API tokens, newest first."""
    return to_structs(db.execute(API_OF, {"account": account, "limit": limit}), ApiToken, json=("rights",))


def api_used(db: Connection, token: str, *, now: int) -> None:
    """Note that a token was used; callers do this at most once a minute."""
    db.execute(API_USED, {"id": token, "now": now})


def revoke_api(db: Connection, token: str, account: str, *, now: int) -> None:
    """End an account's API token. Raises NotFoundError."""
    found = db.execute(REVOKE_API, {"id": token, "account": account, "now": now})
    if found.rowcount != 1:
        raise NotFoundError(f"there is no API token {token} that is not yet revoked")


REVOKE_ALL_API = text("UPDATE api_token SET revoked = :now WHERE account = :account AND revoked IS NULL")


def revoke_all_api(db: Connection, account: str, *, now: int) -> int:
    """End all API tokens of an account; gives how many were live."""
    return db.execute(REVOKE_ALL_API, {"account": account, "now": now}).rowcount
