"""How long events of each tenant stay, and what was removed.

A removal is noted before it is made and again once it is: what a crash leaves half-done is found and finished.
"""

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, text

from vedette.schema.access import Right, Scope
from vedette.store.retention import Drop, Policy, Rule
from vedette.store.state.rows import any_of, to_structs
from vedette.store.state.scoping import tenants


class TenantRule(msgspec.Struct, frozen=True, kw_only=True):
    """The rule that a tenant has of its own; `changed` in microseconds UTC."""

    tenant: str
    days: int
    size: int
    changed: int
    changed_by: str


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant's day that was removed. `done` is null until it is gone; times in microseconds UTC."""

    number: int
    tenant: str
    day: str
    rows: int
    size: int
    reason: str
    begun: int
    done: int | None


SET = text("""
INSERT INTO retention_rule (tenant, days, size, changed, changed_by) VALUES (:tenant, :days, :size, :now, :changed_by)
ON CONFLICT (tenant) DO UPDATE SET
    days = excluded.days, size = excluded.size, changed = excluded.changed, changed_by = excluded.changed_by
""")

UNSET = text("DELETE FROM retention_rule WHERE tenant = :tenant")

RULES = text("SELECT * FROM retention_rule ORDER BY tenant")


def set_rule(db: Connection, tenant: str, rule: Rule, *, now: int, changed_by: str) -> None:
    """Give a tenant a rule of its own."""
    db.execute(SET, {"tenant": tenant, "days": rule.days, "size": rule.size, "now": now, "changed_by": changed_by})


def unset_rule(db: Connection, tenant: str) -> None:
    """Let the node's rule count for a tenant again."""
    db.execute(UNSET, {"tenant": tenant})


def rules(db: Connection) -> dict[str, TenantRule]:
    """Give the tenants' own rules."""
    return {rule.tenant: rule for rule in to_structs(db.execute(RULES), TenantRule)}


def with_rules(policy: Policy, own: Mapping[str, TenantRule]) -> Policy:
    """Give the node's policy with the tenants' own rules in it."""
    rules = {tenant: Rule(days=rule.days, size=rule.size) for tenant, rule in own.items()}
    return msgspec.structs.replace(policy, tenants=rules)


BEGIN = text("""
INSERT INTO retention_removal (number, tenant, day, rows, size, reason, begun)
VALUES ((SELECT COALESCE(max(number), 0) + 1 FROM retention_removal), :tenant, :day, :rows, :size, :reason, :now)
RETURNING number
""")

END = text("UPDATE retention_removal SET done = :now WHERE number = :number AND done IS NULL")

BEGUN = text("SELECT * FROM retention_removal WHERE done IS NULL ORDER BY number")


def begin_removal(db: Connection, drop: Drop, *, now: int) -> int:
    """Note that a day is about to go; gives the removal's number."""
    number: int = db.execute(BEGIN, msgspec.structs.asdict(drop) | {"now": now}).scalar_one()
    return number


def end_removal(db: Connection, number: int, *, now: int) -> bool:
    """Note that a day is gone; False when that was noted before."""
    return db.execute(END, {"number": number, "now": now}).rowcount == 1


def begun_removals(db: Connection) -> list[Removal]:
    """Give the removals that were begun and not ended."""
    return to_structs(db.execute(BEGUN), Removal)


PAGE = text("""
SELECT * FROM retention_removal WHERE tenant IN :tenants AND number < :before ORDER BY number DESC LIMIT :limit
""").bindparams(any_of("tenants"))

TOTALS = text("""
SELECT tenant, count(*) AS days, CAST(sum(rows) AS BIGINT) AS rows, CAST(sum(size) AS BIGINT) AS size
FROM retention_removal WHERE tenant IN :tenants AND done IS NOT NULL GROUP BY tenant
""").bindparams(any_of("tenants"))


class Removed(msgspec.Struct, frozen=True, kw_only=True):
    """What retention has removed of a tenant in all."""

    tenant: str
    days: int = 0
    rows: int = 0
    size: int = 0


def removals(db: Connection, scope: Scope, *, before: int, limit: int) -> list[Removal]:
    """Give the removals with numbers below `before`, newest first."""
    values = {"tenants": tenants(scope, Right.STORAGE_READ), "before": before, "limit": limit}
    return to_structs(db.execute(PAGE, values), Removal)


def removed(db: Connection, scope: Scope) -> dict[str, Removed]:
    """Give what was removed in all, by tenant."""
    rows = db.execute(TOTALS, {"tenants": tenants(scope, Right.STORAGE_READ)})
    return {one.tenant: one for one in to_structs(rows, Removed)}
