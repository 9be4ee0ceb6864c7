"""Boolean IOCs over the columns of a batch: each distinct value is tested once, rows are combined as arrays."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import re2
from msgspec import Struct
from numpy.typing import NDArray

from vedette.query import ast, glob
from vedette.query.ast import And, Anywhere, Between, Condition, Equals, Exists, Like, Node, Not, OneOf, Or, Regex, Test
from vedette.query.predicate import check
from vedette.query.values import is_canonical
from vedette.schema.dictionary import Field, Kind
from vedette.wire.merge import UNKNOWN, Batch

Mask = NDArray[np.bool_]
Masks = dict[tuple[str, Test], Mask]
"""(column, test) -> the rows where it holds; without those that hold nowhere."""
CACHED = 100_000
"""Values of one column whose answers are remembered; all are forgotten when there are more."""
LONGEST_CACHED = 2_048
"""Characters."""
_MEMORY = 64 << 20
"""Bytes that one expression of RE2 may take; beyond that it is slower, not wrong."""
_HIGHEST = 2**63 - 1
_NUMBERS = frozenset({Kind.INTEGER, Kind.TIME})


class _Pattern(Struct, frozen=True):
    test: int
    check: Callable[[Any], bool]


class Column:
    """Every test of one text or list column."""

    def __init__(self, field: Field, tests: Mapping[Test, int]) -> None:
        self._list = field.kind is Kind.LIST
        self._exact: dict[str, list[int]] = {}
        self._exists = [number for test, number in tests.items() if isinstance(test, Exists)]
        self._always: list[_Pattern] = []
        self._likes: list[_Pattern] = []
        self._regexes: list[_Pattern] = []
        needles: list[str] = []
        self._fold: Callable[[str], str] = str if is_canonical(field) else glob.fold
        for test, number in tests.items():
            match test:
                case Exists():
                    pass
                case Equals() | OneOf():
                    for value in (test.value,) if isinstance(test, Equals) else test.values:
                        self._exact.setdefault(str(value), []).append(number)
                case Like() if literals := glob.literals(test.pattern):
                    needles.append(max(literals, key=len))
                    self._likes.append(_Pattern(number, check(field, test)))
                case Regex():
                    self._regexes.append(_Pattern(number, _search(test)))
                case _:
                    self._always.append(_Pattern(number, check(field, test)))
        self._any_needle = _any_of(re2.escape(needle) for needle in dict.fromkeys(needles))
        self._any_regex = _any_of(f"(?{test.flags}:{test.pattern})" for test in tests if isinstance(test, Regex))
        self._known: dict[Any, tuple[int, ...]] = {}

    def holds(self, value: Any) -> tuple[int, ...]:
        """Numbers of the tests that a known value passes."""
        found = self._known.get(value)
        if found is None:
            found = self._list_holds(value) if self._list else self._text_holds(value)
            if self._list or len(value) <= LONGEST_CACHED:
                if len(self._known) >= CACHED:
                    self._known.clear()
                self._known[value] = found
        return found

    def _list_holds(self, value: tuple[str, ...]) -> tuple[int, ...]:
        found = dict.fromkeys(number for one in value for number in self._text_holds(one))
        return (*(number for number in found if number not in self._exists), *(self._exists if value else ()))

    def _text_holds(self, value: str) -> tuple[int, ...]:
        found = list(self._exists)
        folded = self._fold(value)
        if self._exact and folded in self._exact and (value.isascii() or not folded.isascii() or self._fold is str):
            found += self._exact[folded]
        if self._any_needle(folded):
            found += [one.test for one in self._likes if one.check(value)]
        if self._any_regex(value):
            found += [one.test for one in self._regexes if one.check(value)]
        found += [one.test for one in self._always if one.check(value)]
        return tuple(found)


class Rows:
    """Every test of a set of rules; `look` gives what holds where in a batch."""

    def __init__(self, nodes: Iterable[Node]) -> None:
        tests: dict[str, dict[Test, int]] = {}
        fields: dict[str, Field] = {}
        for node in nodes:
            for condition in ast.conditions(node):
                field = condition.field
                if field.key or field.kind in {Kind.MAP, Kind.BOOLEAN}:
                    raise TypeError(f"an IOC cannot ask for {field.name}")
                fields[field.name] = field
                of_field = tests.setdefault(field.name, {})
                of_field.setdefault(condition.test, len(of_field))
        self._tests = tests
        self._columns = {
            name: Column(field, tests[name]) for name, field in fields.items() if field.kind not in _NUMBERS
        }

    def look(self, batch: Batch) -> "Look":
        """Test the values of a batch."""
        masks: Masks = {}
        for name, tests in self._tests.items():
            column, seen, numbers = self._columns.get(name), batch.dictionaries.get(name), batch.numbers.get(name)
            if column is not None and seen is not None:
                passed = _passed(column, seen.values)
                for test, number in tests.items():
                    if number in passed:
                        chosen = np.zeros(len(seen.values), np.bool_)
                        chosen[passed[number]] = True
                        masks[name, test] = chosen[seen.indices]
            elif column is None and numbers is not None:
                masks |= {(name, test): mask for test in tests if (mask := _numbers(numbers, test)).any()}
        return Look(batch, masks)


def _passed(column: Column, values: Iterable[Any]) -> dict[int, list[int]]:
    """Number of a test -> positions of the values that pass it."""
    passed: dict[int, list[int]] = {}
    for position, value in enumerate(values):
        if value is not None:
            for number in column.holds(value):
                passed.setdefault(number, []).append(position)
    return passed


class Look:
    """What holds where in one batch."""

    def __init__(self, batch: Batch, masks: Masks) -> None:
        self.batch, self._masks = batch, masks
        self._nowhere = np.zeros(batch.rows, np.bool_)

    def rows(self, node: Node) -> list[int]:
        """Rows that `node` matches."""
        return np.flatnonzero(self._mask(node)).tolist() if self._possible(node) else []

    def because(self, node: Node, row: int) -> dict[str, str]:
        """Columns of the tests that hold in `row`, and their values."""
        found: dict[str, str] = {}
        for condition in ast.conditions(node):
            mask = self._masks.get((condition.field.name, condition.test))
            if mask is not None and mask[row] and condition.field.name not in found:
                found[condition.field.name] = self._value(condition.field.name, row)
        return found

    def _value(self, name: str, row: int) -> str:
        if name in self.batch.numbers:
            return str(int(self.batch.numbers[name][row]))
        column = self.batch.dictionaries[name]
        value = column.values[int(column.indices[row])]
        return ", ".join(value) if isinstance(value, tuple) else str(value)

    def _possible(self, node: Node) -> bool:
        """Whether `node` could match at all: most rules cannot, and no array is touched for them."""
        match node:
            case Condition():
                return (node.field.name, node.test) in self._masks
            case And(operands):
                return all(map(self._possible, operands))
            case Or(operands):
                return any(map(self._possible, operands))
            case _:
                return True

    def _mask(self, node: Node) -> Mask:
        match node:
            case Condition():
                return self._condition(node)
            case And(operands):
                mask = ~self._nowhere
                for operand in operands:
                    mask &= self._mask(operand)
                return mask
            case Or(operands):
                mask = self._nowhere.copy()
                for operand in operands:
                    if self._possible(operand):
                        mask |= self._mask(operand)
                return mask
            case Not(operand):
                return ~self._mask(operand)
            case Anywhere():
                raise TypeError("an IOC has no free text")

    def _condition(self, node: Condition) -> Mask:
        mask = self._masks.get((node.field.name, node.test))
        if mask is None:
            return self._nowhere
        if not node.types:
            return mask
        kept = self._nowhere.copy()
        for kind in node.types:
            if rows := self.batch.types.get(kind):
                kept[rows] = mask[rows]
        return kept


def _numbers(numbers: NDArray[np.int64], test: Test) -> Mask:
    known: Mask = numbers != UNKNOWN
    match test:
        case Equals() | OneOf():
            values = (test.value,) if isinstance(test, Equals) else test.values
            known &= np.isin(numbers, np.array([one for one in values if isinstance(one, int)], np.int64))
        case Between(low=low, high=high):
            known &= numbers >= (UNKNOWN if low is None else low)
            known &= numbers <= (_HIGHEST if high is None else high)
        case Exists():
            pass
        case _:
            raise TypeError(f"a number cannot be tested by {type(test).__name__}")
    return known


def _any_of(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether any of `patterns` could be found: where this says no, a value needs no test of its own."""
    joined = "|".join(patterns)
    if not joined:
        return lambda _value: False
    try:
        found = re2.compile(joined, _options())
    except re2.error:  # together they are too big for RE2: each is tried
        return lambda _value: True
    return lambda value: found.search(value) is not None


def _search(test: Regex) -> Callable[[Any], bool]:
    found = re2.compile(f"(?{test.flags}:{test.pattern})", _options())
    return lambda value: found.search(value) is not None


def _options() -> Any:
    options = re2.Options()
    options.max_mem = _MEMORY
    options.log_errors = False
    return options
