"""Counting what ingest refused, by reason and, where it is known, by agent."""

import msgspec
from sqlalchemy import Connection, text

from vedette.schema.access import Right, Scope
from vedette.store.state.rows import any_of, to_structs
from vedette.store.state.scoping import tenants


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """How often a reason occurred; `agent` is empty when the caller could not be identified."""

    reason: str
    agent: str
    tenant: str
    count: int
    last: int


ADD = text("""
INSERT INTO refusal (reason, agent, tenant, count, last)
VALUES (:reason, :agent, COALESCE((SELECT tenant FROM agent WHERE id = :agent), ''), :n, :now)
ON CONFLICT (reason, agent) DO UPDATE SET count = refusal.count + excluded.count, last = excluded.last
""")


def count(db: Connection, reason: str, agent: str | None, n: int, *, now: int = 0) -> None:
    """Add `n` refusals for `reason`; the reason is one of a fixed set of words, never text from a peer."""
    db.execute(ADD, {"reason": reason, "agent": agent or "", "n": n, "now": now})


OF_TENANTS = text("""
SELECT reason, agent, tenant, count, last FROM refusal
WHERE tenant IN :tenants OR tenant = '' ORDER BY reason, agent
""").bindparams(any_of("tenants"))


def totals(db: Connection, scope: Scope) -> list[Refusal]:
    """Give the counts of the caller's tenants and those of unidentified callers."""
    return to_structs(db.execute(OF_TENANTS, {"tenants": tenants(scope, Right.LEDGER_READ)}), Refusal)
