"""What is in Storage: whose it is, where it came from, what engines said of it."""

from collections.abc import Callable

from sqlalchemy import Connection, text

from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right, Scope
from vedette.schema.objects import StoredObject
from vedette.store.state.rows import any_of, keepable, to_json, to_struct, to_structs
from vedette.store.state.scoping import tenants

NEWEST = (2**62, "")
"""Before the first object of a list."""

ADD = text("""
INSERT INTO object (tenant, sha256, md5, name, source, host, added_by, size, added)
VALUES (:tenant, :sha256, :md5, :name, :source, :host, :added_by, :size, :added)
ON CONFLICT (tenant, sha256) DO UPDATE SET
    name = excluded.name, source = excluded.source, host = excluded.host, added_by = excluded.added_by,
    added = excluded.added
""")

ONE = text("SELECT * FROM object WHERE sha256 = :sha256 AND tenant IN :tenants ORDER BY tenant LIMIT 1")
ONE = ONE.bindparams(any_of("tenants"))

PAGE = text("""
SELECT * FROM object
WHERE tenant IN :tenants AND (:status = '' OR status = :status)
    AND (added < :before OR (added = :before AND sha256 < :before_id))
ORDER BY added DESC, sha256 DESC LIMIT :limit
""").bindparams(any_of("tenants"))

WAITING = text("""
SELECT * FROM object WHERE rules <> :rules ORDER BY CASE WHEN scanned IS NULL THEN 0 ELSE 1 END, added LIMIT 1
""")

SCANNED = text("""
UPDATE object SET status = :status, reason = :reason, findings = :findings, rules = :rules, scanned = :now
WHERE tenant = :tenant AND sha256 = :sha256
""")

RESCAN = text("UPDATE object SET rules = '' WHERE tenant = :tenant AND sha256 = :sha256")

REMOVE = text("DELETE FROM object WHERE tenant = :tenant AND sha256 = :sha256")

HELD = text("SELECT count(*) FROM object WHERE sha256 = :sha256")

TAKEN = text("SELECT COALESCE(sum(size), 0) FROM object")

OLDEST = text("SELECT * FROM object ORDER BY added, sha256 LIMIT 1")


def add(db: Connection, new: StoredObject) -> None:
    """Note an object; one of the same content in the same tenant is renewed."""
    values = {name: getattr(new, name) for name in ("tenant", "sha256", "md5", "source", "host", "added_by", "size")}
    db.execute(ADD, values | {"name": keepable(new.name), "added": new.added})


def get(db: Connection, sha256: str, scope: Scope, right: Right = Right.STORAGE_READ) -> StoredObject:
    """Give one object. Raises NotFoundError."""
    row = db.execute(ONE, {"sha256": sha256, "tenants": tenants(scope, right)}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no object {sha256} in Storage")
    return to_struct(row, StoredObject, json=("findings",))


def page(
    db: Connection, scope: Scope, *, status: str = "", before: tuple[int, str] = NEWEST, limit: int = 100
) -> list[StoredObject]:
    """List the caller's objects, newest first, those before the (time, digest) `before`."""
    values = {
        "tenants": tenants(scope, Right.STORAGE_READ), "status": status, "before": before[0], "before_id": before[1],
        "limit": limit,
    }  # fmt: skip
    return to_structs(db.execute(PAGE, values), StoredObject, json=("findings",))


def waiting(db: Connection, rules: str) -> StoredObject | None:
    """Give an object that was not scanned with this version of the rules; those never scanned come first."""
    row = db.execute(WAITING, {"rules": rules}).one_or_none()
    return None if row is None else to_struct(row, StoredObject, json=("findings",))


def scanned(db: Connection, about: StoredObject, *, now: int) -> None:
    """Keep what was said of an object: `about` has it."""
    values = {name: getattr(about, name) for name in ("tenant", "sha256", "status", "reason", "rules")}
    db.execute(SCANNED, values | {"findings": keepable(to_json(about.findings)), "now": now})


def rescan(db: Connection, about: StoredObject) -> None:
    """Have an object scanned again."""
    db.execute(RESCAN, {"tenant": about.tenant, "sha256": about.sha256})


def remove(db: Connection, about: StoredObject, unlink: Callable[[str], None]) -> None:
    """Forget an object; `unlink` its file, in this transaction, when no other tenant has the same."""
    db.execute(REMOVE, {"tenant": about.tenant, "sha256": about.sha256})
    if not db.execute(HELD, {"sha256": about.sha256}).scalar_one():
        unlink(about.sha256)


def is_held(db: Connection, sha256: str) -> bool:
    """Whether anybody has this object."""
    return bool(db.execute(HELD, {"sha256": sha256}).scalar_one())


def taken(db: Connection) -> int:
    """Give the bytes of all objects together."""
    return int(db.execute(TAKEN).scalar_one())


def oldest(db: Connection) -> StoredObject | None:
    """Give the object that was put there first."""
    row = db.execute(OLDEST).one_or_none()
    return None if row is None else to_struct(row, StoredObject, json=("findings",))
