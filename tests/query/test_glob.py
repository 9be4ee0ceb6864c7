"""Wildcards and letter case."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.query import glob


@given(st.text())
def test_an_escaped_text_matches_itself_and_nothing_else(text: str) -> None:
    assert glob.to_regex(glob.escape(text)).fullmatch(text)
    assert not glob.to_regex(glob.escape(text)).fullmatch(text + "x")
    assert glob.literals(glob.escape(text)) == ([text] if text else [])


@given(st.text())
def test_folding_is_done_once_and_for_all(text: str) -> None:
    assert glob.fold(glob.fold(text)) == glob.fold(text)
    assert glob.fold(text).isascii() or not text.isascii()


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a%c", "abbc", True),
        ("a%c", "ac\n", False),
        ("a_c", "a\nc", True),
        ("a_c", "ac", False),
        (r"100\%", "100%", True),
        (r"100\%", "1000", False),
        (r"a\\%", "a\\b", True),
        ("%é_", "xéy", True),
    ],
)
def test_patterns(pattern: str, text: str, *, matches: bool) -> None:
    assert (glob.to_regex(pattern).fullmatch(text) is not None) == matches


def test_sigmas_are_one_letter() -> None:
    assert glob.fold("\u03a3\u0391\u03a3") == "\u03c3\u03b1\u03c3" == glob.fold("\u03c3\u03b1\u03c2")
