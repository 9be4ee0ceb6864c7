"""The audit log: read it, and check that it is whole."""

from typing import Annotated

from fastapi import Query

from vedette.central.api.bodies import Page, from_cursor, to_cursor
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork
from vedette.schema.access import Right
from vedette.store.state import audit
from vedette.store.state.audit import Entry, Verification

routes = Routes("audit")


@routes.get("/audit", needs=Right.AUDIT_READ, answers=Page[Entry])
def audit_entries(
    work: InWork,
    actor: Annotated[str, Query(max_length=64)] = "",
    action: Annotated[str, Query(max_length=64)] = "",
    since: Annotated[int, Query(ge=0, le=2**62)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[Entry]:
    """List what was done and what was denied, newest first; `since` in microseconds UTC."""
    chosen = audit.Filter(since=since, actor=actor, action=action)
    if cursor:
        chosen = audit.Filter(since=since, actor=actor, action=action, before=from_cursor(cursor, int)[0])
    with work.read() as db:
        found = audit.page(db, work.scope, chosen, limit=limit + 1)
    more = to_cursor(found[limit - 1].sequence) if len(found) > limit else None
    return Page(items=found[:limit], cursor=more)


@routes.get("/audit/verify", needs=Right.AUDIT_READ, answers=Verification)
def verify_audit(work: InWork) -> Verification:
    """Check every entry's hash, the chain between them and the sealed head."""
    with work.read() as db:
        return audit.verify(db, work.parts.keys.audit)
