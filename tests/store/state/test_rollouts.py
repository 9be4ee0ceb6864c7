"""Roll-outs: who is first, who is never asked, when it stops, and what hosts' reports make of it."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection

from vedette.central.pki import public_pem
from vedette.runtime.clock import DAY, HOUR
from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import Right, Scope
from vedette.schema.tasks import CANCEL, UPGRADE, SignedTask, TaskOrder, UpgradeOrder
from vedette.store.state import State, agents, groups, releases, rollouts, tasks, tokens
from vedette.store.state.rollouts import NewRollout, Rollout
from vedette.store.state.tasks import TaskUpdate
from vedette.wire.task import read_task, sign_task

NOW = 1_800_000_000_000_000
KEY = Ed25519PrivateKey.generate()
Enrol = Callable[[int], list[str]]


def sign(order: TaskOrder) -> SignedTask:
    return sign_task(order, KEY)


def add_release(db: Connection, version: str, sha256: str = "a" * 64) -> None:
    wanted = releases.Release(
        tenant="default", version=version, platform="linux-x86_64", python="3.11", sha256=sha256, size=10,
        unpacked=20, added=NOW, added_by="ann",
    )  # fmt: skip
    releases.add(db, wanted)


def start(db: Connection, version: str = "2.0", **wanted: int | bool) -> Rollout:
    new = msgspec.convert({"tenant": "default", "group": "default", "version": version, "percent": 100}, NewRollout)
    return rollouts.start(db, msgspec.structs.replace(new, **wanted), sign=sign, now=NOW)


def upgrades_of(db: Connection, rollout: Rollout) -> dict[str, tasks.HostTask]:
    return {task.host: task for task in tasks.of_rollout(db, rollout.id, UPGRADE)}


def report(db: Connection, task: tasks.HostTask, state: str, time: int = NOW, **more: Any) -> set[str]:
    return tasks.reported(db, [TaskUpdate(id=task.id, agent=task.host, time=time, state=state, **more)])


@pytest.fixture
def db(state: State) -> Iterator[Connection]:
    with state.write() as db:
        groups.ensure(db, "default", "default", now=NOW)
        add_release(db, "2.0")
        yield db


@pytest.fixture
def enrol(db: Connection) -> Enrol:
    def make(count: int) -> list[str]:
        secret = tokens.create_enrolment(db, tokens.NewEnrolment(uses=count), now=NOW)
        digest = tokens.sha256(secret)
        return [agents.enrol(db, digest, hostname=f"h{n}", os="Linux", now=NOW).id for n in range(count)]

    return make


@given(st.sets(st.text("0123456789abcdef", min_size=32, max_size=32), min_size=1, max_size=60), st.data())
def test_a_larger_share_holds_the_smaller_one_and_each_has_at_least_a_host(
    hosts: set[str], data: st.DataObject
) -> None:
    small, large = sorted(data.draw(st.tuples(st.integers(1, 100), st.integers(1, 100))))
    first, later = rollouts.share(sorted(hosts), small), rollouts.share(sorted(hosts, reverse=True), large)
    assert later[: len(first)] == first
    assert len(first) == max(1, -(-len(hosts) * small // 100))


def test_only_the_share_has_tasks_and_a_wider_one_adds_the_rest(db: Connection, enrol: Enrol) -> None:
    hosts = enrol(10)
    rollout = start(db, percent=20)
    first = set(upgrades_of(db, rollout))
    assert first == set(rollouts.share(hosts, 20))
    assert {one.agent for one in tasks.waiting(db, now=NOW)} == first
    before = upgrades_of(db, rollout)
    wider = rollouts.widen(db, rollout, 100, sign=sign, now=NOW + 1)
    assert set(upgrades_of(db, wider)) == set(hosts)
    assert {host: task.id for host, task in upgrades_of(db, wider).items() if host in first} == {
        host: task.id for host, task in before.items()
    }
    with pytest.raises(ConfigError, match="only grows"):
        rollouts.widen(db, wider, 50, sign=sign, now=NOW)


def test_a_host_gets_an_order_that_is_for_it_alone(db: Connection, enrol: Enrol) -> None:
    (host,) = enrol(1)
    start(db, hours=5, allow_older=True)
    (document,) = tasks.hand_over(db, host, now=NOW, limit=16)
    order = read_task(document, public_pem(KEY), tenant="default", host=host)
    assert (order.type, order.host, order.expires) == (UPGRADE, host, NOW + 5 * HOUR)
    wanted = msgspec.json.decode(order.parameters, type=UpgradeOrder)
    assert (wanted.version, wanted.allow_older, wanted.archives[0].sha256) == ("2.0", True, "a" * 64)


def test_what_was_sent_is_sent_again_until_the_host_says_that_it_has_it(db: Connection, enrol: Enrol) -> None:
    (host,) = enrol(1)
    rollout = start(db)
    assert len(tasks.hand_over(db, host, now=NOW, limit=16)) == 1
    assert upgrades_of(db, rollout)[host].state == "sent"
    assert len(tasks.hand_over(db, host, now=NOW, limit=16)) == 1
    report(db, upgrades_of(db, rollout)[host], "accepted")
    assert tasks.hand_over(db, host, now=NOW, limit=16) == []
    assert tasks.waiting(db, now=NOW) == []


def test_an_expired_task_is_handed_to_nobody(db: Connection, enrol: Enrol) -> None:
    (host,) = enrol(1)
    start(db, hours=1)
    assert tasks.waiting(db, now=NOW + DAY) == []
    assert tasks.hand_over(db, host, now=NOW + DAY, limit=16) == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_reports_give_the_same_state_in_any_order_and_number(
    db: Connection, enrol: Enrol, order: tuple[int, ...]
) -> None:
    (host,) = enrol(1)
    rollout = start(db)
    task = upgrades_of(db, rollout)[host]
    story = [("accepted", ""), ("running", "download"), ("running", "trial"), ("done", "")]
    for number in [*order, *order]:
        state, step = story[number]
        report(db, task, state, NOW + number, step=step)
    assert upgrades_of(db, rollout)[host].state == "done"


def test_a_host_cannot_report_for_another_one(db: Connection, enrol: Enrol) -> None:
    host, other = enrol(2)
    rollout = start(db)
    task = upgrades_of(db, rollout)[host]
    tasks.reported(db, [TaskUpdate(id=task.id, agent=other, time=NOW, state="done")])
    assert upgrades_of(db, rollout)[host].state == "pending"


def test_too_many_that_went_back_pause_it_and_nobody_else_is_asked(db: Connection, enrol: Enrol) -> None:
    enrol(10)
    rollout = start(db, pause_above=10)
    first, second, third = list(upgrades_of(db, rollout).values())[:3]
    for ended, expected in ((first, "running"), (second, "paused")):
        assert report(db, ended, "rolled_back", error="ended 3 times") == {rollout.id}
        rollouts.judge(db, rollout.id, now=NOW)
        assert _now(db, rollout).state == expected
    assert _now(db, rollout).reason == "2 of 10 hosts went back"
    assert tasks.hand_over(db, third.host, now=NOW, limit=16) == []
    assert tasks.waiting(db, now=NOW) == []
    rollouts.resume(db, _now(db, rollout), now=NOW)
    assert len(tasks.hand_over(db, third.host, now=NOW, limit=16)) == 1


def test_cancelling_withholds_what_was_not_sent_and_asks_the_others_to_stop(db: Connection, enrol: Enrol) -> None:
    hosts = enrol(3)
    rollout = start(db)
    tasks.hand_over(db, hosts[0], now=NOW, limit=16)
    rollouts.cancel(db, rollout, sign=sign, now=NOW)
    states = {host: task.state for host, task in upgrades_of(db, rollout).items()}
    assert states == {hosts[0]: "sent", hosts[1]: "cancelled", hosts[2]: "cancelled"}
    assert [one.agent for one in tasks.waiting(db, now=NOW)] == [hosts[0]]
    (document,) = tasks.hand_over(db, hosts[0], now=NOW, limit=16)
    assert msgspec.json.decode(document.body, type=TaskOrder).type == CANCEL
    with pytest.raises(ConfigError, match="cancelled"):
        rollouts.resume(db, _now(db, rollout), now=NOW)


def test_a_group_has_one_rollout_at_a_time(db: Connection, enrol: Enrol) -> None:
    (host,) = enrol(1)
    add_release(db, "3.0", "b" * 64)
    first = start(db)
    with pytest.raises(ConfigError, match="is not over"):
        start(db, "3.0")
    report(db, upgrades_of(db, first)[host], "done")
    assert start(db, "3.0").state == "running"
    assert _now(db, first).state == "ended"


def test_what_is_not_there_is_not_rolled_out(db: Connection, enrol: Enrol) -> None:
    with pytest.raises(ConfigError, match="no hosts"):
        start(db)
    enrol(1)
    with pytest.raises(NotFoundError, match=r"no release 7\.0"):
        start(db, "7.0")


def test_another_archive_of_a_version_is_refused(db: Connection) -> None:
    with pytest.raises(ConfigError, match="another archive"):
        add_release(db, "2.0", "c" * 64)
    assert releases.remove(db, "default", "2.0") == ["a" * 64]
    with pytest.raises(NotFoundError):
        releases.remove(db, "default", "2.0")


def _now(db: Connection, rollout: Rollout) -> Rollout:
    scope = Scope(tenants=frozenset({"default"}), rights=frozenset(Right))
    return rollouts.get(db, rollout.id, scope)
