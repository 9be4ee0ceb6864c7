"""What was computed for values lately, bounded in bytes over all fields together."""

import weakref
from collections.abc import Callable, Iterable
from typing import Any

_LONG = 200
"""Characters from which on a hash is kept instead of the text."""
OVERHEAD = 150
"""Bytes that an entry takes beside its text."""


class Budget:
    """Bytes that all of its caches may take. Each has two generations: when half is spent, all old ones go."""

    def __init__(self, most: int) -> None:
        self._half = most // 2
        self._spent = 0
        self._caches: weakref.WeakSet[Remembered] = weakref.WeakSet()

    def join(self, cache: "Remembered") -> None:
        """Let a cache take part."""
        self._caches.add(cache)

    def spend(self, size: int) -> None:
        """Count an entry."""
        self._spent += size
        if self._spent > self._half:
            self._spent = 0
            for cache in self._caches:
                cache.turn()


class _Young(dict[Any, frozenset[int]]):
    """Value -> class; a value that is not there is looked up in the old generation, or computed."""

    __slots__ = ("fill",)

    def __init__(self, fill: Callable[[Any], frozenset[int]]) -> None:
        super().__init__({None: frozenset()})
        self.fill = fill

    def __missing__(self, value: Any) -> frozenset[int]:
        found = self[value] = self.fill(value)
        return found


class Remembered:
    """Value -> class, computed by `compute` when it is not known. Many are asked for at once."""

    def __init__(self, compute: Callable[[Any], frozenset[int]], budget: Budget) -> None:
        self._compute, self._budget = compute, budget
        self._old: dict[Any, frozenset[int]] = {}
        self._young = _Young(self._fill)
        budget.join(self)

    def of(self, values: Iterable[Any]) -> list[frozenset[int]]:
        """Give the class of each value."""
        young, long = self._young, self._long
        return [long(one) if type(one) is str and len(one) > _LONG else young[one] for one in values]

    def _long(self, value: str) -> frozenset[int]:
        """Give the class of a long text, remembered by its hash: SipHash under a secret key of this process."""
        key = hash(value)
        found = self._young.get(key)
        if found is None:
            self._budget.spend(OVERHEAD)
            found = self._old.get(key)
            found = self._young[key] = self._compute(value) if found is None else found
        return found

    def turn(self) -> None:
        """Forget the old generation; the young one is old now."""
        self._old, self._young = self._young, _Young(self._fill)

    def forget(self) -> None:
        """Forget everything."""
        self._old, self._young = {}, _Young(self._fill)

    def _fill(self, value: Any) -> frozenset[int]:
        self._budget.spend(OVERHEAD + (len(value) if type(value) is str else 64 * len(value)))
        # `get`, as the old generation would compute what it lacks.
        found = self._old.get(value)
        return self._compute(value) if found is None else found
