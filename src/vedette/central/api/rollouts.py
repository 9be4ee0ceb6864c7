"""Roll-outs of agent releases: begun, widened, paused, resumed, cancelled, watched."""

from collections import Counter
from typing import Annotated

import msgspec
from fastapi import Query
from pydantic import Field

from vedette.central.api.bodies import Body
from vedette.central.api.hosts import GroupName
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork
from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Right
from vedette.schema.tasks import FINAL_STATES, UPGRADE
from vedette.store.state import groups, rollouts, tasks
from vedette.store.state.rollouts import Rollout
from vedette.store.state.tasks import HostTask

routes = Routes("upgrades")

Percent = Annotated[int, Field(ge=1, le=100)]


class StartRollout(Body):
    """A roll-out to begin; it pauses by itself when more than `pause_above` percent of its hosts went back."""

    version: Annotated[str, Field(max_length=64)]
    group: GroupName = "default"
    percent: Percent = 100
    pause_above: Annotated[int, Field(ge=0, le=100)] = 10
    hours: Annotated[int, Field(ge=1, le=24 * 90)] = 336
    minutes: Annotated[int, Field(ge=1, le=1440)] = 10
    starts: Annotated[int, Field(ge=1, le=20)] = 3
    allow_older: bool = False
    tenant: str = ""


class WidenRollout(Body):
    """The next share of the group's hosts."""

    percent: Percent


class HostProgress(msgspec.Struct, frozen=True, kw_only=True):
    """How far one host is: waiting, downloading, installed, confirmed, rolled_back, failed, expired or cancelled."""

    host: str
    hostname: str
    stage: str
    reason: str
    progress: int | None
    total: int | None
    updated: int | None


class RolloutStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A roll-out, its hosts, and how many of them are in which stage."""

    rollout: Rollout
    stages: dict[str, int]
    hosts: list[HostProgress]


@routes.get("/rollouts", needs=Right.UPGRADES_READ, answers=list[Rollout])
def all_rollouts(work: InWork, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[Rollout]:
    """List roll-outs, newest first."""
    with work.read() as db:
        return rollouts.page(db, work.scope, limit=limit)


@routes.get("/rollouts/{rollout}", needs=Right.UPGRADES_READ, answers=RolloutStatus)
def rollout_status(work: InWork, rollout: str) -> RolloutStatus:
    """Say how far a roll-out is, host by host."""
    with work.read() as db:
        found = rollouts.get(db, rollout, work.scope)
        hosts = [_progress(task, work.now) for task in tasks.of_rollout(db, found.id, UPGRADE)]
    return RolloutStatus(rollout=found, stages=dict(Counter(host.stage for host in hosts)), hosts=hosts)


@routes.change("POST", "/rollouts", needs=Right.UPGRADES_MANAGE, action="rollout.start", answers=Rollout, status=201)
def start_rollout(work: InWork, body: StartRollout) -> Rollout:
    """Begin a roll-out: the first share of the group's hosts gets its tasks."""
    tenant = work.tenant(body.tenant)
    wanted = rollouts.NewRollout(
        **(body.model_dump() | {"tenant": tenant, "created_by": work.caller.name}),
    )
    with work.deed(body.version, tenant=tenant, group=body.group, percent=str(body.percent)) as db:
        if body.group not in {group.name for group in groups.visible(db, work.scope) if group.tenant == tenant}:
            raise NotFoundError(f"there is no group {body.group}")
        return rollouts.start(db, wanted, sign=work.parts.keys.sign_task, now=work.now)


@routes.change(
    "POST", "/rollouts/{rollout}/widen", needs=Right.UPGRADES_MANAGE, action="rollout.widen", answers=Rollout
)
def widen_rollout(work: InWork, rollout: str, body: WidenRollout) -> Rollout:
    """Go on to a larger share; hosts that came into the group since are taken in."""
    with work.deed(rollout, percent=str(body.percent)) as db:
        found = rollouts.get(db, rollout, work.scope, Right.UPGRADES_MANAGE)
        return rollouts.widen(db, found, body.percent, sign=work.parts.keys.sign_task, now=work.now)


@routes.change(
    "POST", "/rollouts/{rollout}/pause", needs=Right.UPGRADES_MANAGE, action="rollout.pause", answers=Rollout
)
def pause_rollout(work: InWork, rollout: str) -> Rollout:
    """Begin on no further host; those that have begun go on."""
    with work.deed(rollout) as db:
        found = rollouts.get(db, rollout, work.scope, Right.UPGRADES_MANAGE)
        rollouts.pause(db, found, f"paused by {work.caller.name}", now=work.now)
        return rollouts.get(db, rollout, work.scope)


@routes.change(
    "POST", "/rollouts/{rollout}/resume", needs=Right.UPGRADES_MANAGE, action="rollout.resume", answers=Rollout
)
def resume_rollout(work: InWork, rollout: str) -> Rollout:
    """Go on with a paused roll-out."""
    with work.deed(rollout) as db:
        rollouts.resume(db, rollouts.get(db, rollout, work.scope, Right.UPGRADES_MANAGE), now=work.now)
        return rollouts.get(db, rollout, work.scope)


@routes.change(
    "POST", "/rollouts/{rollout}/cancel", needs=Right.UPGRADES_MANAGE, action="rollout.cancel", answers=Rollout
)
def cancel_rollout(work: InWork, rollout: str) -> Rollout:
    """End a roll-out: hosts that have not begun their trial stop; the others go on with the new version."""
    with work.deed(rollout) as db:
        found = rollouts.get(db, rollout, work.scope, Right.UPGRADES_MANAGE)
        rollouts.cancel(db, found, sign=work.parts.keys.sign_task, now=work.now)
        return rollouts.get(db, rollout, work.scope)


def _progress(task: HostTask, now: int) -> HostProgress:
    return HostProgress(
        host=task.host,
        hostname=task.hostname,
        stage=_stage(task, now),
        reason=task.error,
        progress=task.progress,
        total=task.total,
        updated=task.updated,
    )


def _stage(task: HostTask, now: int) -> str:
    if task.state in FINAL_STATES:
        return {"done": "confirmed"}.get(task.state, task.state)
    if task.state in ("accepted", "running"):
        return "installed" if task.step == "trial" else "downloading"
    return "expired" if task.expires <= now else "waiting"
