"""Roll-outs: a version goes to a growing share of a group's hosts, and stops by itself when it goes wrong."""

import hashlib
import secrets

import msgspec
from sqlalchemy import Connection, text

from vedette.runtime.clock import HOUR
from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import Right, Scope
from vedette.schema.tasks import CANCEL, UPGRADE, Archive, CancelOrder, TaskOrder, UpgradeOrder
from vedette.store.state import releases, tasks
from vedette.store.state.rows import any_of, to_struct, to_structs
from vedette.store.state.scoping import tenants
from vedette.store.state.tasks import Sign


class NewRollout(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator decides of a roll-out."""

    tenant: str
    group: str
    version: str
    percent: int
    pause_above: int = 10
    """Percent of its hosts that may have gone back; above that it pauses by itself."""
    hours: int = 336
    """How long a host has to begin."""
    minutes: int = 10
    starts: int = 3
    allow_older: bool = False
    created_by: str = ""


class Rollout(NewRollout, frozen=True, kw_only=True):
    """A roll-out; `state` is running, paused, cancelled or ended. Times in microseconds UTC."""

    id: str
    state: str
    reason: str
    created: int
    updated: int


COLUMNS = """
id, tenant, group_name AS "group", version, percent, pause_above, hours, minutes, starts,
CASE WHEN allow_older = 1 THEN 'true' ELSE 'false' END AS allow_older, state, reason, created, created_by, updated
"""

INSERT = text("""
INSERT INTO rollout (id, tenant, group_name, version, percent, pause_above, hours, minutes, starts, allow_older, state,
    created, created_by, updated)
VALUES (:id, :tenant, :group, :version, :percent, :pause_above, :hours, :minutes, :starts, :allow_older, 'running',
    :now, :created_by, :now)
""")

PAGE = text(f"""
SELECT {COLUMNS} FROM rollout WHERE tenant IN :tenants ORDER BY created DESC LIMIT :limit
""").bindparams(any_of("tenants"))  # noqa: S608 - the text is a constant

ONE = text(f"SELECT {COLUMNS} FROM rollout WHERE id = :id AND tenant IN :tenants").bindparams(  # noqa: S608
    any_of("tenants")
)

OPEN = text("""
SELECT r.id, (SELECT count(*) FROM task t WHERE t.rollout = r.id AND t.type = 'upgrade'
    AND t.state IN ('pending', 'sent', 'accepted', 'running') AND t.expires > :now) AS left_over
FROM rollout r WHERE r.tenant = :tenant AND r.group_name = :group AND r.state IN ('running', 'paused')
""")

SET_STATE = text("UPDATE rollout SET state = :state, reason = :reason, updated = :now WHERE id = :id")

SET_PERCENT = text("UPDATE rollout SET percent = :percent, updated = :now WHERE id = :id")

HOSTS = text("SELECT id FROM agent WHERE tenant = :tenant AND group_name = :group AND revoked IS NULL")

HAVE = text("SELECT agent FROM task WHERE rollout = :id AND type = 'upgrade'")

SHARE = text("""
SELECT r.pause_above, r.state, count(*) AS hosts, sum(CASE WHEN t.state = 'rolled_back' THEN 1 ELSE 0 END) AS back
FROM rollout r JOIN task t ON t.rollout = r.id AND t.type = 'upgrade' WHERE r.id = :id GROUP BY r.pause_above, r.state
""")


def share(hosts: list[str], percent: int) -> list[str]:
    """Choose `percent` of `hosts`, at least one: always the same, and a larger share holds the smaller one."""
    ranked = sorted(hosts, key=lambda host: (hashlib.sha256(host.encode()).digest(), host))
    return ranked[: -(-len(ranked) * percent // 100)]


def start(db: Connection, wanted: NewRollout, *, sign: Sign, now: int) -> Rollout:
    """Begin a roll-out and give the first hosts their tasks.

    Raises NotFoundError (no such release), ConfigError (another one of the group is not over, no hosts).
    """
    if not releases.of_version(db, wanted.tenant, wanted.version):
        raise NotFoundError(f"there is no release {wanted.version}; add it first")
    for other in db.execute(OPEN, {"tenant": wanted.tenant, "group": wanted.group, "now": now}).all():
        if other.left_over:
            raise ConfigError(f"roll-out {other.id} of group {wanted.group} is not over: cancel it first")
        _set_state(db, other.id, "ended", "followed by another", now=now)
    values = msgspec.structs.asdict(wanted) | {"id": secrets.token_hex(8), "now": now}
    db.execute(INSERT, values | {"allow_older": int(wanted.allow_older)})
    rollout = _get(db, values["id"], [wanted.tenant])
    if not _enlist(db, rollout, sign=sign, now=now):
        raise ConfigError(f"group {wanted.group} has no hosts")
    return rollout


def widen(db: Connection, rollout: Rollout, percent: int, *, sign: Sign, now: int) -> Rollout:
    """Go on to a larger share; also takes in hosts that came into the group. Raises ConfigError."""
    if rollout.state != "running":
        raise ConfigError(f"roll-out {rollout.id} is {rollout.state}")
    if percent < rollout.percent:
        raise ConfigError(f"roll-out {rollout.id} is at {rollout.percent} %: a share only grows")
    db.execute(SET_PERCENT, {"id": rollout.id, "percent": percent, "now": now})
    wider = _get(db, rollout.id, [rollout.tenant])
    _enlist(db, wider, sign=sign, now=now)
    return wider


def pause(db: Connection, rollout: Rollout, reason: str, *, now: int) -> None:
    """Hand over no more tasks; hosts that have theirs go on. Raises ConfigError unless it runs."""
    if rollout.state != "running":
        raise ConfigError(f"roll-out {rollout.id} is {rollout.state}")
    _set_state(db, rollout.id, "paused", reason, now=now)


def resume(db: Connection, rollout: Rollout, *, now: int) -> None:
    """Hand over tasks again. Raises ConfigError unless it is paused."""
    if rollout.state != "paused":
        raise ConfigError(f"roll-out {rollout.id} is {rollout.state}")
    _set_state(db, rollout.id, "running", "", now=now)


def cancel(db: Connection, rollout: Rollout, *, sign: Sign, now: int) -> None:
    """End it: what was not sent is not sent, hosts that have not begun their trial stop. Raises ConfigError."""
    if rollout.state not in ("running", "paused"):
        raise ConfigError(f"roll-out {rollout.id} is {rollout.state}")
    _set_state(db, rollout.id, "cancelled", "", now=now)
    tasks.cancel_pending(db, rollout.id, "the roll-out was cancelled")
    for task in tasks.of_rollout(db, rollout.id, UPGRADE):
        if task.state in ("sent", "accepted", "running"):
            parameters = CancelOrder(task=task.id)
            order = _order(rollout, task.host, CANCEL, parameters, now=now)
            tasks.add(db, order, sign=sign, rollout=rollout.id)


def judge(db: Connection, rollout: str, *, now: int) -> None:
    """Pause a roll-out of which too many hosts went back."""
    row = db.execute(SHARE, {"id": rollout}).one_or_none()
    if row is not None and row.state == "running" and row.back * 100 > row.pause_above * row.hosts:
        _set_state(db, rollout, "paused", f"{row.back} of {row.hosts} hosts went back", now=now)


def page(db: Connection, scope: Scope, *, limit: int = 100) -> list[Rollout]:
    """List the caller's roll-outs, newest first."""
    rows = db.execute(PAGE, {"tenants": tenants(scope, Right.UPGRADES_READ), "limit": limit})
    return to_structs(rows, Rollout, json=("allow_older",))


def get(db: Connection, rollout: str, scope: Scope, right: Right = Right.UPGRADES_READ) -> Rollout:
    """Give one roll-out. Raises NotFoundError."""
    return _get(db, rollout, tenants(scope, right))


def _get(db: Connection, rollout: str, within: list[str]) -> Rollout:
    row = db.execute(ONE, {"id": rollout, "tenants": within}).one_or_none()
    if row is None:
        raise NotFoundError(f"there is no roll-out {rollout}")
    return to_struct(row, Rollout, json=("allow_older",))


def _set_state(db: Connection, rollout: str, state: str, reason: str, *, now: int) -> None:
    db.execute(SET_STATE, {"id": rollout, "state": state, "reason": reason, "now": now})
    tasks.changed(db)


def _enlist(db: Connection, rollout: Rollout, *, sign: Sign, now: int) -> int:
    """Give tasks to the hosts of the share that have none; gives the number of hosts in the group."""
    hosts = [row.id for row in db.execute(HOSTS, {"tenant": rollout.tenant, "group": rollout.group})]
    have = {row.agent for row in db.execute(HAVE, {"id": rollout.id})}
    archives = [
        Archive(platform=one.platform, python=one.python, sha256=one.sha256, size=one.size)
        for one in releases.of_version(db, rollout.tenant, rollout.version)
    ]
    parameters = UpgradeOrder(
        version=rollout.version,
        archives=archives,
        minutes=rollout.minutes,
        starts=rollout.starts,
        allow_older=rollout.allow_older,
    )
    for host in share(hosts, rollout.percent):
        if host not in have:
            tasks.add(db, _order(rollout, host, UPGRADE, parameters, now=now), sign=sign, rollout=rollout.id)
    return len(hosts)


def _order(rollout: Rollout, host: str, kind: str, parameters: msgspec.Struct, *, now: int) -> TaskOrder:
    return TaskOrder(
        id=secrets.token_hex(16),
        type=kind,
        tenant=rollout.tenant,
        host=host,
        issued=now,
        expires=now + rollout.hours * HOUR,
        parameters=msgspec.Raw(msgspec.json.encode(parameters)),
    )
