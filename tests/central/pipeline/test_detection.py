"""The rules in use reach the engines: at once for the first events, and later without any event waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.central.api.test_rules import SIGMA
from tests.central.detection.conftest import batch_of
from tests.conftest import until

from vedette.central.pipeline.detection import Detection
from vedette.central.pipeline.state_link import StateLink
from vedette.central.rules import engines
from vedette.central.rules.check import check
from vedette.runtime.clock import now
from vedette.schema.alerts import NewFinding
from vedette.schema.entities import Dns, Os, Process
from vedette.schema.events.network import DnsQuery
from vedette.schema.events.process import ProcessStart
from vedette.schema.rules import RuleKind, RuleText
from vedette.store.state import State, migrate, open_state, rules, sqlite_url
from vedette.store.state.rules import Saved


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    migrate(sqlite_url(tmp_path / "state.sqlite"))
    made = open_state(sqlite_url(tmp_path / "state.sqlite"))
    yield made
    made.close()


@pytest.fixture
def detection(state: State, tmp_path: Path) -> Detection:
    compiled = tmp_path / "compiled"
    made = (engines.sigma(compiled / "taa-0"), engines.iocs(compiled / "ioc-0"))
    return Detection(StateLink(state, tmp_path, clock=now), now, made)


def save(state: State, name: str, text: str, tenant: str = "default", kind: RuleKind = RuleKind.IOC) -> None:
    rule = RuleText(kind=kind, name=name, text=text)
    with state.write() as db:
        rules.put(db, Saved(rule=rule, check=check([rule])[0], tenant=tenant, author="ann"), now=1)


def started(detection: Detection, command: str, tenant: str = "default") -> list[NewFinding]:
    event = ProcessStart(time=now(), process=Process(command_line=command))
    return list(detection.detect(batch_of([event], tenant=tenant, os=Os(family="linux"))).findings)


def found(detection: Detection, *names: str, tenant: str = "default") -> list[tuple[str, str]]:
    events = [DnsQuery(time=now(), dns=Dns(query=name)) for name in names]
    findings = detection.detect(batch_of(events, tenant=tenant)).findings
    return [(one.rule, one.because["dns.query"]) for one in findings]


def test_the_first_events_are_looked_at_by_the_rules_that_are_there(state: State, detection: Detection) -> None:
    save(state, "feed", "evil.example")
    assert found(detection, "www.evil.example", "fine.example") == [("feed", "www.evil.example")]


def test_a_changed_list_is_in_force_soon_and_one_that_was_removed_is_not(state: State, detection: Detection) -> None:
    save(state, "feed", "evil.example")
    assert found(detection, "evil.example")
    save(state, "feed", "other.example")
    until(lambda: found(detection, "other.example"), seconds=20, what="the new list", alive=lambda: None)
    assert not found(detection, "evil.example")


def test_a_list_is_for_its_tenant_alone(state: State, detection: Detection) -> None:
    save(state, "feed", "evil.example", tenant="north")
    save(state, "feed", "fine.example")
    assert found(detection, "evil.example", tenant="north") == [("north/feed", "evil.example")]
    assert not found(detection, "evil.example")
    assert not found(detection, "fine.example", tenant="north")


def test_a_file_that_cannot_be_used_leaves_the_others_in_force(state: State, detection: Detection) -> None:
    save(state, "sha1", "0" * 40)
    save(state, "feed", "evil.example")
    assert found(detection, "evil.example") == [("feed", "evil.example")]


def test_without_rules_nothing_is_found(detection: Detection) -> None:
    assert not found(detection, "evil.example")


def test_behaviour_rules_find_and_a_change_is_in_force_soon(state: State, detection: Detection) -> None:
    save(state, "marker", SIGMA, kind=RuleKind.TAA)
    (one,) = started(detection, "sh -c vedette-marker")
    assert (one.technology, one.rule, one.title, one.severity) == (
        "taa", "11111111-2222-4333-8444-555555555555", "A marker in a command line", "high",
    )  # fmt: skip
    assert (one.techniques, one.tactics, one.because["process.command_line"]) == (
        ("T1059.004",), ("execution",), "sh -c vedette-marker",
    )  # fmt: skip
    assert not started(detection, "sh -c vedette-marker", tenant="north")
    save(state, "marker", SIGMA.replace("vedette-marker", "another-word"), kind=RuleKind.TAA)
    until(lambda: started(detection, "another-word"), seconds=20, what="the new rule", alive=lambda: None)
    assert not started(detection, "sh -c vedette-marker")


def test_a_rule_that_cannot_be_used_any_more_is_told(state: State, detection: Detection) -> None:
    rule = RuleText(kind=RuleKind.TAA, name="old", text=SIGMA.replace("condition: selection", "condition: nothing"))
    with state.write() as db:
        rules.put(
            db, Saved(rule=rule, check=check([replace(rule, text=SIGMA)])[0], tenant="default", author="a"), now=1
        )
    event = ProcessStart(time=now(), process=Process(command_line="ls"))
    (trouble,) = detection.detect(batch_of([event])).troubles
    assert (trouble.rule, trouble.chain, trouble.technology) == ("rules_left_out", "taa", "health")
    assert "11111111-2222" in trouble.why["rules"]
    assert detection.detect(batch_of([event])).troubles == ()


def test_a_rule_is_in_force_for_the_next_event_also_when_none_came_since(
    state: State, detection: Detection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vedette.central.pipeline.detection.LOOK_SECONDS", 0.0)
    detection.rest()
    save(state, "feed", "evil.example")

    def rested() -> bool:
        detection.rest()
        return any("feed" in one.current.scopes for one in detection._rules if one.current is not None)

    until(rested, seconds=20, what="the list is taken", alive=lambda: None)
    assert found(detection, "evil.example") == [("feed", "evil.example")]
