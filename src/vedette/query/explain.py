"""How a query was understood, for people: one line a test, indented by how they are joined."""

from typing import assert_never

from vedette.query import moments
from vedette.query.ast import (
    And,
    Anywhere,
    Between,
    Condition,
    Equals,
    Exists,
    HasUrl,
    InDomains,
    InNetwork,
    InNetworks,
    Like,
    Node,
    Not,
    OneOf,
    Or,
    Regex,
)
from vedette.query.position import excerpt
from vedette.schema.dictionary import Kind

_SHOWN_VALUES = 20


def describe(node: Node) -> str:
    """Text of the tree, one line a node."""
    return "\n".join(_lines(node, 0))


def _lines(node: Node, depth: int) -> list[str]:
    indent = "  " * depth
    match node:
        case And(operands=()):
            return [f"{indent}every event"]
        case Or(operands=()):
            return [f"{indent}no event"]
        case And() | Or():
            head = "all of" if isinstance(node, And) else "any of"
            return [f"{indent}{head}", *(line for operand in node.operands for line in _lines(operand, depth + 1))]
        case Not():
            return [f"{indent}not", *_lines(node.operand, depth + 1)]
        case Anywhere():
            columns = ", ".join(condition.field.name for condition in node.conditions)
            return [f"{indent}anywhere {_test(node.conditions[0])}  ({columns})"]
        case Condition():
            types = f"  (in {', '.join(node.types)})" if node.types else ""
            return [f"{indent}{node.field.name} {_test(node)}{types}"]
        case _:
            assert_never(node)


def _test(condition: Condition) -> str:
    match condition.test:
        case Equals() | OneOf():
            return _equal(condition.test)
        case Like(pattern=pattern):
            return f"is like {_value(pattern)}"
        case Regex(pattern=pattern):
            escaped = pattern.replace("/", "\\/")
            return f"matches /{escaped}/"
        case Between():
            return _range(condition, condition.test)
        case Exists():
            return "is known"
        case InNetwork() | InNetworks() | InDomains() | HasUrl():
            return _listed(condition.test)
        case _:
            assert_never(condition.test)


def _listed(test: InNetwork | InNetworks | InDomains | HasUrl) -> str:
    match test:
        case InNetwork(network=network):
            return f"is in {network}"
        case InNetworks(networks=networks):
            return f"is in one of {_some(networks)}"
        case InDomains(names=names):
            return f"is, or is below, one of {_some(names)}"
        case HasUrl(urls=urls):
            return f"holds a URL of {_some(urls)}"


def _equal(test: Equals | OneOf) -> str:
    if isinstance(test, Equals):
        return f"is {_value(test.value)}"
    return f"is one of {_some(test.values)}"


def _some(values: tuple[str | int, ...]) -> str:
    shown = ", ".join(map(_value, values[:_SHOWN_VALUES]))
    rest = len(values) - _SHOWN_VALUES
    return shown + (f" and {rest:,} more" if rest > 0 else "")


def _value(value: str | int) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, int) else f"“{excerpt(value, 80)}”"


def _range(condition: Condition, test: Between) -> str:
    def bound(value: int) -> str:
        return moments.written(value) if condition.field.kind is Kind.TIME else str(value)

    match (test.low, test.high):
        case (None, None):
            return "is known"
        case (int() as low, None):
            return f"is at least {bound(low)}"
        case (None, int() as high):
            return f"is at most {bound(high)}"
        case (low, high):
            return f"is from {bound(low or 0)} to {bound(high or 0)}"
