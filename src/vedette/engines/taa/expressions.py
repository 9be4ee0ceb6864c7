"""Syntax tree -> a check of the set of tests that an event passes."""

from collections.abc import Callable, Iterator
from typing import assert_never

from vedette.query.ast import And, Anywhere, Condition, Exists, Node, Not, Or, Test

ANYWHERE = "*"
"""Stands for every text of an event: what keywords are looked for in."""

Number = Callable[[str, Test], int]
"""Number of a test of a field, by the field's name."""
Check = Callable[[frozenset[int]], bool]


class Expression:
    """A condition of events of one type: tests that must hold together or as alternatives."""

    __slots__ = ("all", "leaves", "negated", "parts")

    def __init__(self, *, all_: bool, leaves: frozenset[int], parts: "tuple[Expression, ...]", negated: bool) -> None:
        self.all, self.leaves, self.parts, self.negated = all_, leaves, parts, negated

    def check(self) -> Check:
        """Compile it."""
        leaves, parts = self.leaves, [part.check() for part in self.parts]
        positive = _all(leaves, parts) if self.all else _any(leaves, parts)
        return (lambda passed: not positive(passed)) if self.negated else positive

    def tests(self) -> Iterator[int]:
        """Give every test in it."""
        yield from self.leaves
        for part in self.parts:
            yield from part.tests()

    def positive(self) -> Iterator[int]:
        """Give the tests that speak for it: not those of exclusions."""
        if not self.negated:
            yield from self.leaves
            for part in self.parts:
                yield from part.positive()

    def necessary(self, weak: frozenset[int]) -> frozenset[int] | None:
        """Give tests of which every event that matches passes one, as few as there are; None when there are none.

        `weak` tests (a field is there at all) select too little to be used.
        """
        if self.negated:
            return None
        if not self.all:
            found = [part.necessary(weak) for part in self.parts]
            if self.leaves & weak or any(one is None for one in found):
                return None
            return self.leaves.union(*(one for one in found if one is not None))
        strong = self.leaves - weak
        candidates = [frozenset((min(strong),))] if strong else []
        candidates += [one for part in self.parts if (one := part.necessary(weak)) is not None]
        return min(candidates, key=len, default=None)


def _all(leaves: frozenset[int], parts: list[Check]) -> Check:
    if not parts:
        return leaves.issubset
    return lambda passed: leaves <= passed and all(part(passed) for part in parts)


def _any(leaves: frozenset[int], parts: list[Check]) -> Check:
    if not parts:
        return lambda passed: not leaves.isdisjoint(passed)
    return lambda passed: not leaves.isdisjoint(passed) or any(part(passed) for part in parts)


def expression(node: Node, kind: str, number: Number) -> Expression:
    """Give what `node` says of events of type `kind`."""
    match node:
        case And() | Or():
            leaves, parts = _operands(node, kind, number)
            return Expression(all_=isinstance(node, And), leaves=leaves, parts=parts, negated=False)
        case Not():
            inner = expression(node.operand, kind, number)
            return Expression(all_=inner.all, leaves=inner.leaves, parts=inner.parts, negated=not inner.negated)
        case Condition():
            if node.types and kind not in node.types:
                return Expression(all_=False, leaves=frozenset(), parts=(), negated=False)
            return _leaf(number(node.field.name, node.test))
        case Anywhere():
            return _leaf(number(ANYWHERE, node.conditions[0].test))
        case _:
            assert_never(node)


def _leaf(test: int) -> Expression:
    return Expression(all_=True, leaves=frozenset((test,)), parts=(), negated=False)


def _operands(node: And | Or, kind: str, number: Number) -> tuple[frozenset[int], tuple[Expression, ...]]:
    leaves: list[int] = []
    parts: list[Expression] = []
    for operand in node.operands:
        made = expression(operand, kind, number)
        if not made.negated and not made.parts and len(made.leaves) == 1:
            leaves += made.leaves
        else:
            parts.append(made)
    return frozenset(leaves), tuple(parts)


def tests_of(node: Node) -> Iterator[tuple[str, Condition]]:
    """Give (name of the field, condition) of every test below `node`; a keyword is one test of `ANYWHERE`."""
    match node:
        case And() | Or():
            for operand in node.operands:
                yield from tests_of(operand)
        case Not():
            yield from tests_of(node.operand)
        case Condition():
            yield node.field.name, node
        case Anywhere():
            yield ANYWHERE, node.conditions[0]


def is_weak(test: Test) -> bool:
    """Whether a test selects too little to look a rule up by it."""
    return isinstance(test, Exists)
