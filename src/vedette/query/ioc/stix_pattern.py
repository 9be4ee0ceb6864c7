"""A STIX 2.1 pattern -> criteria. One event is one observation: what asks for several is unknown to it."""

import re
import tomllib
from collections.abc import Callable
from functools import cache
from importlib.resources import files

from lark import Token, Tree

from vedette.query import syntax
from vedette.query.ioc.criteria import MAX_DEPTH, MAX_TERMS, All, Criteria, Some, Term
from vedette.query.values import Operator
from vedette.runtime.errors import QueryError

MAX_PATTERN = 262_144
"""Characters."""
_ORDER = {"<": Operator.BELOW, "<=": Operator.UPTO, ">": Operator.ABOVE, ">=": Operator.FROM}
_SIMPLE = re.compile(r"\s*\[\s*([a-zA-Z][\w:.\-]{2,200}?)\s*=\s*'((?:[^'\\]|\\['\\])*)'\s*\]\s*")
_SIGNS = re.compile(r"'(?:[^'\\]|\\['\\])*'|[()]")
_ESCAPE = re.compile(r"\\(['\\])")
_LITERAL = re.compile(r"[tbh]?'(.*)'", re.DOTALL)
_NEGATIONS = frozenset({"!=", "<>"})
_WORDS = {
    "BRACKET": "an observation in [ ]",
    "PATH": "an object path",
    "OPEN": "an opening parenthesis",
    "CLOSE": "a closing parenthesis",
    "BRACKETS": "a closing bracket",
    "STRING": "a text in quotes",
    "NUMBER": "a number",
    "TIME": "a time",
    "EQUAL": "an operator",
    "AND": "AND",
    "OR": "OR",
}


class PatternError(ValueError):
    """Not a STIX pattern, or one beyond the bounds."""


def parse(text: str, line: int = 0) -> Criteria:
    """Read one pattern; `line`: where it stands in its file. Raises `PatternError`."""
    if simple := _SIMPLE.fullmatch(text):
        return _term(simple[1], Operator.IS, _ESCAPE.sub(r"\1", simple[2]), line)
    if len(text) > MAX_PATTERN:
        raise PatternError(f"a pattern of {len(text):,} characters; at most {MAX_PATTERN:,} are allowed")
    _check_depth(text)
    try:
        tree = syntax.parse("stix", text, _WORDS)
    except QueryError as error:
        raise PatternError(f"column {error.column}: {error.problem}") from error
    return _Reader(line).read(tree)


def _check_depth(text: str) -> None:
    """Refuse what would nest the reader too deeply, before it is read."""
    deep = 0
    for sign in _SIGNS.findall(text):
        deep += (sign == "(") - (sign == ")")
        if deep > MAX_DEPTH:
            raise PatternError(f"groups are nested deeper than {MAX_DEPTH}")


@cache
def _paths() -> dict[str, str]:
    table = tomllib.loads((files("vedette.query.ioc") / "stix_paths.toml").read_text(encoding="utf-8"))
    return {path.replace("'", "").lower(): term for path, term in table.items()}


def _term(path: str, operator: Operator, value: str, line: int, *, like: bool = False, negated: bool = False) -> Term:
    """A test; a path without an OpenIOC term keeps its own name, which no event carries."""
    plain = "".join(path.replace("'", "").lower().split())
    return Term(
        name=_paths().get(plain, str(path)), operator=operator, value=value, like=like, negated=negated, line=line,
        exact_case=operator is Operator.MATCHES,
    )  # fmt: skip


class _Reader:
    """Turns the parse tree of one pattern into criteria."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._count = 0
        self._rules: dict[str, Callable[[Tree[Token]], Criteria]] = {
            "followed": lambda tree: self._several(tree, "FOLLOWEDBY"),
            "either": lambda tree: self._joined(tree, Some),
            "both": lambda tree: self._several(tree, "AND of observations"),
            "observed": self._observed,
            "any_of": lambda tree: self._joined(tree, Some),
            "all_of": lambda tree: self._joined(tree, All),
            "compare": self._compare,
            "member": self._member,
            "exists": self._exists,
        }

    def read(self, tree: Tree[Token]) -> Criteria:
        """Read any part."""
        rule = self._rules.get(tree.data)
        return rule(tree) if rule else self.read(syntax.branches(tree)[0])

    def _joined(self, tree: Tree[Token], kind: type[All] | type[Some]) -> Criteria:
        parts = tuple(map(self.read, syntax.branches(tree)))
        return parts[0] if len(parts) == 1 else kind(parts, self._line)

    def _several(self, tree: Tree[Token], what: str) -> Criteria:
        """Several observations are several events."""
        below = syntax.branches(tree)
        return self.read(below[0]) if len(below) == 1 else self._unknown(what)

    def _observed(self, tree: Tree[Token]) -> Criteria:
        """WITHIN bounds the time between observations, so that one observation is always within."""
        words = {token.type for token in syntax.tokens(tree)}
        if "REPEATS" in words:
            return self._unknown("REPEATS")
        return self._unknown("START ... STOP") if "START" in words else self.read(syntax.branches(tree)[0])

    def _unknown(self, what: str) -> Term:
        return Term(name=what, value="", line=self._line)

    def _compare(self, tree: Tree[Token]) -> Criteria:
        path, *negation, sign, literal = syntax.tokens(tree)
        negated = bool(negation) != (sign in _NEGATIONS)
        if sign.type == "ISSUPERSET":
            return self._unknown(f"{path} ISSUPERSET")
        operator = {"MATCHES": Operator.MATCHES, "ISSUBSET": Operator.WITHIN}.get(sign.type, Operator.IS)
        return self._test(path, _ORDER.get(sign, operator), literal, negated=negated, like=sign.type == "LIKE")

    def _member(self, tree: Tree[Token]) -> Criteria:
        path, *rest = syntax.tokens(tree)
        negated = rest[0].type == "NOT"
        literals = [one for one in rest if one.type not in {"NOT", "IN", "OPEN", "CLOSE", "COMMA"}]
        parts = tuple(self._test(path, Operator.IS, one, negated=negated) for one in literals)
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return self._unknown(f"{path} IN ()")
        return All(parts, self._line) if negated else Some(parts, self._line)

    def _exists(self, tree: Tree[Token]) -> Criteria:
        *words, path = syntax.tokens(tree)
        return _term(path, Operator.IS, "%", self._line, like=True, negated=len(words) == 2)

    def _test(self, path: str, operator: Operator, literal: str, *, negated: bool, like: bool = False) -> Term:
        self._count += 1
        if self._count > MAX_TERMS:
            raise PatternError(f"more than {MAX_TERMS:,} comparisons")
        found = _LITERAL.fullmatch(literal)
        value = _ESCAPE.sub(r"\1", found[1]) if found else str(literal)
        return _term(path, operator, value, self._line, like=like, negated=negated)
