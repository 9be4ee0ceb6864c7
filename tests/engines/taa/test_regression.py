"""SigmaHQ's own cases: each rule is found in the events recorded for it, as often as it must be."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from tests.engines.taa.oracle import Oracle

from vedette.engines.taa import Taa

if TYPE_CHECKING:
    from vedette.engines.taa import Loaded
    from vedette.wire.merge import Batch

Case = tuple[str, int, "list[Batch]"]


def test_every_public_rule_loads_or_says_why_not(public_rules: Loaded) -> None:
    assert len(public_rules.compiled.rules) > 3_000
    known = ("no agent or sensor gives events of the log source", "the placeholder %")
    assert [one for one in public_rules.refused if not one.reason.startswith(known)] == []


def test_each_rule_finds_its_recorded_events(public_rules: Loaded, cases: list[Case]) -> None:
    engine = Taa(public_rules.compiled)
    assert len(cases) == 98
    missed = []
    for rule, least, recorded in cases:
        counts = Counter(finding.rule for batch in recorded for finding in engine.inspect(batch))
        if counts[rule] < least:
            missed.append((rule, least, counts[rule]))
    assert missed == []


def test_the_engine_finds_what_the_naive_evaluator_finds(public_rules: Loaded, cases: list[Case]) -> None:
    wanted = {rule for rule, _, _ in cases}
    rules = [one for at, one in enumerate(public_rules.compiled.rules) if at % 40 == 0 or one.id in wanted]
    chosen = {rule.id for rule in rules}
    engine, oracle = Taa(public_rules.compiled), Oracle(rules)
    differences = []
    for _, _, recorded in cases:
        for batch in recorded:
            found = {(one.rule, one.row) for one in engine.inspect(batch) if one.rule in chosen}
            differences += sorted(found ^ oracle.find(batch))
    assert differences == []


def test_without_hyperscan_the_same_is_found(public_rules: Loaded, cases: list[Case]) -> None:
    from vedette.engines.taa.compiled import Compiled

    engine, plain = Taa(public_rules.compiled), Taa(Compiled(public_rules.compiled.rules, plain=True))
    for _, _, recorded in cases[::8]:
        for batch in recorded:
            found = {(one.rule, one.row) for one in engine.inspect(batch)}
            assert {(one.rule, one.row) for one in plain.inspect(batch)} == found
