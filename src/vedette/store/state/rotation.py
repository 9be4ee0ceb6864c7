"""Alerts that have no room any more go, with their findings: the oldest closed ones first, then the oldest."""

from sqlalchemy import Connection, text

from vedette.store.state.rows import any_of

MOST = 100_000
"""Alerts of one tenant and technology."""
AT_ONCE = 200
"""Alerts that are removed in one transaction."""

COUNTS = text("SELECT tenant, technology, count(*) AS held FROM alert GROUP BY tenant, technology")

OLDEST = text("""
SELECT id FROM alert WHERE tenant = :tenant AND technology = :technology
ORDER BY CASE WHEN status = 'closed' THEN 0 ELSE 1 END, raised, id LIMIT :limit
""")

REMOVE = (
    text("DELETE FROM finding WHERE alert IN :alerts").bindparams(any_of("alerts")),
    text("DELETE FROM alert_step WHERE alert IN :alerts").bindparams(any_of("alerts")),
    text("DELETE FROM alert WHERE id IN :alerts").bindparams(any_of("alerts")),
)


def rotate(db: Connection, *, most: int = MOST) -> int:
    """Remove up to `AT_ONCE` alerts that are too many; gives how many, so that it is called until it is 0."""
    for row in db.execute(COUNTS).all():
        excess = min(AT_ONCE, row.held - most)
        if excess > 0:
            values = {"tenant": row.tenant, "technology": row.technology, "limit": excess}
            found = [one.id for one in db.execute(OLDEST, values)]
            for statement in REMOVE:
                db.execute(statement, {"alerts": found})
            return len(found)
    return 0
