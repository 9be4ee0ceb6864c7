"""Correlations over findings, by event time: each kind, late and doubled events, a restart in the middle."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from tests.engines.taa.made import batch_of

from vedette.engines.taa import RuleText, load
from vedette.engines.taa.correlated import Correlated
from vedette.schema.entities import File, Process, User
from vedette.schema.events.process import ProcessStart

SECOND = 1_000_000
START = 1_760_000_000 * SECOND
BASE = """title: {name}
id: {id}
name: {name}
logsource: {{product: windows, category: process_creation}}
detection: {{a: {{Image|endswith: '\\{name}.exe'}}, condition: a}}
"""
SEQUENCE = itertools.count(1)
IDS = {name: f"{number}0000000-0000-4000-8000-000000000000" for number, name in enumerate(("who", "net", "dump"), 1)}
CORRELATION = "f0000000-0000-4000-8000-000000000000"


def engine_of(body: str) -> Correlated:
    texts = [RuleText(name, BASE.format(name=name, id=found).encode()) for name, found in IDS.items()]
    text = f"title: many\nid: {CORRELATION}\nlevel: high\ncorrelation:\n{body}"
    loaded = load([*texts, RuleText("correlation", text.encode())])
    assert loaded.refused == ()
    engine = loaded.engine()
    assert isinstance(engine, Correlated)
    return engine


def start(name: str, second: float, user: str = "ada", command: str = "x") -> ProcessStart:
    process = Process(file=File(path=f"C:\\{name}.exe"), command_line=command)
    return ProcessStart(time=START + int(second * SECOND), process=process, user=User(name=user))


def found(engine: Correlated, *events: Any) -> list[str]:
    return [one.rule for one in engine.inspect(batch_of(list(events), first=next(SEQUENCE) * 100))]


COUNT = "  type: event_count\n  rules: [who]\n  group-by: [User]\n  timespan: 1m\n  condition: {gte: 3}\n"
VALUES = COUNT.replace("event_count", "value_count").replace("gte: 3", "gte: 2, field: CommandLine")
ANY = "  type: temporal\n  rules: [who, net]\n  group-by: [User]\n  timespan: 1m\n"
ORDER = "  type: temporal_ordered\n  rules: [who, net, dump]\n  timespan: 1m\n"


def test_enough_events_within_the_span_are_found_once() -> None:
    events = [start("who", second) for second in (0, 10, 20, 30)]
    assert found(engine_of(COUNT), *events) == [CORRELATION]


def test_too_few_too_far_apart_or_of_several_groups_are_not() -> None:
    engine = engine_of(COUNT)
    assert found(engine, start("who", 0), start("who", 50), start("who", 100)) == []
    assert found(engine, start("who", 200), start("who", 201, "bob"), start("who", 202)) == []


def test_late_events_complete_what_they_belong_to() -> None:
    engine = engine_of(COUNT)
    assert found(engine, start("who", 1000), start("who", 1040)) == []
    assert found(engine, start("who", 90_000)) == []
    assert found(engine, start("who", 1020)) == [CORRELATION]


def test_different_values_are_counted() -> None:
    engine = engine_of(VALUES)
    assert found(engine, start("who", 0), start("who", 1), start("who", 2)) == []
    assert found(engine, start("who", 3, command="y")) == [CORRELATION]


def test_rules_in_any_order() -> None:
    assert found(engine_of(ANY), start("net", 0), start("who", 30)) == [CORRELATION]
    assert found(engine_of(ANY), start("net", 0), start("who", 30, "bob")) == []


def test_rules_in_their_order() -> None:
    assert found(engine_of(ORDER), start("who", 0), start("net", 10), start("dump", 20)) == [CORRELATION]
    assert found(engine_of(ORDER), start("net", 0), start("who", 10), start("dump", 20)) == []


@pytest.mark.parametrize("seed", range(5))
def test_the_order_of_arrival_does_not_matter(seed: int) -> None:
    events = [start("who", 0), start("net", 10), start("dump", 20), start("net", 500)]
    random.Random(seed).shuffle(events)
    engine = engine_of(ORDER)
    assert [rule for one in events for rule in found(engine, one)] == [CORRELATION]


def test_the_same_event_again_is_no_second_one() -> None:
    engine, batch = engine_of(COUNT), batch_of([start("who", 0)])
    for _ in range(4):
        assert list(engine.inspect(batch)) == []


def test_base_rules_are_shown_only_when_the_correlation_says_so() -> None:
    assert found(engine_of(COUNT), start("who", 0), start("net", 1)) == [IDS["net"]]
    assert found(engine_of(COUNT + "  generate: true\n"), start("who", 0)) == [IDS["who"]]


def test_a_restart_in_the_middle_loses_nothing() -> None:
    first, second = engine_of(COUNT), engine_of(COUNT)
    assert found(first, start("who", 0), start("who", 1)) == []
    second.restore(first.state(0))
    assert found(second, start("who", 2)) == [CORRELATION]


def test_what_is_older_than_asked_for_is_forgotten() -> None:
    engine = engine_of(COUNT)
    assert found(engine, start("who", 0), start("who", 1)) == []
    engine.restore(engine.state(START + 10 * SECOND))
    assert found(engine, start("who", 2)) == []


def test_a_finding_names_its_events_and_its_group() -> None:
    (one,) = engine_of(COUNT).inspect(batch_of([start("who", second) for second in (0, 1, 2)]))
    assert len(one.events) == 3
    assert one.because == {"User": "ada", "findings": "3"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (COUNT.replace("[who]", "[nobody]"), "not in use: nobody"),
        (COUNT.replace("gte: 3", "lt: 3"), "too little"),
        (COUNT.replace("gte: 3", "gte: 99999"), "a count"),
        (COUNT.replace("[who]", f"[{CORRELATION}]"), "itself"),
        (VALUES.replace("value_count", "value_sum"), "value_sum"),
    ],
)
def test_what_cannot_be_used_says_why(body: str, reason: str) -> None:
    texts = [RuleText(name, BASE.format(name=name, id=one).encode()) for name, one in IDS.items()]
    loaded = load([*texts, RuleText("c", f"title: many\nid: {CORRELATION}\ncorrelation:\n{body}".encode())])
    assert any(reason in one.reason for one in loaded.refused), loaded.refused


def test_a_flood_of_groups_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vedette.engines.taa.correlated.ENTRIES", 100)
    engine = engine_of(COUNT)
    found(engine, *[start("who", number / 10, f"user {number % 300}") for number in range(600)])
    size = len(engine.state(0))
    assert size < 20_000
    assert found(engine, *[start("who", 1000 + number, "last") for number in range(3)]) == [CORRELATION]
