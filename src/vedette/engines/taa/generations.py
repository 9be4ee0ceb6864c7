"""A dictionary that forgets what was not asked for lately, bounded by weight."""

from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Generations(Generic[Key, Value]):
    """Two dictionaries: when the young one weighs `most`, it becomes the old one and the old one goes.

    What is asked for in the old one moves to the young one, so that it stays. Costs one look-up in the common case.
    """

    __slots__ = ("_most", "_old", "_weight", "_young")

    def __init__(self, most: int) -> None:
        self._most = most // 2
        self._young: dict[Key, Value] = {}
        self._old: dict[Key, Value] = {}
        self._weight = 0

    def get(self, key: Key, weight: int = 1) -> Value | None:
        """Give the value of `key`; `weight` is that of the entry."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found, weight)
        return found

    def put(self, key: Key, value: Value, weight: int = 1) -> None:
        """Keep an entry."""
        self._young[key] = value
        self._weight += weight
        if self._weight > self._most:
            self._old, self._young, self._weight = self._young, {}, 0

    def clear(self) -> None:
        """Forget everything."""
        self._young, self._old, self._weight = {}, {}, 0

    def __len__(self) -> int:
        return len(self._young) + len(self._old)
