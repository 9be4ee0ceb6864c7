"""Syntax trees as plain lists: each field, test and condition once, so that thousands of rules load in a moment."""

from typing import Any

import msgspec
from msgspec import Struct

from vedette.query.ast import And, Anywhere, Condition, Node, Not, Or, Test
from vedette.schema.dictionary import Field

Packed = Any
"""A number of a condition, or [kind, operand, ...]."""
_AND, _OR, _NOT, _ANYWHERE = range(4)


class Tables(Struct):
    """What packed trees refer to."""

    fields: list[Field] = []
    tests: list[Test] = []
    conditions: list[tuple[int, int, tuple[str, ...]]] = []
    anywhere: list[tuple[str, tuple[int, ...]]] = []


class Packer:
    """Packs trees into common tables."""

    def __init__(self) -> None:
        self.tables = Tables()
        self._known: dict[Any, int] = {}

    def pack(self, node: Node) -> Packed:
        """Give a tree as lists."""
        match node:
            case Condition():
                return self._condition(node)
            case And():
                return [_AND, *map(self.pack, node.operands)]
            case Or():
                return [_OR, *map(self.pack, node.operands)]
            case Not():
                return [_NOT, self.pack(node.operand)]
            case Anywhere():
                key = (node.pattern, tuple(map(self._condition, node.conditions)))
                return [_ANYWHERE, self._number(key, self.tables.anywhere)]

    def _condition(self, node: Condition) -> int:
        field = self._known.get(node.field.name)
        if field is None:
            field = self._known[node.field.name] = len(self.tables.fields)
            self.tables.fields.append(node.field)
        test = self._number(node.test, self.tables.tests)
        return self._number((field, test, node.types), self.tables.conditions)

    def _number(self, thing: Any, table: list[Any]) -> int:
        key = (id(table), thing)
        number = self._known.get(key)
        if number is None:
            number = self._known[key] = len(table)
            table.append(thing)
        return number


class Unpacker:
    """Gives trees back."""

    def __init__(self, tables: Tables) -> None:
        self._conditions: list[Condition] = [
            Condition(tables.fields[field], tables.tests[test], types) for field, test, types in tables.conditions
        ]
        self._anywhere: list[Node] = [
            Anywhere(tuple(self._conditions[number] for number in numbers), pattern)
            for pattern, numbers in tables.anywhere
        ]

    def unpack(self, packed: Packed) -> Node:
        """Give a tree. Raises IndexError, TypeError or msgspec.ValidationError for what is none."""
        if isinstance(packed, int):
            return self._conditions[packed]
        kind, *rest = packed
        if kind == _ANYWHERE:
            return self._anywhere[int(rest[0])]
        if kind == _NOT:
            return Not(self.unpack(rest[0]))
        if kind not in {_AND, _OR}:
            raise msgspec.ValidationError(f"{kind} is no kind of node")
        operands = tuple(map(self.unpack, rest))
        return And(operands) if kind == _AND else Or(operands)
