"""Findings: kept once each, grouped into alerts, bounded."""

from typing import Any

import pytest
from sqlalchemy import text

from vedette.runtime.clock import DAY
from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.alerts import Alert, AlertStatus, NewFinding, Severity, Technology
from vedette.schema.exclusions import Wanted
from vedette.store.state import State, alerts, engine_states, exclusions, findings, related, rotation, versions
from vedette.store.state.alerts import Filter, Move


def found(event: str, **changes: Any) -> NewFinding:
    values: dict[str, Any] = {
        "tenant": "default", "technology": Technology.TAA, "rule": "r", "title": "t", "severity": Severity.HIGH,
        "host": "h", "chain": "c", "event": event, "time": 10, "because": {"event": event}, "users": ("ann",),
        "tactics": ("execution",), "techniques": ("T1059.004",), "advice": "look",
    }  # fmt: skip
    return NewFinding(**values | changes)


def keep(state: State, *new: NewFinding, now: int = 100) -> list[str]:
    with state.write() as db:
        return findings.keep(db, new, now=now)


def listed(state: State, scope: Scope, wanted: Filter | None = None) -> list[Alert]:
    with state.read() as db:
        return alerts.page(db, scope, wanted)


def test_findings_of_one_rule_host_and_chain_are_one_alert(state: State, everything: Scope) -> None:
    (alert,) = keep(state, found("1"), found("2", time=5), found("2", time=5, users=("bob", "ann")))
    assert keep(state, found("3", time=30), now=200) == [alert]
    (told,) = listed(state, everything)
    assert (told.count, told.first, told.last, told.raised, told.changed) == (3, 5, 30, 100, 200)
    assert (told.users, told.tactics, told.techniques, told.advice) == (
        ["ann", "bob"], ["execution"], ["T1059.004"], "look",
    )  # fmt: skip
    others = keep(state, found("1", rule="q"), found("4", host="g"), found("5", chain="d"), found("6", tenant="b"))
    assert len({alert, *others}) == 5
    with state.read() as db:
        assert [one.event for one in findings.of_alert(db, alert, everything, limit=9)] == ["2", "1", "3"]
        after = findings.of_alert(db, alert, everything, after=(5, "2"), limit=1)
        assert [(one.event, one.because) for one in after] == [("1", {"event": "1"})]


def test_told_again_changes_nothing(state: State, everything: Scope) -> None:
    (alert,) = keep(state, *(found(str(number)) for number in range(1200)))
    assert keep(state, found("7"), found("999"), now=300) == []
    (told,) = listed(state, everything)
    assert (told.id, told.count, told.changed) == (alert, 1200, 100)
    with state.write() as db:
        alerts.move(db, alert, everything, Move(AlertStatus.CLOSED, "ann", ""), now=400)
    assert keep(state, found("8"), now=500) == []
    assert len(keep(state, found("new"), now=500)) == 1


def test_an_alert_keeps_so_many_findings_and_counts_all(
    state: State, everything: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "KEPT", 3)
    (alert,) = keep(state, found("1"), found("2"))
    keep(state, found("3"), found("4"), found("5"))
    with state.read() as db:
        assert len(findings.of_alert(db, alert, everything, limit=9)) == 3
    assert listed(state, everything)[0].count == 5


def test_an_open_alert_is_joined_for_a_day(state: State, everything: Scope) -> None:
    (first,) = keep(state, found("1"), now=1000)
    assert keep(state, found("2"), now=1000 + DAY) == [first]
    (second,) = keep(state, found("3"), now=1001 + DAY)
    assert keep(state, found("4"), now=1002 + DAY) == [second] != [first]
    with state.write() as db:
        for alert in (first, second):
            alerts.move(db, alert, everything, Move(AlertStatus.IN_PROGRESS, "ann", ""), now=1)
    assert {one.status for one in listed(state, everything)} == {AlertStatus.IN_PROGRESS}


def test_a_host_cannot_raise_alerts_without_end_by_naming_processes(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "CHAINS", 3)
    for number in range(3):
        keep(state, found(f"a{number}", chain=str(number)))
    assert len(keep(state, *(found(f"b{number}", chain=f"x{number}") for number in range(50)))) == 1
    assert len(keep(state, found("c", host="another", chain="1"))) == 1


def test_filters_by_technique_and_assignee(state: State, everything: Scope) -> None:
    (alert,) = keep(state, found("1"))
    for technique, count in (("T1059", 1), ("T1059.004", 1), ("T1059.00", 0), ("T105", 0), ("%", 0)):
        assert len(listed(state, everything, Filter(technique=technique))) == count, technique
    with state.write() as db:
        assert alerts.assign(db, alert, everything, "bob", Move(AlertStatus.NEW, "ann", "yours"), now=1).status == "new"
        assert [step.note for step in alerts.steps(db, alert, everything)] == ["", "assigned to bob: yours"]
    assert len(listed(state, everything, Filter(assignee="bob"))) == 1
    assert listed(state, everything, Filter(assignee="ann")) == listed(state, everything, Filter(since=101)) == []


def test_a_vip_alert_is_hidden_from_officers(state: State, everything: Scope) -> None:
    (alert,) = keep(state, found("1"))
    officer = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.OFFICER])
    auditor = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.AUDITOR])
    with state.write() as db:
        assert alerts.mark(db, alert, everything, Move(AlertStatus.NEW, "ann", ""), vip=True, now=1).vip is True
        for question in (
            lambda: alerts.get(db, alert, officer),
            lambda: findings.of_alert(db, alert, officer, limit=1),
        ):
            with pytest.raises(NotFoundError):
                question()
        assert alerts.page(db, officer) == alerts.changed(db, officer, since=0, limit=9) == []
        assert alerts.get(db, alert, auditor).vip
        with pytest.raises(NotFoundError):
            alerts.move(db, alert, officer, Move(AlertStatus.CLOSED, "", ""), now=1)


def test_related_alerts_are_found_the_nearest_first(state: State, everything: Scope) -> None:
    made = {
        "me": found("1"),
        "event": found("1", technology=Technology.IOC, rule="i", chain="z"),
        "chain": found("2", rule="q"),
        "host": found("3", rule="p", chain="y"),
        "rule": found("4", host="g"),
        "far": found("5", rule="p", chain="x", time=10 + 2 * DAY),
        "other": found("6", host="g", rule="p"),
    }
    ids = {name: keep(state, one)[0] for name, one in made.items()}
    with state.read() as db:
        told = related.of(db, alerts.get(db, ids["me"], everything), everything)
    assert [(one.by, one.alert.id) for one in told] == [(by, ids[by]) for by in ("event", "chain", "host", "rule")]


def test_exclusions_are_kept_counted_and_removed(state: State, everything: Scope) -> None:
    with state.write() as db:
        before = versions.current(db)
        made = exclusions.add(db, Wanted(rule="r", note="n", expires=50), tenant="default", created_by="ann", now=10)
        assert versions.current(db) != before
        for wanted in (Wanted(), Wanted(path="**?"), Wanted(rule="r", expires=10)):
            with pytest.raises(ConfigError):
                exclusions.add(db, wanted, tenant="default", created_by="ann", now=10)
        exclusions.count_hits(db, {made.id: 3}, now=20)
        (told,) = exclusions.visible(db, everything)
        assert (told.hits, told.last_hit, told.rule, told.created_by) == (3, 20, "r", "ann")
        assert [one.id for one in exclusions.alive(db, now=49)] == [made.id]
        assert exclusions.alive(db, now=50) == []
        with pytest.raises(NotFoundError):
            exclusions.remove(db, made.id, Scope(tenants=frozenset({"b"}), rights=RIGHTS[Role.ADMINISTRATOR]))
        exclusions.remove(db, made.id, everything)
        assert exclusions.visible(db, everything) == []


def test_what_engines_remember_is_the_last_that_was_told(state: State) -> None:
    with state.write() as db:
        engine_states.keep(db, {"taa": b"one", "ioc": b"two"}, share=0, segment=1)
        engine_states.keep(db, {"taa": b"three"}, share=0, segment=2)
        engine_states.keep(db, {}, share=0, segment=3)
        assert engine_states.of_share(db, 0) == {"taa": b"three", "ioc": b"two"}
        assert engine_states.of_share(db, 1) == {}
        assert db.execute(text("SELECT segment FROM engine_state WHERE engine = 'taa'")).scalar_one() == 2


def test_the_oldest_closed_alerts_go_first_with_their_findings(state: State, everything: Scope) -> None:
    made = [keep(state, found(str(number), rule=f"r{number}"), now=number)[0] for number in range(6)]
    (other,) = keep(state, found("x", technology=Technology.IOC), now=0)
    with state.write() as db:
        alerts.move(db, made[3], everything, Move(AlertStatus.CLOSED, "ann", ""), now=9)
        assert rotation.rotate(db, most=6) == 0
        assert rotation.rotate(db, most=4) == 2
        assert rotation.rotate(db, most=4) == 0
        left = {one.id for one in alerts.page(db, everything)}
        assert left == {made[1], made[2], made[4], made[5], other}
        assert db.execute(text("SELECT count(*) FROM finding")).scalar_one() == 5
    assert keep(state, found("3", rule="r3")) != []
