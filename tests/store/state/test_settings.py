"""Settings documents, groups and refusals."""

import msgspec
import pytest

from vedette.runtime.errors import NotFoundError
from vedette.schema.access import Scope
from vedette.schema.policies import Settings, SignedSettings
from vedette.store.state import State, agents, groups, refusals, settings, tokens


def sign(body: bytes) -> SignedSettings:
    """Sign as a test can check."""
    return SignedSettings(body=body, signature=b"signed:" + body, key_id="k")


def test_each_publication_is_the_groups_next_version(state: State) -> None:
    with state.write() as db:
        assert settings.current(db, "default", "default") is None
        for wanted in (2.0, 5.0):
            settings.publish(db, Settings(send_interval=wanted), tenant="default", sign=sign, now=1)
        settings.publish(db, Settings(group="lab"), tenant="default", sign=sign, now=1)
        found = settings.current(db, "default", "default")
        assert found is not None
        assert found.settings() == Settings(version=2, send_interval=5.0)
        assert found.signed() == sign(msgspec.json.encode(found.settings()))
        assert [(d.group, d.version) for d in settings.all_current(db)] == [("default", 2), ("lab", 1)]
        assert settings.versions(db) == {("default", "default"): 2, ("default", "lab"): 1}


def test_a_host_moves_only_into_a_group_of_its_tenant(state: State, everything: Scope) -> None:
    with state.write() as db:
        secret = tokens.create_enrolment(db, now=1)
        agent = agents.enrol(db, tokens.sha256(secret), hostname="h", os="", now=2).id
        assert groups.ensure(db, "default", "lab", now=1)
        assert not groups.ensure(db, "default", "lab", now=2)
        groups.ensure(db, "other", "far", now=1)
        groups.move_host(db, agent, "lab", everything)
        assert [(group.name, group.hosts) for group in groups.visible(db, everything)] == [("lab", 1)]
        with pytest.raises(NotFoundError):
            groups.move_host(db, agent, "far", everything)
        assert agents.get(db, agent, everything).group == "lab"


def test_refusals_add_up_by_reason(state: State, everything: Scope) -> None:
    with state.write() as db:
        refusals.count(db, "no_certificate", None, 2, now=1)
        refusals.count(db, "no_certificate", None, 3, now=4)
        refusals.count(db, "too_large", "unknown-agent", 1, now=2)
        found = [(r.reason, r.agent, r.count, r.last) for r in refusals.totals(db, everything)]
    assert found == [("no_certificate", "", 5, 4), ("too_large", "unknown-agent", 1, 2)]
