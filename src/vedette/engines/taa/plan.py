"""The rules for one kind of events: which fields are read, and which rules a row with new values must be tried on."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from vedette.engines.taa.compiled import ANYWHERE, Compiled, keyword_fields
from vedette.engines.taa.expressions import Check, Expression
from vedette.engines.taa.generations import Generations
from vedette.schema.dictionary import Field

SIGNATURES = 100_000
"""Of rows that are remembered, for each kind of events."""
Hashes = NDArray[np.uint64]


class Plan:
    """Rules for events of one type, system and Windows log.

    A row's signature is the sum of a secret hash for each field's class, so rows of one signature pass the same tests.
    """

    def __init__(self, compiled: Compiled, kind: str, rules: list[int], key: bytes) -> None:
        self.kind = kind
        self._key = key
        self._numbers = rules
        self._expressions: list[Expression] = [compiled.expression(number, kind) for number in rules]
        self._checks: list[Check | None] = [None] * len(rules)
        self._by_test: dict[int, list[int]] = defaultdict(list)
        self._always: list[int] = []
        tests: set[int] = set()
        for position, made in enumerate(self._expressions):
            tests.update(made.tests())
            needed = made.necessary(compiled.weak)
            if needed is None:
                self._always.append(position)
            for test in needed or ():
                self._by_test[test].append(position)
        self._tests = frozenset(tests)
        names = {compiled.field_of[test] for test in tests}
        self.anywhere = ANYWHERE in names
        self.fields: list[Field] = [compiled.fields[name] for name in sorted(names - {ANYWHERE})]
        self.keyword_fields = list(keyword_fields(kind)) if self.anywhere else []
        self._hashes: dict[tuple[str, frozenset[int]], tuple[int, frozenset[int]]] = {}
        self.seen: Generations[int, tuple[int, ...]] = Generations(SIGNATURES)

    def part(self, field: str, passed: frozenset[int]) -> tuple[int, frozenset[int]]:
        """Give the hash of a class, and what of it these rules ask for; 0 when that is nothing."""
        key = (field, passed)
        found = self._hashes.get(key)
        if found is None:
            asked = passed & self._tests
            number = 0
            if asked:
                text = f"{field}:{sorted(asked)}".encode()
                number = int.from_bytes(hashlib.blake2b(text, key=self._key, digest_size=8).digest(), "little")
            if len(self._hashes) > SIGNATURES:
                self._hashes.clear()
            found = self._hashes[key] = (number, asked)
        return found

    def matching(self, passed: frozenset[int]) -> tuple[int, ...]:
        """Give the rules (by their position here) that an event matches which passes these tests."""
        candidates = set(self._always)
        for test in passed:
            candidates.update(self._by_test.get(test, ()))
        return tuple(sorted(position for position in candidates if self._check(position)(passed)))

    def _check(self, position: int) -> Check:
        check = self._checks[position]
        if check is None:
            check = self._checks[position] = self._expressions[position].check()
        return check

    def number(self, position: int) -> int:
        """Give the number of a rule in the whole set."""
        return self._numbers[position]

    def because(self, position: int, passed: frozenset[int]) -> Iterator[int]:
        """Give the tests that made a rule match."""
        return (test for test in self._expressions[position].positive() if test in passed)

    @property
    def empty(self) -> bool:
        """Whether no rule applies."""
        return not self._numbers
