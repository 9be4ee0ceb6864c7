"""Processes through which the files of another mount namespace can be reached when the one that acted is gone."""

from collections.abc import Callable
from pathlib import Path

MOST, EACH = 1024, 4
"""Mount namespaces, and processes of each, that are remembered; the first ones stay, as they live longest."""


def _namespace_of(pid: int) -> int:
    try:
        return Path(f"/proc/{pid}/ns/mnt").stat().st_ino
    except OSError:
        return 0


class Witnesses:
    """Remembers a few processes of each mount namespace; asks /proc whether they are still there."""

    def __init__(self, namespace_of: Callable[[int], int] = _namespace_of) -> None:
        self._namespace_of = namespace_of
        self._seen: dict[int, list[int]] = {}

    def see(self, namespace: int, pid: int) -> None:
        """A process runs in a namespace."""
        pids = self._seen.get(namespace)
        if pids is None:
            if len(self._seen) >= MOST:
                del self._seen[next(iter(self._seen))]
            pids = self._seen[namespace] = []
        if len(pids) < EACH and pid not in pids:
            pids.append(pid)

    def of(self, namespace: int, *, parent: int) -> tuple[int, ...]:
        """Give who is in the namespace now: of those that were seen, and the `parent` of the one that is gone."""
        self.see(namespace, parent)
        there = [pid for pid in self._seen[namespace] if self._namespace_of(pid) == namespace]
        self._seen[namespace] = there
        if parent not in there and len(there) == EACH and self._namespace_of(parent) == namespace:
            return (parent, *there)
        return tuple(there)
