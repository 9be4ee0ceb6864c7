"""A tree that matches the same events with fewer tests: what the asked event types decide is decided beforehand.

KATA's builder writes nine names for one criterion, and a name of several columns becomes one test each. With
`event.type` asked for as well, most of them can never match, and each column that is not read is a column saved.
"""

from vedette.query import ast
from vedette.query.ast import NOTHING, And, Anywhere, Condition, Equals, Node, Not, OneOf, Or
from vedette.schema.dictionary import FIELDS


def simplify(node: Node) -> Node:
    """Give an equal tree, exactly: only types that were asked for or belong to an alias are used."""
    return _within(node, FIELDS["event.type"].types)


def asked_types(node: Node) -> frozenset[str]:
    """Event types that are left where the condition `node` holds."""
    if isinstance(node, Condition) and node.field.name == "event.type" and not node.types:
        match node.test:
            case Equals(value=value):
                return frozenset({str(value)})
            case OneOf(values=values):
                return frozenset(map(str, values))
    return FIELDS["event.type"].types


def _within(node: Node, types: frozenset[str]) -> Node:
    """Simplify for events of `types` only."""
    match node:
        case And():
            left = types.intersection(*(asked_types(operand) for operand in node.operands))
            parts = [_within(operand, left) for operand in node.operands]
            return NOTHING if NOTHING in parts or not left else ast.all_of(*parts)
        case Or():
            return ast.any_of(*(part for operand in node.operands if (part := _within(operand, types)) != NOTHING))
        case Not():
            return Not(_within(node.operand, types))
        case Condition():
            return _condition(node, types)
        case Anywhere():
            return node


def _condition(node: Condition, types: frozenset[str]) -> Node:
    if not node.types:
        return node
    left = types.intersection(node.types)
    if not left:
        return NOTHING
    return Condition(node.field, node.test, () if left == types else tuple(sorted(left)))
