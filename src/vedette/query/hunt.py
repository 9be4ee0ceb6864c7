"""The hunt language: `process.file.name:curl AND NOT user.name:root`. See docs/hunting.md."""

import re

from lark import Token, Tree

from vedette.query import ast, glob, moments, syntax
from vedette.query.ast import Node
from vedette.query.position import error_at
from vedette.query.terms import Terms
from vedette.query.values import Operator, Value

_WORDS = {
    "NAME": "a field",
    "WORD": "a word",
    "OPEN": "an opening parenthesis",
    "CLOSE": "a closing parenthesis",
    "VALUE": "a value",
    "ITEM": "a value",
    "AND": "AND",
    "OR": "OR",
}
_WILDCARD = re.compile(r"\[(?P<literal>[*?])\]|(?P<wildcard>[*?])|(?P<text>[^*?\[]+|\[)")
_RANGE = re.compile(r'([\[{])\s*("[^"]*"|[^\s"\]}]+)\s+to\s+("[^"]*"|[^\s"\]}]+)\s*([\]}])', re.IGNORECASE)
_OPERATORS = {
    "": Operator.IS,
    "=": Operator.IS,
    "==": Operator.IS,
    ">": Operator.ABOVE,
    ">=": Operator.FROM,
    "<": Operator.BELOW,
    "<=": Operator.UPTO,
    "contains": Operator.CONTAINS,
    "starts": Operator.STARTS,
    "startswith": Operator.STARTS,
    "ends": Operator.ENDS,
    "endswith": Operator.ENDS,
    "matches": Operator.MATCHES,
    "cidr": Operator.WITHIN,
}


def parse(text: str, *, now: int) -> Node:
    """Read `text`; relative times count from `now` (microseconds UTC). Raises `QueryError` and nothing else."""
    if not text.strip():
        return ast.EVERYTHING
    tree = syntax.parse("hunt", text, _WORDS)
    return _Reader(text, now).either(syntax.branches(tree)[0])


class _Reader:
    """Turns the parse tree of one query into nodes."""

    def __init__(self, text: str, now: int) -> None:
        self._text, self._now = text, now
        self._terms = Terms(text, now, unknown="; if it is text to search for, put it in quotes")

    def either(self, tree: Tree[Token]) -> Node:
        return ast.any_of(*[self._both(branch) for branch in syntax.branches(tree)])

    def _both(self, tree: Tree[Token]) -> Node:
        return ast.all_of(*[self._unary(branch) for branch in syntax.branches(tree)])

    def _unary(self, tree: Tree[Token]) -> Node:
        node = self._term(syntax.branches(tree)[0])
        return ast.Not(node) if len(syntax.tokens(tree)) % 2 else node

    def _term(self, tree: Tree[Token]) -> Node:
        tokens = syntax.tokens(tree)
        match tree.data:
            case "group":
                return self.either(syntax.branches(tree)[0])
            case "compare":
                return self._compare(tokens[0], tokens[1], syntax.tokens(syntax.branches(tree)[0])[0])
            case "list":
                return self._list(tokens[0], tokens[1], syntax.branches(tree)[0])
            case "last":
                return self._last(tokens[0])
            case _:
                return self._anywhere(tokens[0])

    def _compare(self, name: Token, sign: Token, token: Token) -> Node:
        negated, operator = _operator(sign)
        node = self._test(_name(name), operator, token)
        return ast.Not(node) if negated else node

    def _test(self, name: Value, operator: Operator, token: Token) -> Node:
        if token.type == "RANGE" and operator is Operator.IS:
            return self._range(name, token)
        value = _value(token, wild=operator is Operator.IS)
        if token.type == "REGEX" and operator in {Operator.IS, Operator.MATCHES}:
            return self._terms.compare(name, Operator.MATCHES, value)
        if token.type == "VALUE" and operator is Operator.IS and ".." in token and self._terms.ranges(name):
            low, _, high = str(token).partition("..")
            return self._terms.between(name, _bound(low, token), _bound(high, token))
        if operator is Operator.IS and value.like and not value.like.strip("%"):
            return self._terms.exists(name)
        return self._terms.compare(name, operator, value)

    def _range(self, name: Value, token: Token) -> Node:
        found = _RANGE.fullmatch(token)
        if not found:
            raise error_at(self._text, token.start_pos or 0, "a range is written [low TO high]")
        opening, low, high, closing = found.groups()
        return self._terms.between(
            name,
            _bound(low.strip('"'), token),
            _bound(high.strip('"'), token),
            after=opening == "{",
            before=closing == "}",
        )

    def _list(self, name: Token, sign: Token, items: Tree[Token]) -> Node:
        negated, operator = (sign.lower().startswith("not"), Operator.IS) if sign.type == "IN" else _operator(sign)
        if operator is not Operator.IS:
            raise error_at(self._text, sign.start_pos or 0, f"“{sign}” takes one value, not a list")
        tokens = [syntax.tokens(item)[0] for item in syntax.branches(items)]
        plain = [_value(token, wild=True) for token in tokens if token.type != "REGEX"]
        nodes = [self._test(_name(name), operator, token) for token in tokens if token.type == "REGEX"]
        nodes += [self._terms.one_of(_name(name), plain)] if plain else []
        node = ast.any_of(*nodes)
        return ast.Not(node) if negated else node

    def _last(self, token: Token) -> Node:
        length = moments.span(token[4:])
        if length is None:
            at = (token.start_pos or 0) + 4
            raise error_at(self._text, at, "last is followed by a span such as 30m, 24h or 7d")
        return self._terms.since(self._now - length)

    def _anywhere(self, token: Token) -> Node:
        value = _value(token, wild=True)
        return self._terms.anywhere(value, regex=token.type == "REGEX")


def _operator(sign: Token) -> tuple[bool, Operator]:
    """Whether it is negated, and the operator."""
    text = "".join(sign.lower().split()).removeprefix(":")
    if text == "!=":
        return True, Operator.IS
    return text.startswith("not"), _OPERATORS[text.removeprefix("not")]


def _name(token: Token) -> Value:
    return Value(str(token), token.start_pos or 0)


def _bound(text: str, token: Token) -> Value | None:
    return None if text in {"", "*"} else Value(text, token.start_pos or 0)


def _value(token: Token, *, wild: bool) -> Value:
    """Value without quotes or slashes; with its wildcards if `wild`."""
    text, at = str(token), token.start_pos or 0
    if token.type == "REGEX":
        return Value(text[1:-1].replace("\\/", "/"), at)
    if token.type == "QUOTED":
        text = text[1:-1].replace(text[0] * 2, text[0])
    if not wild:
        return Value(text, at)
    literal, like = glob.scan(text, _WILDCARD)
    return Value(literal, at, like)
