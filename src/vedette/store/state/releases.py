"""Releases of the agent that were added: what they are; the files are in the releases directory."""

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import Right, Scope
from vedette.store.state.rows import any_of, to_structs
from vedette.store.state.scoping import tenants


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One archive of one version; `size` of the archive, `unpacked` of its files, `added` in microseconds UTC."""

    tenant: str
    version: str
    platform: str
    python: str
    sha256: str
    size: int
    unpacked: int
    added: int
    added_by: str


COLUMNS = "tenant, version, platform, python, sha256, size, unpacked, added, added_by"

INSERT = text(f"""
INSERT INTO release ({COLUMNS})
VALUES (:tenant, :version, :platform, :python, :sha256, :size, :unpacked, :added, :added_by)
ON CONFLICT (tenant, version, platform, python) DO NOTHING
""")  # noqa: S608 - the text is a constant

ALL = text(f"""
SELECT {COLUMNS} FROM release WHERE tenant IN :tenants ORDER BY added DESC, version, platform, python
""").bindparams(any_of("tenants"))  # noqa: S608 - the text is a constant

OF_VERSION = text(f"""
SELECT {COLUMNS} FROM release WHERE tenant = :tenant AND version = :version ORDER BY platform, python
""")  # noqa: S608 - the text is a constant

DELETE = text("DELETE FROM release WHERE tenant = :tenant AND version = :version")

OTHERS = text("SELECT count(*) FROM release WHERE sha256 = :sha256")


def add(db: Connection, release: Release) -> Release:
    """Keep a release; gives what is kept. Raises ConfigError when the version has another archive already."""
    db.execute(INSERT, msgspec.structs.asdict(release))
    for held in of_version(db, release.tenant, release.version):
        if (held.platform, held.python) == (release.platform, release.python):
            if held.sha256 != release.sha256:
                raise ConfigError(f"there is another archive of {held.version} for {held.platform}: remove it first")
            return held
    raise NotFoundError("the release was removed meanwhile")


def visible(db: Connection, scope: Scope) -> list[Release]:
    """List the releases of the caller's tenants, newest first."""
    return to_structs(db.execute(ALL, {"tenants": tenants(scope, Right.UPGRADES_READ)}), Release)


def of_version(db: Connection, tenant: str, version: str) -> list[Release]:
    """Give the archives of a version."""
    return to_structs(db.execute(OF_VERSION, {"tenant": tenant, "version": version}), Release)


def remove(db: Connection, tenant: str, version: str) -> list[str]:
    """Forget a version; gives the digests of the archives that nothing needs any more. Raises NotFoundError."""
    held = of_version(db, tenant, version)
    if not held:
        raise NotFoundError(f"there is no release {version}")
    db.execute(DELETE, {"tenant": tenant, "version": version})
    return [one.sha256 for one in held if not is_used(db, one.sha256)]


def is_used(db: Connection, sha256: str) -> bool:
    """Say whether a release has this archive."""
    return bool(db.execute(OTHERS, {"sha256": sha256}).scalar_one())
