"""Who acts, where a source tells only a PID."""

from typing import NamedTuple

from vedette.agent.linux.accounts import Ids
from vedette.agent.linux.processes import NOBODY
from vedette.agent.linux.sources.decoder import Decoder
from vedette.probes.records import NO_ID

Header = tuple[int, int, int, int, int, Ids, int, int, int, int]
"""The fields of `records.Acted`, in their order."""


class Actor(NamedTuple):
    """A process; `start` 0: nothing but its PID is known. `ended`: when, nanoseconds since boot, 0 while it runs."""

    pid: int
    start: int
    ids: Ids
    ended: int = 0


class Actors:
    """Finds them in the process table, else in /proc."""

    def __init__(self, decoder: Decoder) -> None:
        self._processes, self._namespace = decoder.processes, decoder.model.mount_namespace

    def of(self, pid: int, time: int) -> Actor:
        """Give who had this PID at `time` (nanoseconds since boot)."""
        acted = self._processes.acted(pid, time, look=True) if pid > 0 else None
        if acted is None:
            return Actor(pid, 0, NOBODY)
        life = acted[0]
        return Actor(pid, life.started, life.ids, life.ended)

    def header(self, kind: int, actor: Actor, time: int, *, flags: int = 0) -> Header:
        """Give the first fields of a record; what is told late still comes before the end of its process."""
        if actor.ended:
            time = min(time, actor.ended)
        return (kind, flags, time, actor.start, actor.pid, actor.ids, NO_ID, self._namespace, 0, 0)
