"""Which tests the values of one field pass: each different value is looked at once."""

import ipaddress
from collections.abc import Iterable, Sequence
from typing import Any

from vedette.engines.taa.remembered import Budget, Remembered
from vedette.engines.taa.searching import Database, Pattern, Search, search
from vedette.query import glob
from vedette.query.ast import Between, Equals, Exists, InNetwork, Like, OneOf, Regex, Test
from vedette.query.values import is_canonical
from vedette.schema.dictionary import Field

NOTHING: frozenset[int] = frozenset()
MOST_CLASSES = 65_536
"""Of one field that are remembered; then all are forgotten: an attacker's values can make many."""
_V4 = int(ipaddress.IPv6Address("::ffff:0:0"))


class Matcher:
    """The tests of one field. A class is the set of the tests that a value passes; equal classes are one object."""

    def __init__(
        self,
        field: Field,
        tests: Sequence[tuple[int, Test]],
        budget: Budget,
        kept: Sequence[Database] = (),
        *,
        plain: bool = False,
    ) -> None:
        self._canonical = is_canonical(field)
        self._exact: dict[str, list[int]] = {}
        self._other: dict[str, list[int]] = {}
        self._networks: dict[int, dict[int, list[int]]] = {}
        self._ranges: list[tuple[int, Between]] = []
        self._exists: list[int] = []
        numbers: dict[Pattern, list[int]] = {}
        for number, test in tests:
            self._add(number, test, numbers)
        self._patterns = list(numbers.values())
        self.search: Search = search(list(numbers), kept, plain=plain)
        self._searches = bool(numbers)
        self._known = Remembered(self._compute, budget)
        self._classes: dict[frozenset[int], frozenset[int]] = {}
        # Texts that are looked for anywhere can be looked for in many values joined.
        self._loose = all(isinstance(test, Like) and test.pattern[:1] == test.pattern[-1:] == "%" for _, test in tests)

    def _add(self, number: int, test: Test, numbers: dict[Pattern, list[int]]) -> None:
        match test:
            case Equals() | OneOf():
                for value in (test.value,) if isinstance(test, Equals) else test.values:
                    text = str(value)
                    where = self._exact if self._canonical or text.isascii() else self._other
                    where.setdefault(text, []).append(number)
            case Like() | Regex():
                if self._canonical and isinstance(test, Like):
                    test = Like(test.pattern, cased=True)
                numbers.setdefault(test, []).append(number)
            case Between():
                self._ranges.append((number, test))
            case InNetwork():
                block = ipaddress.ip_network(test.network)
                first = int(block.network_address) + (_V4 if block.version == 4 else 0)
                length = block.prefixlen + (96 if block.version == 4 else 0)
                self._networks.setdefault(128 - length, {}).setdefault(first, []).append(number)
            case Exists():
                self._exists.append(number)

    def classes_of(self, values: Iterable[Any]) -> list[frozenset[int]]:
        """Give for each value the tests that it passes: a text, the texts of a list or map, or None."""
        return self._known.of(values)

    def class_of(self, value: Any) -> frozenset[int]:
        """Give the tests that one value passes."""
        return self._known.of((value,))[0]

    def in_none(self, values: Sequence[Any]) -> bool:
        """Whether surely none of many values passes any test: one search in all of them, for keywords."""
        if not self._loose:
            return False
        whole = "\n".join([value if type(value) is str else _joined(value) for value in values if value is not None])
        return not self.search.find(whole, whole.encode("utf-8", "replace"))

    def _compute(self, value: Any) -> frozenset[int]:
        if type(value) is str:
            return self._one(frozenset(self._passed(value)))
        return self._one(NOTHING.union(*self.classes_of([one if type(one) is str else one[1] for one in value])))

    def _one(self, made: frozenset[int]) -> frozenset[int]:
        """Give the one object for equal classes."""
        known = self._classes.get(made)
        if known is None:
            if len(self._classes) >= MOST_CLASSES:
                self._classes.clear()
                self._known.forget()
            known = self._classes[made] = made
        return known

    def _passed(self, value: str) -> list[int]:
        folded = value if self._canonical else glob.fold_ascii(value) if not value.isascii() else value.lower()
        passed = list(self._exact.get(folded, ()))
        passed += self._exists
        if self._other:
            passed += self._other.get(glob.fold(value), ())
        if self._searches:
            for position in self.search.find(value, value.encode("utf-8", "replace")):
                passed += self._patterns[position]
        if self._networks:
            passed += self._within(value)
        if self._ranges:
            passed += _in_ranges(self._ranges, value)
        return passed

    def _within(self, value: str) -> list[int]:
        try:
            address = ipaddress.ip_address(value)
        except ValueError:
            return []
        number = int(address) + (_V4 if address.version == 4 else 0)
        return [test for shift, blocks in self._networks.items() for test in blocks.get(number >> shift << shift, ())]


def _joined(value: Any) -> str:
    return "\n".join([one if type(one) is str else one[1] for one in value])


def _in_ranges(ranges: Sequence[tuple[int, Between]], value: str) -> list[int]:
    digits = value.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 18):
        return []
    number = int(value)
    return [
        test
        for test, wanted in ranges
        if (wanted.low is None or number >= wanted.low) and (wanted.high is None or number <= wanted.high)
    ]
