"""Settings of host groups: read, and published as the next signed version."""

from typing import Annotated, Any

import msgspec
from fastapi import Body as JsonBody
from fastapi import Header, Response

from vedette.central.api.hosts import GroupName
from vedette.central.api.problems import ProblemError
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork
from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right
from vedette.schema.policies import Settings, refused_limits
from vedette.store.state import groups
from vedette.store.state import settings as documents
from vedette.store.state.settings import SettingsDocument

routes = Routes("settings")


class GroupSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A group's settings in force; `created` in microseconds UTC."""

    tenant: str
    group: str
    version: int
    created: int
    created_by: str
    settings: Settings


@routes.get("/settings", needs=Right.SETTINGS_READ, answers=list[GroupSettings])
def all_settings(work: InWork) -> list[GroupSettings]:
    """List the settings in force of every group of the caller's tenants."""
    with work.read() as db:
        found = documents.all_current(db)
    return [_shown(document) for document in found if document.tenant in work.scope.tenants]


@routes.get("/settings/{group}", needs=Right.SETTINGS_READ, answers=GroupSettings)
def group_settings(work: InWork, group: GroupName, tenant: str = "") -> Response:
    """Give the settings in force of one group; the ETag is for a later PUT."""
    with work.read() as db:
        document = documents.current(db, work.tenant(tenant), group)
    if document is None:
        raise NotFoundError(f"group {group} has no settings of its own yet")
    return _with_etag(document)


@routes.change(
    "PUT", "/settings/{group}", needs=Right.SETTINGS_MANAGE, action="settings.publish", answers=GroupSettings
)
def publish_settings(
    work: InWork,
    group: GroupName,
    body: Annotated[dict[str, Any], JsonBody()],
    tenant: str = "",
    if_match: Annotated[str, Header(max_length=64)] = "",
) -> Response:
    """Publish settings for a group: whole, absent members get their defaults. Agents fetch them by themselves.

    With If-Match (the ETag of a GET) it is refused with 412 when somebody published in between.
    """
    chosen = work.tenant(tenant)
    wanted = msgspec.structs.replace(_settings(group, body), keys=work.parts.keys.pinned)
    with work.deed(group, tenant=chosen, settings=msgspec.json.encode(wanted).decode()) as db:
        if not any(one.name == group and one.tenant == chosen for one in groups.visible(db, work.scope)):
            raise NotFoundError(f"there is no group {group}; make it first")
        before = documents.current(db, chosen, group)
        held = f'"{before.version}"' if before else ""
        if if_match and if_match != held:
            raise ProblemError("changed-meanwhile", 412, f"the settings are at version {held or 'none'} now")
        published = documents.publish(
            db, wanted, tenant=chosen, sign=work.parts.keys.sign, now=work.now, created_by=work.caller.name
        )
    return _with_etag(published)


def _settings(group: str, body: dict[str, Any]) -> Settings:
    unknown = set(body) - set(Settings.__struct_fields__)
    if unknown:
        raise ProblemError("invalid", 422, f"unknown settings: {', '.join(sorted(unknown))}")
    try:
        settings = msgspec.convert(body | {"group": group, "version": 0}, Settings)
    except msgspec.ValidationError as error:
        raise ProblemError("invalid", 422, str(error)) from error
    if refusal := refused_limits(settings):
        raise ProblemError("invalid", 422, refusal)
    return settings


def _shown(document: SettingsDocument) -> GroupSettings:
    return GroupSettings(
        tenant=document.tenant,
        group=document.group,
        version=document.version,
        created=document.created,
        created_by=document.created_by,
        settings=document.settings(),
    )


def _with_etag(document: SettingsDocument) -> Response:
    return Response(
        msgspec.json.encode(_shown(document)),
        media_type="application/json",
        headers={"ETag": f'"{document.version}"'},
    )
