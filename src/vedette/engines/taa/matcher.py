"""Which tests the values of one field pass: each different value is looked at once."""

import hashlib
import ipaddress
import secrets
from collections.abc import Iterable, Sequence
from typing import Any

from vedette.engines.taa.generations import Generations
from vedette.engines.taa.searching import Database, Pattern, Search, search
from vedette.query import glob
from vedette.query.ast import Between, Equals, Exists, InNetwork, Like, OneOf, Regex, Test
from vedette.query.values import is_canonical
from vedette.schema.dictionary import Field

NOTHING: frozenset[int] = frozenset()
CACHE_BYTES = 8 << 20
"""Of the values of one field that are remembered."""
MOST_CLASSES = 65_536
"""Of one field that are remembered; then all are forgotten: an attacker's values can make many."""
_LONG = 200
"""Characters from which on a value is remembered by its digest."""
_OVERHEAD = 120
"""Bytes that an entry takes beside the text."""
_V4 = int(ipaddress.IPv6Address("::ffff:0:0"))


class Matcher:
    """The tests of one field. A class is the set of the tests that a value passes; equal classes are one object."""

    def __init__(
        self, field: Field, tests: Sequence[tuple[int, Test]], kept: Sequence[Database] = (), *, plain: bool = False
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
        self._known: Generations[Any, frozenset[int]] = Generations(CACHE_BYTES)
        self._classes: dict[frozenset[int], frozenset[int]] = {}
        self._key = secrets.token_bytes(32)

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

    def class_of(self, value: Any) -> frozenset[int]:
        """Give the tests that a known value passes: a text, or the texts of a list or map."""
        if type(value) is not str:
            return self._class_of_many(value)
        size = len(value)
        key = value if size <= _LONG else hashlib.blake2b(value.encode("utf-8", "replace"), key=self._key).digest()
        weight = min(size, 64) + _OVERHEAD
        found = self._known.get(key, weight)
        if found is None:
            found = self._one(frozenset(self._passed(value)))
            self._known.put(key, found, weight)
        return found

    def _class_of_many(self, value: Any) -> frozenset[int]:
        texts: Iterable[str] = (one if type(one) is str else one[1] for one in value)
        return self._one(NOTHING.union(*map(self.class_of, texts)))

    def _one(self, made: frozenset[int]) -> frozenset[int]:
        """Give the one object for equal classes."""
        known = self._classes.get(made)
        if known is None:
            if len(self._classes) >= MOST_CLASSES:
                self._classes.clear()
                self._known.clear()
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
