"""Which certificate counts."""

from typing import Any

import msgspec
import pytest

from vedette.central.ingest.directory import STALE, Directory
from vedette.central.ingest.peer import Peer
from vedette.central.ingest.refusal import REASONS, Refused
from vedette.runtime.errors import IdentityError
from vedette.store.state.agents import AgentIdentity
from vedette.store.state.settings import SettingsDocument

NOW = 1_800_000_000_000_000
AGENT = "a" * 32
IDENTITY = AgentIdentity(id=AGENT, tenant="default", group="web", serial="1f", next_serial="", revoked=False)
PEER = Peer(agent=AGENT, tenant="default", serial="1f", begins=NOW - 100, ends=NOW + 100)


def directory(**changes: Any) -> Directory:
    made = Directory()
    made.replace_identities([msgspec.structs.replace(IDENTITY, **changes)])
    made.freshen(NOW)
    return made


def test_a_good_certificate_is_its_agent() -> None:
    assert directory().identify(PEER, now=NOW) == IDENTITY


@pytest.mark.parametrize(
    ("identity", "peer", "reason"),
    [
        ({}, {"agent": "b" * 32}, "agent_unknown"),
        ({}, {"tenant": "other"}, "tenant_mismatch"),
        ({"revoked": True}, {}, "agent_revoked"),
        ({"serial": "2f"}, {}, "certificate_replaced"),
        ({"serial": ""}, {"serial": ""}, "certificate_replaced"),
        ({}, {"ends": NOW - 1}, "certificate_expired"),
        ({}, {"begins": NOW + 1}, "certificate_early"),
    ],
)
def test_any_other_is_refused_for_its_reason(identity: dict[str, Any], peer: dict[str, Any], reason: str) -> None:
    with pytest.raises(IdentityError) as caught:
        directory(**identity).identify(msgspec.structs.replace(PEER, **peer), now=NOW)
    assert caught.value.reason == reason
    assert reason in REASONS


def test_no_certificate_is_refused() -> None:
    with pytest.raises(IdentityError) as caught:
        directory().identify(None, now=NOW)
    assert caught.value.reason == "certificate_missing"


def test_the_offered_certificate_counts_beside_the_one_before() -> None:
    both = directory(next_serial="2f")
    assert both.identify(PEER, now=NOW).id == AGENT
    assert both.identify(msgspec.structs.replace(PEER, serial="2f"), now=NOW).id == AGENT


def test_an_expired_certificate_may_renew_but_not_a_revoked_one() -> None:
    expired = msgspec.structs.replace(PEER, ends=NOW - 1)
    assert directory().identify(expired, now=NOW, renewing=True) == IDENTITY
    with pytest.raises(IdentityError):
        directory(revoked=True).identify(expired, now=NOW, renewing=True)


def test_nobody_is_let_in_when_the_state_was_not_asked_for_long() -> None:
    held = directory()
    assert held.identify(PEER, now=NOW + STALE, renewing=True) == IDENTITY
    for stale in (held, Directory()):
        with pytest.raises(Refused) as caught:
            stale.identify(PEER, now=NOW + STALE + 1)
        assert (caught.value.status, caught.value.retry_after > 0) == (503, True)


def test_settings_are_those_of_the_agents_group_and_tenant() -> None:
    held = directory()
    document = SettingsDocument(
        tenant="default", group="web", version=4, body=b"b", signature=b"s", key_id="k", created=0, created_by=""
    )
    held.replace_documents([document, msgspec.structs.replace(document, tenant="other", version=9)])
    assert held.settings_version(IDENTITY) == 4
    assert held.settings(IDENTITY) == document.signed()
    elsewhere = msgspec.structs.replace(IDENTITY, group="db")
    assert (held.settings_version(elsewhere), held.settings(elsewhere)) == (0, None)
