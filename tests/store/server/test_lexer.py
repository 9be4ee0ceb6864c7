"""Words of a statement: what the lexer takes, and that it refuses the rest."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.errors import AccessDenied
from vedette.store.server.lexer import Shape, tokens


def shapes(statement: str) -> list[tuple[str, str]]:
    return [(token.shape.value, token.value) for token in tokens(statement)]


def test_a_statement_is_cut_into_its_words() -> None:
    assert shapes("SELECT `a.b`, 'it''s' FROM t WHERE x >= {p0:String}") == [
        ("word", "SELECT"), ("quoted", "a.b"), ("sign", ","), ("text", "it''s"), ("word", "FROM"), ("word", "t"),
        ("word", "WHERE"), ("word", "x"), ("sign", ">="), ("sign", "{"), ("word", "p0"), ("sign", ":"),
        ("word", "String"), ("sign", "}"),
    ]  # fmt: skip


def test_escapes_do_not_end_a_text() -> None:
    assert shapes(r"'a\'; DROP TABLE t' `b\`c`") == [("text", "a'; DROP TABLE t"), ("quoted", "b`c")]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 -- comment",
        "SELECT /* comment */ 1",
        "SELECT $$heredoc$$",
        "SELECT 'open",
        "SELECT `open",
        "SELECT \u2018quote\u2019",
        "SELECT \u00a01",
        "SELECT #1",
        "SELECT 1 \x00",
        "SELECT \\G",
    ],
)
def test_what_two_lexers_may_read_differently_is_refused(statement: str) -> None:
    with pytest.raises(AccessDenied):
        list(tokens(statement))


@given(st.text(max_size=60))
def test_any_text_is_cut_whole_or_refused(text: str) -> None:
    try:
        found = list(tokens(text))
    except AccessDenied:
        return
    rest = "".join(text[a.end : b.start] for a, b in pairwise(found))
    assert rest.strip(" \t\r\n") == ""


@given(st.text(max_size=40))
def test_a_quoted_text_is_one_token_whatever_is_in_it(text: str) -> None:
    quoted = "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
    (token,) = tokens(quoted)
    assert (token.shape, token.value) == (Shape.TEXT, text)
