"""Exclusions: findings that nobody wants to hear of."""

from typing import Annotated

from pydantic import Field

from vedette.central.api.bodies import Body
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork
from vedette.schema.access import Right
from vedette.schema.exclusions import Exclusion, Wanted
from vedette.store.state import exclusions

routes = Routes("exclusions")

Word = Annotated[str, Field(max_length=500)]


class ExclusionBody(Body):
    """What is excluded: all that is named must fit. `path` is a mask with * and ?; `expires` microseconds UTC."""

    rule: Word = ""
    host: Word = ""
    user: Word = ""
    sha256: Annotated[str, Field(pattern="^([0-9a-fA-F]{64})?$")] = ""
    path: Annotated[str, Field(max_length=2000)] = ""
    note: Annotated[str, Field(max_length=2000)] = ""
    expires: Annotated[int, Field(ge=0, le=2**62)] | None = None
    tenant: Word = ""


@routes.get("/exclusions", needs=Right.ALERTS_READ, answers=list[Exclusion])
def exclusion_list(work: InWork) -> list[Exclusion]:
    """List exclusions, newest first, with how often each was hit."""
    with work.read() as db:
        return exclusions.visible(db, work.scope)


@routes.change("POST", "/exclusions", needs=Right.ALERTS_MANAGE, action="exclusion.add", answers=Exclusion, status=201)
def add_exclusion(work: InWork, body: ExclusionBody) -> Exclusion:
    """Keep findings back from now on; they are counted with the exclusion."""
    wanted = Wanted(**body.model_dump(exclude={"tenant"}))
    tenant = work.tenant(body.tenant)
    with work.deed(body.rule or body.path or body.sha256 or body.host or body.user, tenant=tenant) as db:
        return exclusions.add(db, wanted, tenant=tenant, created_by=work.caller.name, now=work.now)


@routes.change("DELETE", "/exclusions/{exclusion}", needs=Right.ALERTS_MANAGE, action="exclusion.remove")
def remove_exclusion(work: InWork, exclusion: str) -> None:
    """Exclude no more."""
    with work.deed(exclusion) as db:
        exclusions.remove(db, exclusion, work.scope)
