"""STIX patterns: what is accepted is what OASIS's own parser accepts, and what it means to one event."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stix2patterns.exceptions import ParseException
from stix2patterns.v21.pattern import Pattern

from vedette.query.ioc.criteria import MAX_DEPTH, All, Some, Term
from vedette.query.ioc.stix_pattern import PatternError, parse
from vedette.query.values import Operator

PATHS = ["file:name", "file:hashes.'SHA-256'", "a-b:c_d[*].e[0].'f g'", "windows-registry-key:values[*].data"]
VALUES = ["'x'", "'it\\'s \\\\'", "5", "-1.5", "true", "t'2020-01-02T03:04:05.678Z'"]

path = st.sampled_from(PATHS)
value = st.sampled_from(VALUES)
maybe_not = st.sampled_from(["", "NOT "])
test = st.one_of(
    st.tuples(path, st.just(" "), maybe_not, st.sampled_from(["= ", "== ", "!= ", "<> "]), value),
    st.tuples(path, st.just(" "), maybe_not, st.sampled_from(["> ", ">= ", "< "]), st.sampled_from(["'x'", "5"])),
    st.tuples(path, st.just(" "), maybe_not, st.sampled_from(["LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"]),
              st.just(" 'x%'")),
    st.tuples(path, st.just(" "), maybe_not, st.sampled_from(["IN ('a')", "IN ('a','b' , 5)"])),
    st.tuples(st.just("EXISTS "), path),
).map("".join)  # fmt: skip


def joined(below: st.SearchStrategy[str], *words: str) -> st.SearchStrategy[str]:
    return st.tuples(below, st.sampled_from(words), below, st.booleans()).map(
        lambda part: f"({part[0]} {part[1]} {part[2]})" if part[3] else f"{part[0]} {part[1]} {part[2]}"
    )


tests = st.recursive(test, lambda below: joined(below, "AND", "OR"), max_leaves=4)
observation = st.tuples(tests, st.sampled_from(["", " WITHIN 5 SECONDS", " REPEATS 2 TIMES"])).map(
    lambda part: f"[{part[0]}]{part[1]}"
)
patterns = st.recursive(observation, lambda below: joined(below, "AND", "OR", "FOLLOWEDBY"), max_leaves=3)


def accepts(pattern: str) -> bool:
    try:
        parse(pattern)
    except PatternError:
        return False
    return True


def oasis_accepts(pattern: str) -> bool:
    try:
        Pattern(pattern)
    except ParseException:
        return False
    return True


@settings(max_examples=80, deadline=None)
@given(patterns)
def test_every_pattern_is_accepted(pattern: str) -> None:
    assert oasis_accepts(pattern)
    assert accepts(pattern)


@settings(max_examples=80, deadline=None)
@given(patterns, st.integers(0, 80), st.sampled_from(["", "'", "]", " AND", "(", ")", " NOT ", "=", "[", " OR "]))
def test_what_oasis_accepts_of_damaged_patterns_is_accepted(pattern: str, at: int, noise: str) -> None:
    damaged = pattern[:at] + noise + pattern[at + 1 :]
    assert accepts(damaged) or not oasis_accepts(damaged), damaged


@pytest.mark.parametrize(
    "pattern",
    ["", "[]", "[file:name]", "[file:name = ]", "[file:name = 'a'", "file:name = 'a'", "[file:name = 'a'] AND",
     "[= 'a']", "[file:name = 'a' XOR file:name = 'b']", "[file:name = 'a''b']", "[file:name LIKE 5]",
     "[file:name IN 'a']", "[file:name = 'a'] WITHIN SECONDS", "[file:name = 'a'] REPEATS TIMES",
     "[(file:name = 'a']", "[file:name > true]",
     "[file:name = 'a'] START 'x' STOP 'y'", "[file:name = t'yesterday']", "[NOT file:name = 'a']"],
)  # fmt: skip
def test_broken_patterns_are_refused_as_oasis_refuses_them(pattern: str) -> None:
    assert not oasis_accepts(pattern)
    assert not accepts(pattern)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="[]()'\\ :=<>.*-_aANDORNTIbt%50,/", max_size=40))
def test_no_text_crashes_the_reader(text: str) -> None:
    accepts(text)


def test_conjunction_binds_stronger_than_disjunction() -> None:
    read = parse("[file:name = 'a' OR file:name = 'b' AND file:size > 5]")
    assert isinstance(read, Some)
    assert isinstance(read.operands[1], All)


def test_operators_and_negation() -> None:
    cases = {
        "[file:name = 'a' ]": (Operator.IS, "a", False, False),
        "[file:name != 'a']": (Operator.IS, "a", False, True),
        "[file:name NOT != 'a']": (Operator.IS, "a", False, False),
        "[file:name NOT LIKE 'a%']": (Operator.IS, "a%", True, True),
        "[file:name MATCHES 'a\\\\.b']": (Operator.MATCHES, "a\\.b", False, False),
        "[file:size <= 5]": (Operator.UPTO, "5", False, False),
        "[ipv4-addr:value ISSUBSET '10.0.0.0/8']": (Operator.WITHIN, "10.0.0.0/8", False, False),
        "[EXISTS file:name]": (Operator.IS, "%", True, False),
        "[file:mtime > t'2020-01-01T00:00:00Z']": (Operator.ABOVE, "2020-01-01T00:00:00Z", False, False),
    }
    for pattern, expected in cases.items():
        read = parse(pattern)
        assert isinstance(read, Term)
        assert (read.operator, read.value, read.like, read.negated) == expected, pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "[" + " OR ".join(f"file:name = 'a{n}'" for n in range(5_000)) + "]",
        "[" + " AND ".join(f"file:name = 'a{n}'" for n in range(5_000)) + "]",
        "[file:name = 'a' ]" + " WITHIN 5 SECONDS" * 5_000,
        "[file:name = 'a' AND file:name = '" + "x" * 200_000 + "']",
        "[file:name = 'a' " + "/**/" * 40_000 + "]",
        "[" + "(" * MAX_DEPTH + "file:name = 'a'" + ")" * MAX_DEPTH + "]",
    ],
)
def test_long_patterns_take_linear_time(pattern: str) -> None:
    start = time.process_time()
    parse(pattern)
    assert time.process_time() - start < 2


@pytest.mark.parametrize("pattern", ["(" * 5_000, "[" * 5_000, "[a:b" + "[*]" * 90_000, "[file:name IN ()] x", "'"])
def test_hostile_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(PatternError):
        parse(pattern)
