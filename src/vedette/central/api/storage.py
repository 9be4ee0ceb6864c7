"""The event store's place on disk: bytes, rows and days by tenant, how long events stay, what was removed."""

from collections.abc import Sequence
from typing import Annotated

import msgspec
from fastapi import Query
from pydantic import Field

from vedette.central.api.bodies import Body, Page, from_cursor, to_cursor
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork, Work
from vedette.query.statement import Statement
from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right
from vedette.store.event_table import TABLE
from vedette.store.events import PARTS, PARTS_MERGED
from vedette.store.parts import Parts
from vedette.store.retention import Drop, Forecast, Policy, Rule, forecast
from vedette.store.state import retention
from vedette.store.state.retention import Removal, Removed

routes = Routes("storage")

_PARTS = Statement(PARTS, {"table": TABLE}, {"max_execution_time": 30}, Parts.__struct_fields__, PARTS_MERGED)
_MOST = 1 << 50


class NewRule(Body):
    """How long events of a tenant stay: days, the present one included, and bytes; 0 = no limit."""

    days: Annotated[int, Field(ge=0, le=100_000)] = 0
    bytes: Annotated[int, Field(ge=0, le=_MOST)] = 0


class NextRemoval(msgspec.Struct, frozen=True, kw_only=True):
    """The day that goes next, at the present rate; `reason`: `days`, `bytes` or `total_bytes`."""

    day: str
    in_days: int
    reason: str


class TenantStorage(msgspec.Struct, frozen=True, kw_only=True):
    """What events of a tenant take. `rate`: bytes a day at present; `own_rule`: not the node's limits."""

    tenant: str
    rows: int
    bytes: int
    days: int
    oldest: str | None
    newest: str | None
    rate: int
    keep_days: int
    keep_bytes: int
    own_rule: bool
    next_removal: NextRemoval | None
    removed: Removed


class StorageReport(msgspec.Struct, frozen=True, kw_only=True):
    """The caller's tenants together, and each. Bytes include indexes.

    `keep_bytes`: limit of all tenants of the node together, 0 = none. `full_in`: days until the disk takes no
    more events, at the present rate and with what retention removes; null = not within a year.
    """

    rows: int
    bytes: int
    keep_bytes: int
    disk_free: int
    disk_size: int
    full_in: int | None
    tenants: list[TenantStorage]


@routes.get("/storage", needs=Right.STORAGE_READ, answers=StorageReport)
def storage_report(work: InWork) -> StorageReport:
    """Tell what events take, how long they stay, and when what will be removed."""
    parts = _parts(work)
    policy, disk = _policy(work), work.parts.node.disk()
    ahead = forecast(parts, policy, now=work.now, free=disk.free)
    with work.read() as db:
        removed = retention.removed(db, work.scope)
    mine = [
        _of_tenant(tenant, [part for part in parts if part.tenant == tenant], policy, ahead, removed)
        for tenant in sorted(work.scope.tenants)
    ]
    return StorageReport(
        rows=sum(one.rows for one in mine),
        bytes=sum(one.bytes for one in mine),
        keep_bytes=policy.size,
        disk_free=disk.free,
        disk_size=disk.size,
        full_in=ahead.full_in,
        tenants=mine,
    )


@routes.get("/storage/days", needs=Right.STORAGE_READ, answers=Page[Parts])
def storage_days(
    work: InWork,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[Parts]:
    """List rows and bytes of each day of each tenant, newest first."""
    found = [part for part in _parts(work) if part.tenant in work.scope.tenants]
    found.sort(key=lambda part: (part.day, part.tenant), reverse=True)
    if cursor:
        after = from_cursor(cursor, str, str)
        found = [part for part in found if (part.day, part.tenant) < after]
    more = to_cursor(found[limit - 1].day, found[limit - 1].tenant) if len(found) > limit else None
    return Page(items=found[:limit], cursor=more)


@routes.get("/storage/removals", needs=Right.STORAGE_READ, answers=Page[Removal])
def storage_removals(
    work: InWork,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[Removal]:
    """List the days that were removed, newest removal first."""
    before = from_cursor(cursor, int)[0] if cursor else 2**62
    with work.read() as db:
        found = retention.removals(db, work.scope, before=before, limit=limit + 1)
    more = to_cursor(found[limit - 1].number) if len(found) > limit else None
    return Page(items=found[:limit], cursor=more)


@routes.change(
    "PUT",
    "/storage/retention/{tenant}",
    needs=Right.STORAGE_MANAGE,
    action="storage.retention.set",
    answers=StorageReport,
)
def set_retention(work: InWork, tenant: str, body: NewRule) -> StorageReport:
    """Set how long events of a tenant stay. What it has no room for goes within a minute, and cannot come back."""
    tenant = _known(work, tenant)
    with work.deed(tenant, tenant=tenant, days=str(body.days), bytes=str(body.bytes)) as db:
        rule = Rule(days=body.days, size=body.bytes)
        retention.set_rule(db, tenant, rule, now=work.now, changed_by=work.caller.name)
    return storage_report(work)


@routes.change("DELETE", "/storage/retention/{tenant}", needs=Right.STORAGE_MANAGE, action="storage.retention.unset")
def unset_retention(work: InWork, tenant: str) -> None:
    """Let the node's limits count for a tenant again."""
    tenant = _known(work, tenant)
    with work.deed(tenant, tenant=tenant) as db:
        retention.unset_rule(db, tenant)


def _known(work: Work, tenant: str) -> str:
    if tenant not in work.scope.tenants:
        raise NotFoundError(f"there is no tenant {tenant}")
    return tenant


def _parts(work: Work) -> list[Parts]:
    return [Parts(*row) for row in work.ask(_PARTS)]


def _policy(work: Work) -> Policy:
    with work.read() as db:
        return retention.with_rules(work.parts.node.policy, retention.rules(db))


def _of_tenant(
    tenant: str, parts: Sequence[Parts], policy: Policy, ahead: Forecast, removed: dict[str, Removed]
) -> TenantStorage:
    rule = policy.of(tenant)
    return TenantStorage(
        tenant=tenant,
        rows=sum(part.rows for part in parts),
        bytes=sum(part.size for part in parts),
        days=len(parts),
        oldest=min((part.day for part in parts), default=None),
        newest=max((part.day for part in parts), default=None),
        rate=ahead.rates.get(tenant, 0),
        keep_days=rule.days,
        keep_bytes=rule.size,
        own_rule=tenant in policy.tenants,
        next_removal=_next(ahead.next_drop.get(tenant)),
        removed=removed.get(tenant, Removed(tenant=tenant)),
    )


def _next(found: tuple[int, Drop] | None) -> NextRemoval | None:
    return None if found is None else NextRemoval(day=found[1].day, in_days=found[0], reason=found[1].reason)
