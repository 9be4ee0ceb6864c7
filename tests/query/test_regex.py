"""Regular expressions: the same to RE2 and Python, and their literals are truly necessary."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
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
