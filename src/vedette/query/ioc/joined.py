"""Many alternatives of one column are one list: a file of 200 digests is one look-up, not 200 comparisons."""

from vedette.query import ast
from vedette.query.ast import Condition, Equals, InDomains, InNetworks, Node, OneOf, Or

Key = tuple[str, tuple[str, ...], type]
Member = str | int


def joined(node: Node) -> Node:
    """Equal tree in which the alternatives of an `Or` that ask the same of a column are one condition."""
    if not isinstance(node, Or):
        return node
    lists: dict[Key, dict[Member, None]] = {}
    for operand in node.operands:
        if key := _key(operand):
            lists.setdefault(key, {}).update(dict.fromkeys(_members(operand)))
    parts: list[Node] = []
    for operand in node.operands:
        key = _key(operand)
        if key is None or not isinstance(operand, Condition):
            parts.append(operand)
        elif key in lists:
            parts.append(_listed(operand, tuple(lists.pop(key))))
    return ast.any_of(*parts)


def _key(operand: Node) -> Key | None:
    if not isinstance(operand, Condition):
        return None
    match operand.test:
        case Equals(value=bool()):
            return None
        case Equals(value=value):
            return operand.field.name, operand.types, type(value)
        case OneOf(values=values):
            return operand.field.name, operand.types, type(values[0])
        case InDomains() | InNetworks():
            return operand.field.name, operand.types, type(operand.test)
        case _:
            return None


def _members(operand: Node) -> tuple[Member, ...]:
    test = operand.test if isinstance(operand, Condition) else None
    match test:
        case Equals(value=value):
            return (value,)
        case OneOf(values=values):
            return values
        case InDomains(names=names):
            return names
        case InNetworks(networks=networks):
            return networks
        case _:
            return ()


def _listed(operand: Condition, members: tuple[Member, ...]) -> Condition:
    texts = tuple(map(str, members))
    match operand.test:
        case InDomains():
            return Condition(operand.field, InDomains(texts), operand.types)
        case InNetworks():
            return Condition(operand.field, InNetworks(texts), operand.types)
        case _:
            test = OneOf(members) if len(members) > 1 else Equals(members[0])
            return Condition(operand.field, test, operand.types)
