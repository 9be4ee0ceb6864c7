"""KATA's source mode, as its online help documents it: the syntax up to 6.x and that of 7.0 and of the events API.

Confirmed there: `=`, `==`, `!=`, `>`, `>=`, `<`, `<=`, CONTAINS, `in`, AND, OR, NOT, parentheses; `'x'` and `"x"`; in a
string `*` and `?` are wildcards, and special characters are escaped with a backslash. The help gives the builder's
STARTS, ENDS and their negations as wildcards; here they may also be written as words. Ours alone: `!` before a
condition, square brackets around a list, `in(Name, ...)`.
"""

import re

from lark import Token, Tree

from vedette.query import ast, glob, syntax
from vedette.query.ast import Node
from vedette.query.terms import Terms
from vedette.query.values import Operator, Value

_WORDS = {
    "NAME": "a field",
    "OPEN": "an opening parenthesis",
    "CLOSE": "a closing parenthesis",
    "STRING": "a value in quotes",
    "NUMBER": "a number",
    "AND": "AND",
    "OR": "OR",
    "OP": "an operator (==, !=, >, <, CONTAINS, IN)",
}
_PIECE = re.compile(r"""\\(?P<literal>[\\*?'"])|(?P<wildcard>[*?])|(?P<text>[^\\*?]+|\\)""")
_OPERATORS = {
    "=": Operator.IS,
    "==": Operator.IS,
    "!=": Operator.IS,
    ">": Operator.ABOVE,
    ">=": Operator.FROM,
    "<": Operator.BELOW,
    "<=": Operator.UPTO,
    "contains": Operator.CONTAINS,
    "starts": Operator.STARTS,
    "ends": Operator.ENDS,
}


def parse(text: str, *, now: int) -> Node:
    """Read `text`; relative times count from `now` (microseconds UTC). Raises `QueryError` and nothing else."""
    if not text.strip():
        return ast.EVERYTHING
    tree = syntax.parse("kata", text, _WORDS)
    return _Reader(text, now).either(syntax.branches(tree)[0])


class _Reader:
    """Turns the parse tree of one query into nodes."""

    def __init__(self, text: str, now: int) -> None:
        self._terms = Terms(text, now)

    def either(self, tree: Tree[Token]) -> Node:
        return ast.any_of(*[self._both(branch) for branch in syntax.branches(tree)])

    def _both(self, tree: Tree[Token]) -> Node:
        return ast.all_of(*[self._unary(branch) for branch in syntax.branches(tree)])

    def _unary(self, tree: Tree[Token]) -> Node:
        node = self._term(syntax.branches(tree)[0])
        return ast.Not(node) if len(syntax.tokens(tree)) % 2 else node

    def _term(self, tree: Tree[Token]) -> Node:
        if tree.data == "group":
            return self.either(syntax.branches(tree)[0])
        tokens = {token.type: token for token in syntax.tokens(tree)}
        name = Value(str(tokens["NAME"]), tokens["NAME"].start_pos or 0)
        inner = syntax.branches(tree)[0]
        sign = tokens.get("OP") or tokens.get("WORD_OP") or tokens["IN"]
        negated = sign.lower().startswith(("!", "not"))
        node = self._list(name, inner) if tree.data == "list" else self._compare(name, sign, syntax.tokens(inner)[0])
        return ast.Not(node) if negated else node

    def _compare(self, name: Value, sign: Token, constant: Token) -> Node:
        word = sign.lower()
        operator = _OPERATORS[word] if sign.type == "OP" else _OPERATORS[word.removeprefix("not").lstrip("! \t\r\n")]
        value = _value(constant)
        if operator is Operator.IS and value.like and not value.like.strip("%"):
            return self._terms.exists(name)
        return self._terms.compare(name, operator, value)

    def _list(self, name: Value, constants: Tree[Token]) -> Node:
        return self._terms.one_of(name, [_value(syntax.tokens(one)[0]) for one in syntax.branches(constants)])


def _value(token: Token) -> Value:
    """Value of a constant: escapes resolved, wildcards found."""
    text, at = str(token), token.start_pos or 0
    if token.type != "STRING":
        return Value(text, at)
    literal, like = glob.scan(text[1:-1], _PIECE)
    return Value(literal, at, like)
