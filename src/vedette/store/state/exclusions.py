"""Exclusions and how often each was hit."""

import secrets
from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import Right, Scope
from vedette.schema.exclusions import Exclusion, Wanted
from vedette.store.state import versions
from vedette.store.state.rows import any_of, keepable, to_struct, to_structs
from vedette.store.state.scoping import tenants

VERSION = "exclusions"
"""Name of the number that grows when they change."""
MOST = 10_000
"""Of one tenant."""

ADD = text("""
INSERT INTO exclusion (id, tenant, rule, host, "user", sha256, path, note, created_by, created, expires)
VALUES (:id, :tenant, :rule, :host, :user, :sha256, :path, :note, :created_by, :now, :expires)
""")

COUNT = text("SELECT count(*) FROM exclusion WHERE tenant = :tenant")

ONE = text("SELECT * FROM exclusion WHERE id = :id")

VISIBLE = text("SELECT * FROM exclusion WHERE tenant IN :tenants ORDER BY created DESC, id")
VISIBLE = VISIBLE.bindparams(any_of("tenants"))

ALIVE = text("SELECT * FROM exclusion WHERE expires IS NULL OR expires > :now ORDER BY id")

REMOVE = text("DELETE FROM exclusion WHERE id = :id AND tenant IN :tenants").bindparams(any_of("tenants"))

HIT = text("""
UPDATE exclusion SET hits = hits + :hits, last_hit = :now WHERE id = :id
""")


def add(db: Connection, wanted: Wanted, *, tenant: str, created_by: str, now: int) -> Exclusion:
    """Add an exclusion. Raises ConfigError when it would exclude everything, or there are too many."""
    if not any((wanted.rule, wanted.host, wanted.user, wanted.sha256, wanted.path.strip("*? "))):
        raise ConfigError("an exclusion names a rule, a host, a user, a SHA-256 or a path; this one fits everything")
    if wanted.expires is not None and wanted.expires <= now:
        raise ConfigError("an exclusion that has expired excludes nothing")
    if db.execute(COUNT, {"tenant": tenant}).scalar_one() >= MOST:
        raise ConfigError(f"there are {MOST} exclusions; remove some")
    values = msgspec.structs.asdict(wanted) | {
        "id": secrets.token_hex(8), "tenant": tenant, "created_by": created_by, "now": now,
        "note": keepable(wanted.note), "sha256": wanted.sha256.lower(),
    }  # fmt: skip
    db.execute(ADD, values)
    versions.changed(db, VERSION)
    return to_struct(db.execute(ONE, {"id": values["id"]}).one(), Exclusion)


def visible(db: Connection, scope: Scope) -> list[Exclusion]:
    """Give the caller's exclusions, newest first, also those that have expired."""
    return to_structs(db.execute(VISIBLE, {"tenants": tenants(scope, Right.ALERTS_READ)}), Exclusion)


def alive(db: Connection, *, now: int) -> list[Exclusion]:
    """Give all that have not expired, of all tenants: for the pipeline."""
    return to_structs(db.execute(ALIVE, {"now": now}), Exclusion)


def remove(db: Connection, exclusion: str, scope: Scope) -> None:
    """Remove one. Raises NotFoundError."""
    if db.execute(REMOVE, {"id": exclusion, "tenants": tenants(scope, Right.ALERTS_MANAGE)}).rowcount != 1:
        raise NotFoundError(f"there is no exclusion {exclusion}")
    versions.changed(db, VERSION)


def count_hits(db: Connection, hits: Mapping[str, int], *, now: int) -> None:
    """Add how often exclusions kept something back."""
    if hits:
        db.execute(HIT, [{"id": name, "hits": count, "now": now} for name, count in hits.items()])
