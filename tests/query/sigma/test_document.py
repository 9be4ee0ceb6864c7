"""Rules as they are read: what they mean, what is refused and why, and that hostile ones cost little."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.query import ast
from vedette.query.ast import Anywhere, Equals, Exists, InNetwork, Like, Not, Regex
from vedette.query.sigma import Correlation, Refused, Rule, read

HEAD = "title: t\nid: 11111111-1111-4111-8111-111111111111\n"
LOG = "logsource: {product: windows, category: process_creation}\n"
START = HEAD + LOG
AWS = "logsource: {product: aws, service: cloudtrail}\n"


def rule(selection: str, condition: str = "a", log: str = LOG, **placeholders: tuple[str, ...]) -> Any:
    (found,) = read(f"{HEAD}{log}detection:\n  a:\n    {selection}\n  condition: {condition}\n", "x.yml", placeholders)
    return found


def conditions_of(found: Any) -> list[tuple[str, Any]]:
    assert isinstance(found, Rule), found
    return [(one.field.name, one.test) for one in ast.conditions(found.detection)]


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ("CommandLine: 'Whoami'", [("process.command_line", Equals("whoami"))]),
        ("CommandLine: '*a?b*'", [("process.command_line", Like("%a_b%"))]),
        ("CommandLine|contains: '50%'", [("process.command_line", Like("%50\\%%"))]),
        ("CommandLine|startswith: 'A_'", [("process.command_line", Like("a\\_%"))]),
        ("CommandLine|endswith|cased: 'aB'", [("process.command_line", Like("%aB", cased=True))]),
        ("CommandLine: '*'", [("process.command_line", Exists())]),
        ("CommandLine: ''", [("process.command_line", Equals(""))]),
        ("CommandLine|re|i: 'a.c'", [("process.command_line", Regex("a.c", "i"))]),
        ("ParentImage|wide|base64offset|contains: 'a'", 3),
        ("Imphash: 'ABCDEF0123456789ABCDEF0123456789'",
         [("process.file.imphash", Equals("abcdef0123456789abcdef0123456789"))]),
    ],
)  # fmt: skip
def test_a_value_means(selection: str, expected: Any) -> None:
    found = conditions_of(rule(selection))
    assert len(found) == expected if isinstance(expected, int) else found == expected


def test_hashes_are_looked_for_in_the_item_and_in_the_digest() -> None:
    found = conditions_of(rule("Hashes|contains: 'IMPHASH=ABCDEF0123456789ABCDEF0123456789'"))
    assert found[1] == ("process.file.imphash", Equals("abcdef0123456789abcdef0123456789"))
    assert found[0][0] == "winlog.data.Hashes"


def test_null_is_the_absence_of_a_value() -> None:
    found = rule("CommandLine: null")
    assert isinstance(found.detection, Not)
    assert conditions_of(found) == [("process.command_line", Exists())]


def test_placeholders_are_filled_or_the_rule_says_which_is_missing() -> None:
    assert [test for _, test in conditions_of(rule("User|expand: '%admins%'", admins=("root", "adm*")))] == [
        Equals("root"),
        Like("adm%"),
    ]
    refused = rule("User|expand: '%admins%'")
    assert isinstance(refused, Refused)
    assert "%admins%" in refused.reason


def test_keywords_are_looked_for_anywhere() -> None:
    found = rule("- 'mimikatz'", log="logsource: {product: windows, service: application}\n")
    assert isinstance(found.detection, Anywhere)
    assert {test for _, test in conditions_of(found)} == {Like("%mimikatz%")}


def test_networks() -> None:
    log = "logsource: {product: windows, category: network_connection}\n"
    assert conditions_of(rule("DestinationIp|cidr: 10.0.0.0/8", log=log))[0][1] == InNetwork("10.0.0.0/8")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no rule"),
        ("- 1\n- 2\n", "something else"),
        ("a: b: c", "mapping values"),
        (START, "detection"),
        (HEAD + AWS + "detection: {a: {b: c}, condition: a}\n", "product aws"),
        (START + "detection: {a: {CommandLine|re: '(?=x)y'}, condition: a}\n", "egular"),
        (START + "detection: {a: {CommandLine|re: '(a+)+$(?<!b)'}, condition: a}\n", "egular"),
        (START + "detection: {a: {CommandLine: b}, condition: " + "(" * 30 + "a" + ")" * 30 + "}\n", "parentheses"),
        (START + "detection: {a: {CommandLine: b}, condition: " + " and ".join(["a"] * 2000) + "}\n", "characters"),
        (START + "detection: {a: {CommandLine|hour: 3}, condition: a}\n", "hour"),
        (START + "detection: {a: {CommandLine|nonsense: 3}, condition: a}\n", "nonsense"),
        ("[" * 100_000, "nest"),
        ("- " * 100_000, "nested deeper"),
        ("{a: " * 50_000, "nested deeper"),
        ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
            f"{chr(98 + n)}: &{chr(98 + n)} [{','.join(['*' + chr(97 + n)] * 10)}]\n" for n in range(9)), ""),
        ("a" * 1_048_577, "bytes"),
        (b"\xff\xfe\x00", "decode"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_says_why_and_costs_little(text: str | bytes, reason: str) -> None:
    start = time.process_time()
    found = read(text, "x.yml")
    assert time.process_time() - start < 5
    assert found
    assert all(isinstance(one, Refused) for one in found)
    assert any(reason in one.reason for one in found if isinstance(one, Refused))


@given(st.text() | st.binary())
def test_no_text_raises(text: str | bytes) -> None:
    assert all(isinstance(one, Refused) for one in read(text, "x.yml"))


def test_a_correlation_is_read() -> None:
    text = (
        "title: many\nid: 22222222-2222-4222-8222-222222222222\ncorrelation:\n  type: event_count\n  rules: [failed]\n"
        "  group-by: [User]\n  timespan: 5m\n  condition: {gte: 10}\n"
    )
    (found,) = read(text, "x.yml")
    assert isinstance(found, Correlation)
    assert (found.kind, found.rules, found.group_by, found.span, found.count) == (
        "event_count", ("failed",), ("User",), 300_000_000, 10,
    )  # fmt: skip
