"""Rule files in the state: each save is a version, what engines use is what is enabled."""

import pytest

from vedette.runtime.errors import ConfigError, NotFoundError
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.rules import RuleCheck, RuleKind, RuleProblem, RuleTests, RuleText
from vedette.store.state import State, rules, versions
from vedette.store.state.rules import Saved

FOREIGN = Scope(tenants=frozenset({"b"}), rights=RIGHTS[Role.ADMINISTRATOR])


def put(state: State, name: str, text: str, tenant: str = "default", now: int = 1) -> int:
    rule = RuleText(kind=RuleKind.TAA, name=name, text=text, tests=RuleTests(others=({"a": "\0"},)))
    check = RuleCheck(rules=(f"id-{name}",), problems=(RuleProblem(problem="p", line=3),), types=("dns_query",))
    with state.write() as db:
        return rules.put(db, Saved(rule=rule, check=check, tenant=tenant, author="ann", note=text), now=now)


def test_each_save_is_a_version_and_so_many_are_kept(
    state: State, everything: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "VERSIONS_KEPT", 2)
    assert [put(state, "a", f"text {number}", now=number) for number in range(1, 5)] == [1, 2, 3, 4]
    with state.read() as db:
        found = rules.get(db, RuleKind.TAA, "a", everything)
        assert (found.text, found.version, found.created, found.changed, found.enabled) == ("text 4", 4, 1, 4, True)
        assert (found.rules, found.types, found.problems[0].line) == (("id-a",), ("dns_query",), 3)
        assert [(one.version, one.text) for one in rules.history(db, found)] == [(4, "text 4"), (3, "text 3")]
        assert versions.current(db)["rules.taa"] == 4
        assert rules.owners(db, RuleKind.TAA) == {"id-a": ("default", "a")}


def test_files_are_listed_switched_and_removed_in_their_tenant(state: State, everything: Scope) -> None:
    for name in ("c", "a", "b"):
        put(state, name, "x")
    put(state, "a", "y", tenant="b")
    with state.write() as db:
        first = rules.page(db, everything, limit=2)
        rest = rules.page(db, everything, after=("taa", first[-1].name, "default"), limit=9)
        assert [one.name for one in first + rest] == ["a", "b", "c"]
        mine = rules.get(db, RuleKind.TAA, "a", everything)
        assert rules.enable(db, mine, everything, enabled=False, now=9).enabled is False
        assert [(one.tenant, one.name) for one in rules.enabled(db, RuleKind.TAA)] == [
            ("b", "a"), ("default", "b"), ("default", "c"),
        ]  # fmt: skip
        with pytest.raises(NotFoundError):
            rules.remove(db, mine, FOREIGN)
        rules.remove(db, mine, everything)
        with pytest.raises(NotFoundError):
            rules.get(db, RuleKind.TAA, "a", everything)
        assert rules.get(db, RuleKind.TAA, "a", FOREIGN).text == "y"


def test_there_is_room_for_so_many(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MOST_FILES", 1)
    put(state, "a", "x")
    with pytest.raises(ConfigError, match="room"):
        put(state, "b", "x")
