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
    """Remembers the container of each control group; asked of /proc once a group."""

    def __init__(self, groups_of: Callable[[int], str] = _groups_of) -> None:
        self._groups_of = groups_of
        self._known: dict[int, str | None] = {_ROOT: None}

    def of(self, cgroup: int, pid: int) -> str | None:
        """Give the container that control group `cgroup` belongs to; `pid` is a process in it."""
        if cgroup not in self._known:
            try:
                found = _ID.search(self._groups_of(pid))
            except OSError:
                return None  # the process is gone: the next one of the group will tell
            if len(self._known) >= KEPT:
                self._known.clear()
            self._known[cgroup] = found.group() if found else None
        return self._known[cgroup]
