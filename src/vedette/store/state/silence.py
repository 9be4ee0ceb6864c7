"""Which hosts are expected to speak: what the silence watcher asks."""

import msgspec
from sqlalchemy import Connection, text

from vedette.store.state.rows import to_structs


class Watched(msgspec.Struct, frozen=True, kw_only=True):
    """A host that has spoken at least once and may still do so. Times in microseconds UTC."""

    id: str
    tenant: str
    group: str
    hostname: str
    last_seen: int
    stopped: int | None
    """When it said that it stops; None after it spoke again."""
    told: int
    """1 = this silence already has its alert, open or closed."""


WATCHED = text("""
SELECT a.id, a.tenant, a.group_name AS "group", a.hostname, a.last_seen, a.stopped,
    CASE WHEN EXISTS (SELECT 1 FROM alert t WHERE t.host = a.id AND t.rule = :rule AND t.first >= a.last_seen)
        THEN 1 ELSE 0 END AS told
FROM agent a WHERE a.last_seen > :since AND a.revoked IS NULL ORDER BY a.id
""")


def watched(db: Connection, *, rule: str, since: int) -> list[Watched]:
    """Give the hosts, of all tenants, that are not revoked and have spoken after `since`."""
    return to_structs(db.execute(WATCHED, {"rule": rule, "since": since}), Watched)
