"""Hosts, groups of hosts, and the tokens that let agents enrol."""

from typing import Annotated

import msgspec
from fastapi import Query
from pydantic import Field

from vedette.central.api.bodies import Body, Page, from_cursor, to_cursor
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork
from vedette.runtime.clock import DAY, HOUR
from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right
from vedette.store.state import agents, groups, tokens
from vedette.store.state.agents import Agent
from vedette.store.state.groups import HostGroup
from vedette.store.state.tokens import EnrolmentToken

routes = Routes("hosts")

GroupName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
Limit = Annotated[int, Query(ge=1, le=1000)]


class GroupOfHost(Body):
    """The group into which a host goes."""

    group: GroupName


class NewGroup(Body):
    """A group to make."""

    name: GroupName
    description: Annotated[str, Field(max_length=500)] = ""
    tenant: str = ""


class NewEnrolmentToken(Body):
    """A token to make, for `uses` agents within `hours`."""

    group: GroupName = "default"
    uses: Annotated[int, Field(ge=1, le=100_000)] = 1
    hours: Annotated[int, Field(ge=1, le=24 * 365)] = 24
    note: Annotated[str, Field(max_length=200)] = ""
    tenant: str = ""


class MadeEnrolmentToken(msgspec.Struct, frozen=True, kw_only=True):
    """A new token; `secret` is what `vedette agent enrol --token` takes, and is shown only now.

    `port`: where agents connect, on this server; null while it takes none.
    """

    token: EnrolmentToken
    secret: str
    port: int | None


@routes.get("/hosts", needs=Right.HOSTS_READ, answers=Page[Agent])
def hosts(
    work: InWork,
    hostname: Annotated[str, Query(max_length=255)] = "",
    limit: Limit = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[Agent]:
    """List hosts by name; `hostname` is a whole name or holds `*`."""
    after = from_cursor(cursor, str, str) if cursor else ("", "")
    with work.read() as db:
        found = agents.page(db, work.scope, hostname=hostname, after=(after[0], after[1]), limit=limit + 1)
    more = to_cursor(found[limit - 1].hostname, found[limit - 1].id) if len(found) > limit else None
    return Page(items=found[:limit], cursor=more)


@routes.get("/hosts/{host}", needs=Right.HOSTS_READ, answers=Agent)
def host(work: InWork, host: str) -> Agent:
    """Give one host."""
    with work.read() as db:
        return agents.get(db, host, work.scope)


@routes.change("POST", "/hosts/{host}/revoke", needs=Right.HOSTS_MANAGE, action="host.revoke", answers=Agent)
def revoke_host(work: InWork, host: str) -> Agent:
    """Refuse this host's agent from now on; its events stay. It can only come back by enrolling anew."""
    with work.deed(host) as db:
        return agents.revoke(db, host, work.scope, now=work.now)


@routes.change("PUT", "/hosts/{host}/group", needs=Right.HOSTS_MANAGE, action="host.move", answers=Agent)
def move_host(work: InWork, host: str, body: GroupOfHost) -> Agent:
    """Put a host into a group; its agent gets that group's settings."""
    with work.deed(host, group=body.group) as db:
        groups.move_host(db, host, body.group, work.scope)
        return agents.get(db, host, work.scope)


@routes.get("/groups", needs=Right.HOSTS_READ, answers=list[HostGroup])
def host_groups(work: InWork) -> list[HostGroup]:
    """List the groups of hosts."""
    with work.read() as db:
        return groups.visible(db, work.scope)


@routes.change("POST", "/groups", needs=Right.HOSTS_MANAGE, action="group.create", answers=list[HostGroup], status=201)
def create_group(work: InWork, body: NewGroup) -> list[HostGroup]:
    """Make a group unless it exists; gives all groups."""
    tenant = work.tenant(body.tenant)
    with work.deed(body.name, tenant=tenant) as db:
        groups.ensure(db, tenant, body.name, now=work.now, description=body.description)
        return groups.visible(db, work.scope)


@routes.get("/enrolment-tokens", needs=Right.HOSTS_READ, answers=list[EnrolmentToken])
def enrolment_tokens(work: InWork, limit: Limit = 100) -> list[EnrolmentToken]:
    """List enrolment tokens, newest first; their texts are not kept."""
    with work.read() as db:
        return tokens.enrolments(db, work.scope, limit=limit)


@routes.change(
    "POST",
    "/enrolment-tokens",
    needs=Right.HOSTS_MANAGE,
    action="enrolment_token.create",
    answers=MadeEnrolmentToken,
    status=201,
)
def create_enrolment_token(work: InWork, body: NewEnrolmentToken) -> MadeEnrolmentToken:
    """Make a token with which agents enrol."""
    tenant = work.tenant(body.tenant)
    wanted = tokens.NewEnrolment(
        tenant=tenant,
        group=body.group,
        uses=body.uses,
        valid=body.hours * HOUR,
        note=body.note,
        created_by=work.caller.name,
    )
    detail = {"group": body.group, "uses": str(body.uses), "days": f"{body.hours * HOUR / DAY:g}"}
    with work.deed(body.note, tenant=tenant, **detail) as db:
        if body.group not in {group.name for group in groups.visible(db, work.scope) if group.tenant == tenant}:
            raise NotFoundError(f"there is no group {body.group}; make it first")
        secret = tokens.create_enrolment(db, wanted, now=work.now)
        made = tokens.enrolment(db, secret)
    text = f"{secret}.{work.parts.keys.ca_fingerprint}"
    return MadeEnrolmentToken(token=made, secret=text, port=work.parts.node.agents_port())


@routes.change("DELETE", "/enrolment-tokens/{token}", needs=Right.HOSTS_MANAGE, action="enrolment_token.revoke")
def revoke_enrolment_token(work: InWork, token: str) -> None:
    """Stop a token from enrolling any more; agents that enrolled with it stay."""
    with work.deed(token) as db:
        tokens.revoke_enrolment(db, token, work.scope, now=work.now)
