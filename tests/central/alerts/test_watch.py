"""The watcher over a real state, with a clock that the test moves."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.central.alerts.silence import HOST, MANY
from vedette.central.alerts.watch import SilenceWatch
from vedette.runtime.clock import DAY, HOUR, MINUTE, SECOND
from vedette.runtime.errors import StoreError
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.alerts import Alert, AlertStatus
from vedette.store.state import State, agents, alerts, groups, migrate, open_state, sqlite_url, tokens
from vedette.store.state.agents import AgentSeen

EVERYTHING = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])


class Node:
    """A state, hosts that speak when told to, and a watcher that looks every 15 seconds of the test's clock."""

    def __init__(self, path: Path) -> None:
        migrate(sqlite_url(path))
        self.state: State = open_state(sqlite_url(path))
        self.now = 20_000 * DAY
        with self.state.write() as db:
            groups.ensure(db, "default", "default", now=1)
        self.restart()

    def restart(self) -> None:
        """Start the watcher anew, as a Central Node does that was down."""
        self.watch = SilenceWatch(self.state, lambda: self.now)

    def enrol(self, count: int) -> list[str]:
        with self.state.write() as db:
            secret = tokens.create_enrolment(db, tokens.NewEnrolment(uses=count), now=self.now)
            digest = tokens.sha256(secret)
            return [agents.enrol(db, digest, hostname=f"h{n}", os="", now=self.now).id for n in range(count)]

    def hear(self, *hosts: str, stopping: bool = False) -> None:
        with self.state.write() as db:
            agents.seen(db, [AgentSeen(agent=host, at=self.now, stopping=stopping) for host in hosts])

    def pass_time(self, micros: int, *speaking: str) -> None:
        """Let time pass in the watcher's steps; `speaking` hosts are heard each minute."""
        end = self.now + micros
        while self.now < end:
            self.now += 15 * SECOND
            if self.now % MINUTE == 0:
                self.hear(*speaking)
            self.watch.look()

    def told(self) -> list[Alert]:
        """Every alert, the oldest first."""
        with self.state.read() as db:
            return alerts.page(db, EVERYTHING)[::-1]

    def states(self) -> list[tuple[str, str, str]]:
        return [(alert.rule, alert.hostname, alert.status.value) for alert in self.told()]


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    made = Node(tmp_path / "state.sqlite")
    yield made
    made.state.close()


def test_one_silent_host_is_told_once_and_closed_when_it_speaks_again(node: Node) -> None:
    first, second = node.enrol(2)
    node.hear(first, second)
    node.pass_time(14 * MINUTE, second)
    assert node.states() == []
    node.pass_time(2 * HOUR, second)
    assert node.states() == [(HOST, "h0", "new")]
    node.hear(first)
    node.pass_time(MINUTE, first, second)
    assert node.states() == [(HOST, "h0", "closed")]
    with node.state.read() as db:
        last = alerts.steps(db, node.told()[0].id, EVERYTHING)[-1]
    assert (last.actor, last.note) == ("", "the host speaks again")
    node.pass_time(HOUR, second)
    assert node.states() == [(HOST, "h0", "closed"), (HOST, "h0", "new")]


def test_a_host_that_said_goodbye_or_was_revoked_or_never_spoke_is_not_silent(node: Node) -> None:
    stopped, revoked, never, speaking = node.enrol(4)
    node.hear(stopped, revoked, speaking)
    node.hear(stopped, stopping=True)
    with node.state.write() as db:
        agents.revoke(db, revoked, EVERYTHING, now=node.now)
    node.pass_time(DAY, speaking)
    assert node.states() == []
    with node.state.read() as db:
        assert agents.get(db, stopped, EVERYTHING).stopped == 20_000 * DAY
        assert agents.get(db, never, EVERYTHING).last_seen is None
    node.hear(stopped)
    node.pass_time(HOUR, speaking)
    assert node.states() == [(HOST, "h0", "new")]
    with node.state.write() as db:
        agents.revoke(db, stopped, EVERYTHING, now=node.now)
    node.pass_time(MINUTE, speaking)
    assert node.states() == [(HOST, "h0", "closed")]


def test_a_central_node_that_was_down_accuses_nobody(node: Node) -> None:
    hosts = node.enrol(10)
    node.hear(*hosts)
    node.now += 5 * HOUR
    node.restart()
    node.pass_time(14 * MINUTE)
    assert node.states() == []
    node.pass_time(HOUR, *hosts[1:])  # one does not come back
    assert node.states() == [(HOST, "h0", "new")]


@pytest.mark.parametrize("jump", [5 * HOUR, -5 * HOUR])
def test_a_central_node_that_slept_or_whose_clock_was_set_accuses_nobody(node: Node, jump: int) -> None:
    hosts = node.enrol(3)
    node.hear(*hosts)
    node.pass_time(MINUTE, *hosts)
    node.now += jump
    node.pass_time(HOUR, *hosts)
    assert node.states() == []


def test_a_state_that_was_away_accuses_nobody(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    hosts = node.enrol(3)
    node.hear(*hosts)

    def away(*_: object, **__: object) -> None:
        raise StoreError("no connection")

    with monkeypatch.context() as patch:
        patch.setattr(node.watch._state, "read", away)
        for _ in range(4 * 60):
            node.now += 15 * SECOND
            node.watch.look()
    node.pass_time(14 * MINUTE)
    assert node.states() == []


def test_a_silence_that_was_closed_by_a_person_is_not_told_again_even_after_a_restart(node: Node) -> None:
    host, speaking = node.enrol(2)
    node.hear(host)
    node.pass_time(HOUR, speaking)
    with node.state.write() as db:
        closed = alerts.Move(AlertStatus.CLOSED, "ann", "known")
        alerts.move(db, node.told()[0].id, EVERYTHING, closed, now=node.now)
    node.pass_time(HOUR, speaking)
    node.restart()
    node.pass_time(HOUR, speaking)
    assert node.states() == [(HOST, "h0", "closed")]


def test_a_cut_network_is_one_alert_and_those_who_stay_away_are_told_after_it(node: Node) -> None:
    hosts = node.enrol(20)
    node.hear(*hosts)
    for host in hosts:  # their signs of life are not in step
        node.now += 3 * SECOND
        node.hear(host)
    node.watch.look()
    node.pass_time(2 * HOUR)
    (many,) = node.told()
    assert (many.rule, many.count, many.status) == (MANY, 20, AlertStatus.NEW)
    node.pass_time(HOUR, *hosts[2:])
    # The two are told at the same moment, so their order is that of their ids.
    assert sorted(node.states()) == [(MANY, "", "closed"), (HOST, "h0", "new"), (HOST, "h1", "new")]
