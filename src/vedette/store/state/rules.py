"""Rule files: each with all its versions. What changes here grows the version number of its kind."""

from collections.abc import Sequence

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import Right, Scope
from vedette.schema.rules import RuleCheck, RuleFile, RuleKind, RuleText, RuleVersion
from vedette.store.state import versions
from vedette.store.state.rows import any_of, keepable, to_json, to_struct, to_structs
from vedette.store.state.scoping import tenants

MOST_FILES, MOST_BYTES = 20_000, 256 << 20
"""Of one tenant and kind."""
VERSIONS_KEPT = 50
"""Of one rule file."""
JSON = ("rules", "problems", "enabled", "tests", "types")


def version_name(kind: RuleKind) -> str:
    """Give the name of the number that grows when enabled rules of a kind change."""
    return f"rules.{kind.value}"


PUT = text("""
INSERT INTO rule (tenant, kind, name, text, version, enabled, author, created, changed, rules, problems, tests, types)
VALUES (:tenant, :kind, :name, :text, 1, :enabled, :author, :now, :now, :rules, :problems, :tests, :types)
ON CONFLICT (tenant, kind, name) DO UPDATE SET
    text = excluded.text, version = rule.version + 1, author = excluded.author, changed = excluded.changed,
    rules = excluded.rules, problems = excluded.problems, tests = excluded.tests, types = excluded.types
RETURNING version
""")

ADD_VERSION = text("""
INSERT INTO rule_version (tenant, kind, name, version, author, time, note, text)
VALUES (:tenant, :kind, :name, :version, :author, :now, :note, :text)
""")

DROP_VERSIONS = text("""
DELETE FROM rule_version WHERE tenant = :tenant AND kind = :kind AND name = :name AND version <= :version
""")

TAKEN = text("""
SELECT count(*) AS files, COALESCE(sum(length(text)), 0) AS size FROM rule WHERE tenant = :tenant AND kind = :kind
""")

COLUMNS = """
tenant, kind, name, text, version, CASE WHEN enabled = 1 THEN 'true' ELSE 'false' END AS enabled, author, created,
changed, rules, problems, tests, types
"""

ONE = text(f"""
SELECT {COLUMNS} FROM rule WHERE tenant IN :tenants AND kind = :kind AND name = :name ORDER BY tenant LIMIT 1
""").bindparams(any_of("tenants"))  # noqa: S608 - columns are a constant of ours

PAGE = text(f"""
SELECT {COLUMNS} FROM rule
WHERE tenant IN :tenants AND (:kind = '' OR kind = :kind)
    AND (kind, name, tenant) > (:after, :after_name, :after_tenant)
ORDER BY kind, name, tenant LIMIT :limit
""").bindparams(any_of("tenants"))  # noqa: S608 - the same

ENABLED = text(f"SELECT {COLUMNS} FROM rule WHERE kind = :kind AND enabled = 1 ORDER BY tenant, name")  # noqa: S608

HISTORY = text("""
SELECT version, author, time, note, text FROM rule_version
WHERE tenant = :tenant AND kind = :kind AND name = :name ORDER BY version DESC
""")

ENABLE = text("""
UPDATE rule SET enabled = :enabled, changed = :now WHERE tenant = :tenant AND kind = :kind AND name = :name
""")

REMOVE = (
    text("DELETE FROM rule WHERE tenant = :tenant AND kind = :kind AND name = :name"),
    text("DELETE FROM rule_version WHERE tenant = :tenant AND kind = :kind AND name = :name"),
)


class Saved(msgspec.Struct, frozen=True, kw_only=True):
    """Who saves what, and what its engine says of it."""

    rule: RuleText
    check: RuleCheck
    tenant: str
    author: str
    note: str = ""
    enabled: bool = True
    """For a new file; one that is there stays as it is."""


def put(db: Connection, saved: Saved, *, now: int) -> int:
    """Keep a rule file; gives its version. Raises ConfigError when there are too many."""
    rule = saved.rule
    key = {"tenant": saved.tenant, "kind": rule.kind.value, "name": rule.name}
    taken = db.execute(TAKEN, key).one()
    if taken.files >= MOST_FILES or taken.size + len(rule.text) > MOST_BYTES:
        raise ConfigError(f"there is room for {MOST_FILES:,} files and {MOST_BYTES >> 20} MiB of {rule.kind} rules")
    values = key | {
        "text": rule.text, "enabled": int(saved.enabled), "author": saved.author, "note": saved.note, "now": now,
        "rules": to_json(saved.check.rules), "problems": to_json(saved.check.problems),
        "tests": keepable(to_json(rule.tests)), "types": to_json(saved.check.types),
    }  # fmt: skip
    version: int = db.execute(PUT, values).scalar_one()
    db.execute(ADD_VERSION, values | {"version": version})
    db.execute(DROP_VERSIONS, key | {"version": version - VERSIONS_KEPT})
    versions.changed(db, version_name(rule.kind))
    return version


def get(db: Connection, kind: RuleKind, name: str, scope: Scope) -> RuleFile:
    """Give one rule file. Raises NotFoundError."""
    values = {"kind": kind.value, "name": name, "tenants": tenants(scope, Right.RULES_READ)}
    row = db.execute(ONE, values).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no {kind.value} rule file {name}")
    return to_struct(row, RuleFile, json=JSON)


def page(
    db: Connection, scope: Scope, *, kind: str = "", after: tuple[str, str, str] = ("", "", ""), limit: int
) -> list[RuleFile]:
    """List the caller's rule files by kind and name, those after (kind, name, tenant) `after`."""
    values = {
        "tenants": tenants(scope, Right.RULES_READ), "kind": kind, "after": after[0], "after_name": after[1],
        "after_tenant": after[2], "limit": limit,
    }  # fmt: skip
    return to_structs(db.execute(PAGE, values), RuleFile, json=JSON)


def enabled(db: Connection, kind: RuleKind) -> Sequence[RuleFile]:
    """Give the enabled rule files of all tenants: for engines."""
    return to_structs(db.execute(ENABLED, {"kind": kind.value}), RuleFile, json=JSON)


OWNERS = text("SELECT tenant, name, rules FROM rule WHERE kind = :kind")


def owners(db: Connection, kind: RuleKind) -> dict[str, tuple[str, str]]:
    """Give the (tenant, name) of the file that each rule of a kind is in, of all tenants."""
    return {
        rule: (row.tenant, row.name)
        for row in db.execute(OWNERS, {"kind": kind.value})
        for rule in msgspec.json.decode(row.rules, type=list[str])
    }


def history(db: Connection, file: RuleFile) -> list[RuleVersion]:
    """Give what a rule file was, newest version first."""
    return to_structs(db.execute(HISTORY, _key(file)), RuleVersion)


def enable(db: Connection, file: RuleFile, scope: Scope, *, enabled: bool, now: int) -> RuleFile:
    """Use a rule file, or use it no more."""
    _check(file, scope)
    db.execute(ENABLE, _key(file) | {"enabled": int(enabled), "now": now})
    versions.changed(db, version_name(file.kind))
    return get(db, file.kind, file.name, scope)


def remove(db: Connection, file: RuleFile, scope: Scope) -> None:
    """Remove a rule file with its versions."""
    _check(file, scope)
    for statement in REMOVE:
        db.execute(statement, _key(file))
    versions.changed(db, version_name(file.kind))


def _key(file: RuleFile) -> dict[str, str]:
    return {"tenant": file.tenant, "kind": file.kind.value, "name": file.name}


def _check(file: RuleFile, scope: Scope) -> None:
    if file.tenant not in tenants(scope, Right.RULES_MANAGE):
        raise NotFoundError(f"there is no {file.kind.value} rule file {file.name}")
