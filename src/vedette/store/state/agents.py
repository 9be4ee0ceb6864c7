"""Enrolled agents: who they are, which certificate counts, what they last said of themselves."""

import secrets
from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.errors import IdentityError, NotFoundError
from vedette.schema.access import Right, Scope
from vedette.store.state.rows import any_of, keepable, to_json, to_struct, to_structs
from vedette.store.state.scoping import tenants


class EnrolledAgent(msgspec.Struct, frozen=True, kw_only=True):
    """The identity that the server chose for a new agent; `id` is also its `host.id`."""

    id: str
    tenant: str
    group: str


class AgentIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What ingest needs to judge a certificate.

    `serial` is the one that counts, empty until one was issued; `next_serial` was offered at a renewal and
    counts from its first use on. Serials are lower-case hex.
    """

    id: str
    tenant: str
    group: str
    serial: str
    next_serial: str
    revoked: bool


class AgentSeen(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent said of itself with its latest batch. Times in microseconds UTC."""

    agent: str
    at: int
    hostname: str = ""
    os: str = ""
    version: str = ""
    mode: str = ""
    refused: dict[str, str] = {}
    address: str = ""
    settings_version: int = 0
    spool_events: int = 0
    spool_oldest: int | None = None
    stopping: bool = False
    """It said goodbye."""


class Agent(msgspec.Struct, frozen=True, kw_only=True):
    """One host as the state knows it. Times in microseconds UTC, None = not yet."""

    id: str
    tenant: str
    group: str
    hostname: str
    os: str
    version: str
    mode: str
    refused: dict[str, str]
    """What the host refuses to the agent, and why: `kernel/lsm` -> reason."""
    address: str
    enrolled: int
    last_seen: int | None
    serial: str
    certificate_expires: int | None
    revoked: int | None
    stopped: int | None
    """When it said that it stops; null after it spoke again."""
    settings_version: int
    spool_events: int
    spool_oldest: int | None


USE_TOKEN = text("""
UPDATE enrolment_token SET used = used + 1
WHERE sha256 = :sha256 AND used < uses AND expires > :now AND revoked IS NULL
RETURNING id, tenant, group_name
""")

TOKEN_STATE = text("SELECT used, uses, expires, revoked FROM enrolment_token WHERE sha256 = :sha256")

INSERT = text("""
INSERT INTO agent (id, tenant, group_name, token, hostname, os, enrolled)
VALUES (:id, :tenant, :group_name, :token, :hostname, :os, :now)
""")


def enrol(db: Connection, token_sha256: str, *, hostname: str, os: str, now: int) -> EnrolledAgent:
    """Use the token once and give a new identity. Of many at the same moment no more than its uses win.

    Raises IdentityError with the reason `token_unknown`, `token_expired`, `token_revoked` or `token_used`.
    """
    row = db.execute(USE_TOKEN, {"sha256": token_sha256, "now": now}).one_or_none()
    if row is None:
        raise _refusal(db, token_sha256, now)
    agent = secrets.token_hex(16)
    db.execute(
        INSERT,
        {
            "id": agent,
            "tenant": row.tenant,
            "group_name": row.group_name,
            "token": row.id,
            "hostname": keepable(hostname),
            "os": keepable(os),
            "now": now,
        },
    )
    identities_changed(db)
    return EnrolledAgent(id=agent, tenant=row.tenant, group=row.group_name)


def _refusal(db: Connection, token_sha256: str, now: int) -> IdentityError:
    row = db.execute(TOKEN_STATE, {"sha256": token_sha256}).one_or_none()
    if row is None:
        return IdentityError("this enrolment token is not known here", reason="token_unknown")
    if row.revoked is not None:
        return IdentityError("this enrolment token was revoked", reason="token_revoked")
    if row.expires <= now:
        return IdentityError("this enrolment token has expired", reason="token_expired")
    return IdentityError(f"this enrolment token was used {row.used} of {row.uses} times", reason="token_used")


SET_CERTIFICATE = text("""
UPDATE agent SET serial = :serial, next_serial = '', certificate_expires = :not_after
WHERE id = :agent AND revoked IS NULL
""")

OFFER_CERTIFICATE = text("""
UPDATE agent SET next_serial = :serial WHERE id = :agent AND revoked IS NULL
""")

BUMP = text("""
INSERT INTO version (name, number) VALUES ('identities', 1)
ON CONFLICT (name) DO UPDATE SET number = version.number + 1
""")

VERSION = text("SELECT number FROM version WHERE name = 'identities'")


def set_certificate(db: Connection, agent: str, serial: str, not_after: int) -> None:
    """Make `serial` the one certificate that counts; the one before is refused from now on.

    Raises IdentityError when the agent is unknown or revoked.
    """
    values = {"agent": agent, "serial": serial, "not_after": not_after}
    _expect_one(db.execute(SET_CERTIFICATE, values).rowcount, agent)
    identities_changed(db)


def offer_certificate(db: Connection, agent: str, serial: str) -> None:
    """Note a renewed certificate, which counts once it was used (`set_certificate`): its reply may get lost.

    Raises IdentityError when the agent is unknown or revoked.
    """
    _expect_one(db.execute(OFFER_CERTIFICATE, {"agent": agent, "serial": serial}).rowcount, agent)
    identities_changed(db)


def _expect_one(changed: int, agent: str) -> None:
    if changed != 1:
        raise IdentityError(f"agent {agent} is unknown or revoked", reason="agent_revoked")


def identities_changed(db: Connection) -> None:
    """Tell those who cache `identities`; whatever writes an agent's identity calls this."""
    db.execute(BUMP)


def identity_version(db: Connection) -> int:
    """Give a number that is another one whenever `identities` would give something else."""
    found: int | None = db.execute(VERSION).scalar_one_or_none()
    return found or 0


IDENTITIES = text("""
SELECT id, tenant, group_name AS "group", serial, next_serial,
    CASE WHEN revoked IS NULL THEN 0 ELSE 1 END AS revoked
FROM agent
""")


def identities(db: Connection) -> list[AgentIdentity]:
    """Give every agent's identity, revoked ones too."""
    return [
        AgentIdentity(**(dict(row._mapping) | {"revoked": bool(row.revoked)}))  # noqa: SLF001 - public
        for row in db.execute(IDENTITIES)
    ]


SEEN = text("""
UPDATE agent SET last_seen = :at, version = :version, mode = :mode, refused = :refused,
    settings_version = :settings_version, spool_events = :spool_events, spool_oldest = :spool_oldest,
    stopped = CASE WHEN :stopping = 1 THEN :at END,
    hostname = CASE WHEN :hostname = '' THEN hostname ELSE :hostname END,
    os = CASE WHEN :os = '' THEN os ELSE :os END,
    address = CASE WHEN :address = '' THEN address ELSE :address END
WHERE id = :agent AND (last_seen IS NULL OR last_seen <= :at)
""")


def seen(db: Connection, agents: Sequence[AgentSeen]) -> None:
    """Note what each agent said last; one statement for all, to be called about once a minute."""
    if agents:
        rows = [msgspec.structs.asdict(agent) for agent in agents]
        texts = ("hostname", "os", "version", "mode", "address")
        texts_of = [{name: keepable(row[name]) for name in texts} for row in rows]
        db.execute(
            SEEN,
            [
                row | kept | {"stopping": int(row["stopping"]), "refused": keepable(to_json(row["refused"]))}
                for row, kept in zip(rows, texts_of, strict=True)
            ],
        )


COLUMNS = """
id, tenant, group_name AS "group", hostname, os, version, mode, refused, address, enrolled, last_seen, serial,
certificate_expires, revoked, stopped, settings_version, spool_events, spool_oldest
"""

PAGE = text(f"""
SELECT {COLUMNS} FROM agent
WHERE tenant IN :tenants AND (hostname, id) > (:after_hostname, :after_id)
    AND (:hostname = '' OR lower(hostname) LIKE :hostname ESCAPE '!')
ORDER BY hostname, id LIMIT :limit
""").bindparams(any_of("tenants"))  # noqa: S608 - the text is a constant

ONE = text(f"SELECT {COLUMNS} FROM agent WHERE id = :agent AND tenant IN :tenants").bindparams(  # noqa: S608
    any_of("tenants")
)

REVOKE = text("""
UPDATE agent SET revoked = :now WHERE id = :agent AND tenant IN :tenants AND revoked IS NULL
""").bindparams(any_of("tenants"))


def page(
    db: Connection,
    scope: Scope,
    *,
    hostname: str = "",
    after: tuple[str, str] = ("", ""),
    limit: int = 100,
) -> list[Agent]:
    """List the caller's hosts by name, `after` a (host name, id); `hostname` is whole or holds `*`."""
    rows = db.execute(
        PAGE,
        {
            "tenants": tenants(scope, Right.HOSTS_READ),
            "hostname": _like(hostname),
            "after_hostname": after[0],
            "after_id": after[1],
            "limit": limit,
        },
    )
    return to_structs(rows, Agent, json=("refused",))


def get(db: Connection, agent: str, scope: Scope) -> Agent:
    """Give one host. Raises NotFoundError when it is not in the caller's tenants."""
    row = db.execute(ONE, {"agent": agent, "tenants": tenants(scope, Right.HOSTS_READ)}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no host {agent}")
    return to_struct(row, Agent, json=("refused",))


def revoke(db: Connection, agent: str, scope: Scope, *, now: int) -> Agent:
    """Refuse this agent from now on. Raises NotFoundError when it is not in the caller's tenants."""
    identities_changed(db)
    db.execute(REVOKE, {"agent": agent, "tenants": tenants(scope, Right.HOSTS_MANAGE), "now": now})
    return get(db, agent, scope)


def _like(pattern: str) -> str:
    escaped = pattern.lower().replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return escaped.replace("*", "%")
