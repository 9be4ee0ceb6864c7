"""Groups of hosts: hosts of one group share a settings document."""

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right, Scope
from vedette.store.state import agents
from vedette.store.state.rows import any_of, to_structs
from vedette.store.state.scoping import tenants


class HostGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group and how many hosts are in it; `created` in microseconds UTC."""

    tenant: str
    name: str
    description: str
    created: int
    hosts: int


ENSURE = text("""
INSERT INTO host_group (tenant, name, description, created) VALUES (:tenant, :name, :description, :now)
ON CONFLICT (tenant, name) DO NOTHING
""")

OF_TENANTS = text("""
SELECT g.tenant, g.name, g.description, g.created,
    (SELECT count(*) FROM agent a WHERE a.tenant = g.tenant AND a.group_name = g.name) AS hosts
FROM host_group g WHERE g.tenant IN :tenants ORDER BY g.tenant, g.name
""").bindparams(any_of("tenants"))

MOVE = text("""
UPDATE agent SET group_name = :name
WHERE id = :agent AND tenant IN :tenants
    AND EXISTS (SELECT 1 FROM host_group g WHERE g.tenant = agent.tenant AND g.name = :name)
""").bindparams(any_of("tenants"))


def ensure(db: Connection, tenant: str, name: str, *, now: int, description: str = "") -> bool:
    """Make a group unless it exists; gives whether it was made."""
    values = {"tenant": tenant, "name": name, "description": description, "now": now}
    return db.execute(ENSURE, values).rowcount == 1


def visible(db: Connection, scope: Scope) -> list[HostGroup]:
    """List the groups that the caller may see."""
    rows = db.execute(OF_TENANTS, {"tenants": tenants(scope, Right.HOSTS_READ)})
    return to_structs(rows, HostGroup)


ALL = text("SELECT tenant, name FROM host_group")


def all_names(db: Connection) -> list[tuple[str, str]]:
    """Give every group as (tenant, name), for what works in all tenants."""
    return [(row.tenant, row.name) for row in db.execute(ALL)]


def move_host(db: Connection, agent: str, name: str, scope: Scope) -> None:
    """Put a host into a group of its tenant. Raises NotFoundError when either is not there."""
    values = {"agent": agent, "name": name, "tenants": tenants(scope, Right.HOSTS_MANAGE)}
    if db.execute(MOVE, values).rowcount != 1:
        raise NotFoundError(f"there is no host {agent}, or no group {name} in its tenant")
    agents.identities_changed(db)
