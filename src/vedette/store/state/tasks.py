"""Tasks of hosts: signed orders, who waits for one, and what hosts reported of them."""

from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection, text

from vedette.schema.tasks import FINAL_STATES, SignedTask, TaskOrder
from vedette.store.state.rows import any_of, keepable, to_struct, to_structs

Sign = Callable[[TaskOrder], SignedTask]
"""Signs with the deployment's task key."""


class TaskUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """What a host reported of a task; `time` in microseconds UTC by the host's clock."""

    id: str
    agent: str
    time: int
    state: str
    step: str = ""
    progress: int | None = None
    total: int | None = None
    error: str = ""


class HostTask(msgspec.Struct, frozen=True, kw_only=True):
    """One host's task as it is now. Times in microseconds UTC; `updated` is None until the host reported."""

    id: str
    host: str
    hostname: str
    type: str
    state: str
    step: str
    progress: int | None
    total: int | None
    error: str
    created: int
    expires: int
    updated: int | None


BUMP = text("""
INSERT INTO version (name, number) VALUES ('tasks', 1)
ON CONFLICT (name) DO UPDATE SET number = version.number + 1 RETURNING number
""")

VERSION = text("SELECT number FROM version WHERE name = 'tasks'")

INSERT = text("""
INSERT INTO task (number, id, tenant, agent, type, rollout, body, signature, key_id, created, expires, state)
VALUES (:number, :id, :tenant, :agent, :type, :rollout, :body, :signature, :key_id, :created, :expires, 'pending')
""")


def changed(db: Connection) -> int:
    """Give the next number of a task, and tell those who cache `waiting`."""
    number: int = db.execute(BUMP).scalar_one()
    return number


def version(db: Connection) -> int:
    """Give a number that is another one whenever `waiting` would give something else."""
    found: int | None = db.execute(VERSION).scalar_one_or_none()
    return found or 0


def add(db: Connection, order: TaskOrder, *, sign: Sign, rollout: str = "") -> None:
    """Sign and keep an order; its host gets it with the next receipt."""
    signed = sign(order)
    values = {
        "number": changed(db),
        "id": order.id,
        "tenant": order.tenant,
        "agent": order.host,
        "type": order.type,
        "rollout": rollout,
        "created": order.issued,
        "expires": order.expires,
    }
    db.execute(INSERT, values | msgspec.structs.asdict(signed))


_DELIVERABLE = """
state IN ('pending', 'sent') AND expires > :now AND (rollout = ''
    OR EXISTS (SELECT 1 FROM rollout r WHERE r.id = task.rollout AND (r.state = 'running' OR task.type = 'cancel')))
"""

WAITING = text(f"""
SELECT agent, max(number) AS number, max(expires) AS expires FROM task WHERE {_DELIVERABLE} GROUP BY agent
""")  # noqa: S608 - the text is a constant

OF_AGENT = text(f"""
SELECT id, body, signature, key_id FROM task WHERE agent = :agent AND {_DELIVERABLE} ORDER BY number LIMIT :limit
""")  # noqa: S608 - the text is a constant

SENT = text("UPDATE task SET state = 'sent' WHERE id IN :ids AND state = 'pending'").bindparams(any_of("ids"))


class Waiting(msgspec.Struct, frozen=True, kw_only=True):
    """A host for which there are tasks: the number of the newest, and until when one can be begun."""

    agent: str
    number: int
    expires: int


def waiting(db: Connection, *, now: int) -> list[Waiting]:
    """Give every host that has not yet told that it took its tasks."""
    return to_structs(db.execute(WAITING, {"now": now}), Waiting)


def hand_over(db: Connection, agent: str, *, now: int, limit: int) -> list[SignedTask]:
    """Give the oldest tasks that wait for a host, and note that it was sent them."""
    rows = db.execute(OF_AGENT, {"agent": agent, "now": now, "limit": limit}).all()
    if rows:
        db.execute(SENT, {"ids": [row.id for row in rows]})
    return to_structs(rows, SignedTask)


UPDATE = text("""
UPDATE task SET state = :state, step = :step, progress = :progress, total = :total, error = :error, updated = :time
WHERE id = :id AND agent = :agent AND state NOT IN :final AND (updated IS NULL OR updated <= :time OR :over = 1)
RETURNING rollout
""").bindparams(any_of("final"))


def reported(db: Connection, updates: Sequence[TaskUpdate]) -> set[str]:
    """Take what hosts reported of their own tasks, in any order and any number of times.

    Gives the roll-outs of which a host's task ended.
    """
    ended: set[str] = set()
    for update in updates:
        over = update.state in FINAL_STATES
        values = msgspec.structs.asdict(update) | {"final": sorted(FINAL_STATES), "over": int(over)}
        texts = ("state", "step", "error")
        row = db.execute(UPDATE, values | {name: keepable(values[name]) for name in texts}).one_or_none()
        if row is not None and over and row.rollout:
            ended.add(row.rollout)
    if updates:
        changed(db)
    return ended


COLUMNS = """
t.id, t.agent AS host, a.hostname, t.type, t.state, t.step, t.progress, t.total, t.error, t.created, t.expires,
t.updated
"""

OF_ROLLOUT = text(f"""
SELECT {COLUMNS} FROM task t JOIN agent a ON a.id = t.agent
WHERE t.rollout = :rollout AND t.type = :type ORDER BY a.hostname, t.agent
""")  # noqa: S608 - the text is a constant

ONE = text(f"SELECT {COLUMNS} FROM task t JOIN agent a ON a.id = t.agent WHERE t.id = :id")  # noqa: S608

CANCEL_PENDING = text("""
UPDATE task SET state = 'cancelled', error = :reason WHERE rollout = :rollout AND state = 'pending'
""")


def of_rollout(db: Connection, rollout: str, kind: str) -> list[HostTask]:
    """Give the tasks of one type of a roll-out, by host name."""
    return to_structs(db.execute(OF_ROLLOUT, {"rollout": rollout, "type": kind}), HostTask)


def get(db: Connection, task: str) -> HostTask:
    """Give one task, which must be there."""
    return to_struct(db.execute(ONE, {"id": task}).one(), HostTask)


def cancel_pending(db: Connection, rollout: str, reason: str) -> None:
    """Cancel what no host was sent."""
    db.execute(CANCEL_PENDING, {"rollout": rollout, "reason": reason})
