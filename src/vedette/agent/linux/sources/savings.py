"""What the kernel source leaves out when the agent is over its budget, and the counts of it.

Never left out: starts and ends of processes that are no exact repetitions, connections, listening ports, drivers,
access to other processes, and changes of mode or owner (before the kernel's own limit on each process).
"""

from collections import Counter
from typing import Final, NamedTuple

from vedette.agent.core.orders import Orders
from vedette.agent.linux.examine import Content
from vedette.probes.records import FileAct, Inode

REPEATS, LITTLE, NO_DIGESTS = 1, 2, 2
"""Levels from which on are left out: repetitions, files of little worth, digests of written files."""
WINDOW: Final = 10_000_000_000
"""Nanoseconds within which a process that writes the same file again tells nothing new."""
MOST: Final = 4096
BUDGET: Final = Content(status="budget")
_TEMPORARY: Final = ("/tmp/", "/var/tmp/", "/var/cache/", "/dev/shm/")  # noqa: S108 - nothing is put there
_CACHES: Final = ("/.cache/", "/__pycache__/")
_LIBRARIES: Final = ("/usr/", "/lib", "/opt/")
_EXECUTABLE: Final = 0o111
_WRITABLE_BY_OTHERS: Final = 0o022


class Pace(NamedTuple):
    """File and module records in about a second: of one process (0 = as many as come), of all."""

    each: int
    together: int


_PACES: Final = (Pace(0, 0), Pace(0, 0), Pace(200, 2000), Pace(30, 400), Pace(3, 50))
"""By level, for a budget of a tenth of a core. What is over is left out by the kernel: after that it would be paid."""
PLANNED_CPU: Final = 0.1


class Savings:
    """The orders in force and what was left out under them. Orders come from any thread, the rest is one thread's."""

    def __init__(self) -> None:
        self.orders = Orders()
        self.level = 0
        self._counts: Counter[str] = Counter()
        self._policy = ""
        self._written: dict[tuple[int, int, str], int] = {}

    def obey(self, orders: Orders) -> None:
        """Take other orders."""
        self.orders = orders
        if orders.level:
            self._policy = orders.policy
        self.level = orders.level

    def pace(self) -> Pace:
        """Give what the kernel may pass on."""
        pace = _PACES[self.level]
        return Pace(pace.each, max(1, int(pace.together * self.orders.cpu / PLANNED_CPU)) if pace.each else 0)

    def count(self, event_type: str, number: int = 1) -> None:
        """Count what was left out under the orders in force, or the last ones."""
        self._counts[f"{event_type}/{self._policy}"] += number

    def throttled(self) -> dict[str, int]:
        """Event type/policy -> events left out."""
        return dict(self._counts)

    def is_again(self, record: FileAct, path: str) -> bool:
        """Say whether a process wrote a file that it wrote a moment ago; programs are told each time. Counts it."""
        if self.level < REPEATS or record.inode.mode & _EXECUTABLE:
            return False
        key = (record.pid, record.start, path)
        told = self._written.get(key)
        if told is not None and record.time - told < WINDOW:
            self.count("file_change")
            return True
        if len(self._written) >= MOST:
            self._written.clear()
        self._written[key] = record.time
        return False

    def is_passing(self, event_type: str, folder: str, mode: int) -> bool:
        """Say whether a file in a folder for temporary things or a cache is not worth an event now. Counts it."""
        if self.level < LITTLE or mode & _EXECUTABLE or not _is_temporary(folder):
            return False
        self.count(event_type)
        return True

    def is_usual(self, path: str, inode: Inode) -> bool:
        """Say whether a library that was told already is the system's own and need not be told now. Counts it."""
        if self.level < REPEATS or inode.uid or inode.mode & _WRITABLE_BY_OTHERS or not path.startswith(_LIBRARIES):
            return False
        self.count("module_load")
        return True

    def wants_digests(self, inode: Inode) -> bool:
        """Say whether a written file is hashed: programs always are."""
        return self.level < NO_DIGESTS or bool(inode.mode & _EXECUTABLE)


def _is_temporary(folder: str) -> bool:
    folder = f"{folder}/"
    return folder.startswith(_TEMPORARY) or any(part in folder for part in _CACHES)
