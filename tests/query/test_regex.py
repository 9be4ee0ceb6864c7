"""Regular expressions: the same to RE2 and Python, and their literals are truly necessary."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.query.regex import Expression, RegexError, parse


@pytest.mark.parametrize(
    ("pattern", "necessary"),
    [
        ("powershell", (("powershell",),)),
        ("Power(?:Shell|Cat).*-ENC", (("power",), ("-enc",))),
        ("(powershell|pwsh\\.exe)", (("powershell", "pwsh.exe"),)),
        ("(powershell|cmd)", ()),
        (
            "curl\\s+https?://",
            (
                ("curl",),
                ("http",),
            ),
        ),
        ("x*", ()),
        ("(abcd)?efgh", (("efgh",),)),
        ("(abcd)+", (("abcd",),)),
        ("(?-i)ABCD", (("abcd",),)),
        ("[a]bcd", ()),
    ],
)
def test_necessary_literals(pattern: str, necessary: tuple[tuple[str, ...], ...]) -> None:
    assert parse(pattern).necessary == necessary


@pytest.mark.parametrize(
    ("pattern", "problem"),
    [
        ("", "empty"),
        ("(?=x)", "look-around"),
        ("(?<!x)y", "look-around"),
        ("(a)\\1", "escape"),
        ("\\pL", "escape"),
        ("a++", "repeat"),
        ("*a", "nothing to repeat"),
        ("a{2000}", "1000"),
        ("(a{100}){100}", "1000"),
        ("(a", "not closed"),
        ("a)", "no opening"),
        ("[a", "not closed"),
        ("[b-a]", "out of order"),
        ("[[:foo:]]", "named class"),
        ("a(?i)b", "come first"),
        ("\\", "escape"),
        ("\\x{110000}", "no such character"),
        ("(" * 40 + ")" * 40, "deeper"),
        ("x" * 1025, "1024"),
    ],
)
def test_what_one_of_the_engines_cannot_run_is_refused(pattern: str, problem: str) -> None:
    with pytest.raises(RegexError, match=problem):
        parse(pattern)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("a.b", "A\nB", True),
        ("(?-s)a.b", "a\nb", False),
        ("(?-i:A)b", "aB", False),
        ("^b", "a\nb", False),
        ("b$", "b\n", False),
        ("\\w", "é", False),
        ("\\bé", "aé", True),
        ("[^\\S]", " ", True),
        ("[[:upper:]]", "a", True),
        ("a{2,}", "aaa", True),
        ("a{,2}", "a{,2}", True),
    ],
)
def test_it_matches_like_re2(pattern: str, text: str, *, found: bool) -> None:
    assert (parse(pattern).compiled().search(text) is not None) == found


def attempt(pattern: str) -> tuple[RegexError | None, Expression | None]:
    """Give why it is refused, or the expression."""
    try:
        return None, parse(pattern)
    except RegexError as error:
        return error, None


@given(st.text(alphabet="ab.|()[]^$*+?{}1,\\dwsSbB-:i\n", max_size=20), st.text(alphabet="abABds1 \n", max_size=12))
def test_any_expression_is_refused_or_runs_and_its_literals_are_necessary(pattern: str, text: str) -> None:
    problem, expression = attempt(pattern)
    if expression is None:
        assert problem is not None
        assert 0 <= problem.offset <= len(pattern)
        return
    if expression.compiled().search(text):
        assert all(any(literal in text.lower() for literal in literals) for literals in expression.necessary)


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF), min_size=1, max_size=20))
def test_an_escaped_text_finds_itself(text: str) -> None:
    pattern = "".join(f"\\x{{{ord(letter):x}}}" if not letter.isalnum() else letter for letter in text)
    assert parse(pattern).compiled().search(text)
    assert re.search(re.escape(text), text)


TEXTS = ["", "a", "ab", "abc", "ABC", "a b", "aXb", "xx1", "a\nb", "é É", "_-", "ab" * 8, "1.2", "K", "\t x"]
atoms = st.sampled_from(
    [
        "a",
        "b",
        "B",
        "1",
        ".",
        "\\d",
        "\\w",
        "\\s",
        "\\S",
        "\\W",
        "\\b",
        "^",
        "$",
        "[ab]",
        "[^a]",
        "[a-c1]",
        "[[:alpha:]]",
        "[\\s\\d]",
        "[^\\w]",
        "\\.",
        "\\x41",
        "\\x{e9}",
        "é",
        "-",
        "_",
        " ",
        "\\n",
        "[a\\]]",
        "[]a]",
        "[-a]",
        "x",
        "\\A",
        "\\z",
        "]",
        "}",
    ]
)
repeats = st.sampled_from(["", "", "", "*", "+", "?", "*?", "{2}", "{1,3}", "{0,}", "{2,}?", "{0}"])
patterns = st.recursive(
    st.tuples(atoms, repeats).map("".join),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=4).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(st.sampled_from(["(", "(?:", "(?i:", "(?-i:", "(?-s:", "(?P<n>"]), inner, repeats).map(
            lambda part: f"{part[0]}{part[1]}){part[2]}"
        ),
        inner.map(lambda pattern: f"(?-i){pattern}"),
    ),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(patterns)
def test_the_store_accepts_what_we_accept_and_finds_the_same(store: Any, pattern: str) -> None:
    problem, expression = attempt(pattern)
    if expression is None:
        assert problem is not None
        return
    sql = "SELECT arrayMap(x -> match(x, {p:String}), {t:Array(String)})"
    found = store.events.query(sql, {"p": "(?is)" + pattern, "t": TEXTS})[0][0]
    search = expression.compiled().search
    assert {text: bool(one) for text, one in zip(TEXTS, found, strict=True)} == {
        text: search(text) is not None for text in TEXTS
    }
