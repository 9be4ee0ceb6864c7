"""The rules for one kind of events: which fields are read, and which rules a row with new values must be tried on."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from vedette.engines.taa.compiled import ANYWHERE, Compiled, keyword_fields
from vedette.engines.taa.expressions import Check, Expression
from vedette.engines.taa.generations import Generations
from vedette.schema.dictionary import Field

SIGNATURES = 100_000
"""Of rows that are remembered, for each kind of events."""
Hashes = NDArray[np.uint64]


class _Hashed(dict[frozenset[int], int]):
    """Class -> secret hash of the part of it that is asked for."""

    __slots__ = ("_asked", "_field", "_key")

    def __init__(self, field: str, asked: frozenset[int], key: bytes) -> None:
        super().__init__()
        self._field, self._asked, self._key = field, asked, key

    def __missing__(self, passed: frozenset[int]) -> int:
        asked = passed & self._asked
        number = 0
        if asked:
            text = f"{self._field}:{sorted(asked)}".encode()
            number = int.from_bytes(hashlib.blake2b(text, key=self._key, digest_size=8).digest(), "little")
        self[passed] = number
        return number


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
        self.tests = frozenset(tests)
        names = {compiled.field_of[test] for test in tests}
        self.anywhere = ANYWHERE in names
        self.fields: list[Field] = [compiled.fields[name] for name in sorted(names - {ANYWHERE})]
        self.keyword_fields = list(keyword_fields(kind)) if self.anywhere else []
        self._hashes: dict[str, _Hashed] = {}
        self.seen: Generations[int, tuple[int, ...]] = Generations(SIGNATURES)

    def hashes(self, field: str, classes: Sequence[frozenset[int]]) -> Hashes:
        """Give for each class of a field the hash of what these rules ask of it; 0 when that is nothing."""
        known = self._hashes.get(field)
        if known is None or len(known) > SIGNATURES:
            known = self._hashes[field] = _Hashed(field, self.tests, self._key)
        return np.fromiter(map(known.__getitem__, classes), np.uint64, len(classes))

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
