"""Running a lark grammar over a query: bounded, and every failure a `QueryError` at its place."""

from collections.abc import Collection, Mapping
from functools import cache
from importlib.resources import files

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken

from vedette.query import ast
from vedette.query.position import check_characters, error_at, excerpt

MAX_TOKENS = 60_000


@cache
def _parser(grammar: str) -> Lark:
    text = (files("vedette.query") / f"{grammar}.lark").read_text(encoding="utf-8")
    return Lark(text, parser="lalr", lexer="contextual", maybe_placeholders=False)


def parse(grammar: str, text: str, words: Mapping[str, str]) -> Tree[Token]:
    """Parse `text` by `<grammar>.lark`; `words` says for people what each terminal is. Raises `QueryError`."""
    if len(text) > ast.MAX_TEXT:
        raise error_at(text, 0, f"the query has {len(text):,} characters; at most {ast.MAX_TEXT:,} are allowed")
    check_characters(text)
    parser = _parser(grammar).parse_interactive(text)
    deep = count = 0
    try:
        for token in parser.lexer_thread.lex(parser.parser_state):  # type: ignore[no-untyped-call]
            count += 1
            deep += (token.type == "OPEN") - (token.type == "CLOSE")
            _check_bounds(text, token, deep, count)
            parser.feed_token(token)
        tree = parser.feed_eof()  # type: ignore[no-untyped-call]
    except UnexpectedInput as problem:
        raise _explained(text, problem, words) from problem
    return tree  # type: ignore[no-any-return]


def branches(tree: Tree[Token]) -> list[Tree[Token]]:
    """Subtrees of `tree`."""
    return [child for child in tree.children if isinstance(child, Tree)]


def tokens(tree: Tree[Token]) -> list[Token]:
    """Tokens directly below `tree`."""
    return [child for child in tree.children if isinstance(child, Token)]


def _check_bounds(text: str, token: Token, deep: int, count: int) -> None:
    at = token.start_pos or 0
    if deep > ast.MAX_DEPTH:
        raise error_at(text, at, f"parentheses are nested deeper than {ast.MAX_DEPTH}")
    if count > MAX_TOKENS:
        raise error_at(text, at, f"the query has more than {MAX_TOKENS:,} words and signs")


def _explained(text: str, problem: UnexpectedInput, words: Mapping[str, str]) -> Exception:
    if isinstance(problem, UnexpectedToken) and problem.token.type == "$END":
        return error_at(text, len(text), f"the query ends too early; expected {_expected(problem, words)}")
    offset = getattr(problem, "pos_in_stream", None) or 0
    if isinstance(problem, UnexpectedCharacters):
        return _bad_character(text, offset, problem, words)
    if text[offset : offset + 1] == ")" and "CLOSE" not in _allowed(problem):
        return error_at(text, offset, "the parenthesis closes nothing, or too early")
    token = excerpt(text[offset:].split(None, 1)[0] if text[offset:].strip() else "")
    return error_at(text, offset, f"“{token}” is not expected here; expected {_expected(problem, words)}")


def _bad_character(text: str, offset: int, problem: UnexpectedCharacters, words: Mapping[str, str]) -> Exception:
    letter = text[offset : offset + 1]
    if letter in {'"', "'"}:
        closed = letter in text[offset + 1 :]
        return error_at(
            text,
            offset,
            "quotes go around a whole value; after the closing quote comes a blank or a parenthesis"
            if closed
            else f"the quote {letter} is not closed",
        )
    return error_at(text, offset, f"“{letter}” is not expected here; expected {_expected(problem, words)}")


def _allowed(problem: UnexpectedInput) -> Collection[str]:
    names = problem.expected if isinstance(problem, UnexpectedToken) else getattr(problem, "allowed", None)
    return names or ()


def _expected(problem: UnexpectedInput, words: Mapping[str, str]) -> str:
    said = sorted({words[name] for name in _allowed(problem) if name in words})
    return " or ".join(said) if said else "a condition"
