"""A STIX 2.1 pattern -> criteria. Parsed by OASIS's own grammar; one event is one observation."""

import re
import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

from antlr4 import ParserRuleContext, TerminalNode
from stix2patterns.exceptions import ParseException
from stix2patterns.v21.pattern import Pattern

from vedette.query.ioc.criteria import MAX_DEPTH, MAX_TERMS, All, Criteria, Some, Term
from vedette.query.values import Operator

MAX_PATTERN = 65_536
"""Characters: the parser takes about 0.1 ms for ten of them."""
_ORDER = {"<": Operator.BELOW, "<=": Operator.UPTO, ">": Operator.ABOVE, ">=": Operator.FROM}
_SIMPLE = re.compile(r"\s*\[\s*([a-zA-Z][\w:.\-]{2,200}?)\s*=\s*'((?:[^'\\]|\\['\\])*)'\s*\]\s*")
_ESCAPE = re.compile(r"\\(['\\])")
_LITERAL = re.compile(r"[a-z]?'(.*)'", re.DOTALL)


class PatternError(ValueError):
    """Not a STIX pattern, or one beyond the bounds."""


def parse(text: str, line: int = 0) -> Criteria:
    """Read one pattern. What one event cannot answer becomes a term that is unknown. Raises `PatternError`."""
    if simple := _SIMPLE.fullmatch(text):
        return _term(simple[1], Operator.IS, _ESCAPE.sub(r"\1", simple[2]), line)
    if len(text) > MAX_PATTERN:
        raise PatternError(f"a pattern of {len(text):,} characters; at most {MAX_PATTERN:,} are allowed")
    _check_depth(text)
    try:
        tree = Pattern(text)
    except ParseException as error:
        raise PatternError(str(error)) from error
    except RecursionError as error:
        raise PatternError("the pattern is nested too deeply") from error
    found: Criteria = tree.visit(_Reader(line))
    return found


def _check_depth(text: str) -> None:
    deep = 0
    for sign in re.findall(r"'(?:[^'\\]|\\.)*'|[()\[\]]", text):
        deep += (sign in {"(", "["}) - (sign in {")", "]"})
        if deep > MAX_DEPTH:
            raise PatternError(f"groups are nested deeper than {MAX_DEPTH}")


@cache
def _paths() -> dict[str, str]:
    table = tomllib.loads((files("vedette.query.ioc") / "stix_paths.toml").read_text(encoding="utf-8"))
    return {path.lower(): term for path, term in table.items()}


def _term(path: str, operator: Operator, value: str, line: int, *, like: bool = False, negated: bool = False) -> Term:
    """A test; a path without an OpenIOC term keeps its own name, which no event carries."""
    plain = path.replace("'", "").lower()
    return Term(
        name=_paths().get(plain, path), operator=operator, value=value, like=like, negated=negated, line=line,
        exact_case=operator is Operator.MATCHES,
    )  # fmt: skip


class _Reader:
    """Visits the parse tree: one method for each rule of the grammar that means something to an event."""

    def __init__(self, line: int) -> None:
        self._line = line
        self._count = 0

    def visit(self, tree: Any) -> Criteria:
        name = type(tree).__name__.removesuffix("Context")
        handler = getattr(self, f"_{_snake(name)}", None)
        if handler is not None:
            made: Criteria = handler(tree)
            return made
        below = [child for child in tree.getChildren() if isinstance(child, ParserRuleContext)]
        if len(below) != 1:
            raise PatternError(f"“{_text(tree)[:60]}” cannot be read")
        return self.visit(below[0])

    def _joined(self, tree: Any, kind: type[All] | type[Some]) -> Criteria:
        parts = [self.visit(child) for child in tree.getChildren() if isinstance(child, ParserRuleContext)]
        return parts[0] if len(parts) == 1 else kind(tuple(parts), self._line)

    def _unknown(self, what: str) -> Term:
        return Term(name=what, value="", line=self._line)

    def _observation_expressions(self, tree: Any) -> Criteria:
        return self._several(tree, "FOLLOWEDBY")

    def _observation_expression_or(self, tree: Any) -> Criteria:
        return self._joined(tree, Some)

    def _observation_expression_and(self, tree: Any) -> Criteria:
        return self._several(tree, "AND of observations")

    def _several(self, tree: Any, what: str) -> Criteria:
        """Several observations are several events."""
        below = [child for child in tree.getChildren() if isinstance(child, ParserRuleContext)]
        return self.visit(below[0]) if len(below) == 1 else self._unknown(what)

    def _observation_expression_repeated(self, _tree: Any) -> Criteria:
        return self._unknown("REPEATS")

    def _observation_expression_within(self, tree: Any) -> Criteria:
        """WITHIN bounds the time between observations: one observation is always within."""
        return self.visit(tree.observationExpression())

    def _observation_expression_start_stop(self, _tree: Any) -> Criteria:
        return self._unknown("START ... STOP")

    def _comparison_expression(self, tree: Any) -> Criteria:
        return self._joined(tree, Some)

    def _comparison_expression_and(self, tree: Any) -> Criteria:
        return self._joined(tree, All)

    def _prop_test_equal(self, tree: Any) -> Criteria:
        negated = (tree.NEQ() is not None) != (tree.NOT() is not None)
        return self._test(tree, Operator.IS, tree.primitiveLiteral(), negated=negated)

    def _prop_test_order(self, tree: Any) -> Criteria:
        sign = next(_text(c) for c in tree.getChildren() if isinstance(c, TerminalNode) and _text(c) in _ORDER)
        return self._test(tree, _ORDER[sign], tree.orderableLiteral(), negated=tree.NOT() is not None)

    def _prop_test_set(self, tree: Any) -> Criteria:
        negated = tree.NOT() is not None
        literals = [c for c in tree.setLiteral().getChildren() if isinstance(c, ParserRuleContext)]
        parts = tuple(self._test(tree, Operator.IS, one, negated=negated) for one in literals)
        if len(parts) == 1:
            return parts[0]
        return All(parts, self._line) if negated else Some(parts, self._line)

    def _prop_test_like(self, tree: Any) -> Criteria:
        return self._test(tree, Operator.IS, tree.StringLiteral(), like=True, negated=tree.NOT() is not None)

    def _prop_test_regex(self, tree: Any) -> Criteria:
        return self._test(tree, Operator.MATCHES, tree.StringLiteral(), negated=tree.NOT() is not None)

    def _prop_test_is_subset(self, tree: Any) -> Criteria:
        return self._test(tree, Operator.WITHIN, tree.StringLiteral(), negated=tree.NOT() is not None)

    def _prop_test_is_superset(self, tree: Any) -> Criteria:
        return self._unknown(f"{_text(tree.objectPath())} ISSUPERSET")

    def _prop_test_exists(self, tree: Any) -> Criteria:
        path = _text(tree.objectPath())
        return _term(path, Operator.IS, "%", self._line, like=True, negated=tree.NOT() is not None)

    def _test(self, tree: Any, operator: Operator, literal: Any, *, negated: bool, like: bool = False) -> Term:
        self._count += 1
        if self._count > MAX_TERMS:
            raise PatternError(f"more than {MAX_TERMS:,} comparisons")
        value = _value(_text(literal))
        return _term(_text(tree.objectPath()), operator, value, self._line, like=like, negated=negated)


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _text(node: Any) -> str:
    return str(node.getText())


def _value(literal: str) -> str:
    """Text of a literal: 'text', t'2026-01-01T00:00:00Z', 5, true."""
    found = _LITERAL.fullmatch(literal)
    return _ESCAPE.sub(r"\1", found[1]) if found else literal
