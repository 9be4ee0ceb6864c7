"""Ids of containers, from the control group of a process."""

import re
from collections.abc import Callable
from pathlib import Path

_ID = re.compile(r"[0-9a-f]{64}")
KEPT = 4096
_ROOT = 1


def _groups_of(pid: int) -> str:
    return Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8", errors="replace")


class Containers:
    """Remembers the container of each control group; asked of /proc once a group.

    Where containers are in control groups of the first version only, all of them are in the root of the unified ones:
    then the mount namespace tells them apart. `home`: that of the agent, where the root holds no container.
    """

    def __init__(self, home: int, groups_of: Callable[[int], str] = _groups_of) -> None:
        self._home, self._groups_of = home, groups_of
        self._known: dict[tuple[int, int], str | None] = {}

    def of(self, cgroup: int, pid: int, mount_namespace: int) -> str | None:
        """Give the container that control group `cgroup` belongs to; `pid` is a process in it."""
        if cgroup == _ROOT and mount_namespace == self._home:
            return None
        key = (cgroup, mount_namespace if cgroup == _ROOT else 0)
        if key not in self._known:
            try:
                found = self._look(pid)
            except OSError:
                return None  # the process is gone: the next one of the group will tell
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[key] = found
        return self._known[key]

    def of_process(self, pid: int, mount_namespace: int) -> str | None:
        """Give the container of a running process whose control group is not known."""
        if mount_namespace in (self._home, 0):
            return None
        try:
            return self._look(pid)
        except OSError:
            return None

    def _look(self, pid: int) -> str | None:
        found = _ID.search(self._groups_of(pid))
        return found.group() if found else None
