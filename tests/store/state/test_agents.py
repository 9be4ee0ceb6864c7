"""Enrolment and what is known of agents."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from vedette.runtime.errors import AccessDenied, IdentityError, NotFoundError
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.state import State, agents, groups, tokens

ENROL_OFTEN = """
import sys
from vedette.runtime.errors import IdentityError
from vedette.store.state import agents, open_state, tokens

state = open_state(sys.argv[1])
for _ in range(10):
    try:
        with state.write() as db:
            agents.enrol(db, tokens.sha256(sys.argv[2]), hostname="h", os="Linux", now=2)
        print("enrolled")
    except IdentityError as error:
        print(error.reason)
state.close()
"""


def new_agent(state: State, hostname: str = "h", tenant: str = "default") -> agents.EnrolledAgent:
    """Enrol one agent with a token of its own."""
    with state.write() as db:
        secret = tokens.create_enrolment(db, tokens.NewEnrolment(tenant=tenant), now=1)
        return agents.enrol(db, tokens.sha256(secret), hostname=hostname, os="Linux", now=2)


def test_a_token_enrols_no_more_than_its_uses_from_two_processes(state: State, state_url: str) -> None:
    with state.write() as db:
        secret = tokens.create_enrolment(db, tokens.NewEnrolment(uses=7), now=1)
    command = [sys.executable, "-c", ENROL_OFTEN, state_url, secret]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    results = "".join(process.communicate()[0] for process in both).split()
    assert (results.count("enrolled"), results.count("token_used")) == (7, 13)
    with state.read() as db:
        assert len({agent.id for agent in agents.identities(db)}) == 7
        assert tokens.enrolment(db, secret).used == 7


@pytest.mark.parametrize(
    ("reason", "now", "known", "revoked"),
    [
        ("token_unknown", 2, False, False),
        ("token_expired", 100, True, False),
        ("token_revoked", 2, True, True),
    ],
)
def test_a_refused_token_says_why(
    state: State, everything: Scope, reason: str, now: int, *, known: bool, revoked: bool
) -> None:
    with state.write() as db:
        secret = tokens.create_enrolment(db, tokens.NewEnrolment(valid=99), now=1)
        if revoked:
            tokens.revoke_enrolment(db, tokens.enrolment(db, secret).id, everything, now=2)
    offered = tokens.sha256(secret if known else "vde_other")
    with pytest.raises(IdentityError) as caught, state.write() as db:
        agents.enrol(db, offered, hostname="h", os="Linux", now=now)
    assert caught.value.reason == reason


def test_identity_follows_certificate_and_revocation(state: State, everything: Scope) -> None:
    agent = new_agent(state)
    with state.write() as db:
        agents.set_certificate(db, agent.id, "0a", 50)
        agents.offer_certificate(db, agent.id, "0b")
        found = agents.identities(db)[0]
        assert (found.id, found.serial, found.next_serial, found.revoked) == (agent.id, "0a", "0b", False)
        agents.set_certificate(db, agent.id, "0b", 60)
        found = agents.identities(db)[0]
        assert (found.serial, found.next_serial) == ("0b", "")
        assert agents.revoke(db, agent.id, everything, now=9).revoked == 9
        assert agents.revoke(db, agent.id, everything, now=10).revoked == 9
        assert agents.identities(db)[0].revoked
        with pytest.raises(IdentityError):
            agents.set_certificate(db, agent.id, "0c", 70)
        with pytest.raises(IdentityError):
            agents.offer_certificate(db, agent.id, "0c")


def test_every_change_of_an_identity_changes_the_version(state: State, everything: Scope) -> None:
    with state.read() as db:
        seen = [agents.identity_version(db)]
    agent = new_agent(state).id
    with state.write() as db:
        seen.append(agents.identity_version(db))
        groups.ensure(db, "default", "lab", now=1)
        agents.seen(db, [agents.AgentSeen(agent=agent, at=1)])
        assert agents.identity_version(db) == seen[-1]
        changes: list[Callable[[], object]] = [
            lambda: agents.set_certificate(db, agent, "0a", 1),
            lambda: agents.offer_certificate(db, agent, "0b"),
            lambda: groups.move_host(db, agent, "lab", everything),
            lambda: agents.revoke(db, agent, everything, now=2),
        ]
        for change in changes:
            change()
            seen.append(agents.identity_version(db))
    assert len(set(seen)) == len(seen)


REFUSED = {"kernel/lsm": "Operation not permitted: \0 and 'quotes'"}


def test_what_an_agent_said_last_stays(state: State, everything: Scope) -> None:
    agent = new_agent(state)
    later = agents.AgentSeen(
        agent=agent.id, at=9, os="Debian 12", version="1", spool_events=3, spool_oldest=4, refused=REFUSED
    )
    earlier = agents.AgentSeen(agent=agent.id, at=8, hostname="old", version="0")
    with state.write() as db:
        agents.seen(db, [])
        agents.seen(db, [later])
        agents.seen(db, [earlier])
        found = agents.get(db, agent.id, everything)
    assert (found.hostname, found.os, found.version, found.last_seen) == ("h", "Debian 12", "1", 9)
    assert (found.spool_events, found.spool_oldest) == (3, 4)
    assert found.refused == REFUSED


def test_hosts_are_listed_in_pages_and_by_pattern(state: State, everything: Scope) -> None:
    for name in ("web_1", "web-2", "db", "db"):
        new_agent(state, name)
    with state.read() as db:
        first = agents.page(db, everything, limit=2)
        rest = agents.page(db, everything, after=(first[-1].hostname, first[-1].id), limit=9)
        assert [agent.hostname for agent in first + rest] == ["db", "db", "web-2", "web_1"]
        assert [agent.hostname for agent in agents.page(db, everything, hostname="WEB_*")] == ["web_1"]


def test_another_tenants_host_does_not_exist(state: State, everything: Scope) -> None:
    agent = new_agent(state, tenant="other")
    with state.write() as db:
        assert agents.page(db, everything) == []
        for act in (agents.get, lambda *args: agents.revoke(*args, now=3)):
            with pytest.raises(NotFoundError):
                act(db, agent.id, everything)
        assert not agents.identities(db)[0].revoked


def test_the_store_itself_checks_the_right(state: State) -> None:
    agent = new_agent(state)
    auditor = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.AUDITOR])
    with state.write() as db, pytest.raises(AccessDenied, match=r"hosts\.manage"):
        agents.revoke(db, agent.id, auditor, now=3)


def test_text_that_no_database_keeps_is_made_visible(state: State, everything: Scope) -> None:
    agent = new_agent(state, hostname="a\0b\ud800")
    with state.write() as db:
        agents.seen(db, [agents.AgentSeen(agent=agent.id, at=9, os="x\0", version="\0")])
        found = agents.get(db, agent.id, everything)
    assert (found.hostname, found.os, found.version) == ("a\ufffdb\ufffd", "x\ufffd", "\ufffd")
