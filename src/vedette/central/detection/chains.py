"""The root of a process's chain: alerts of one chain of processes are one alert.

A chain begins below what starts everything (init, a service manager, a desktop, a terminal server): else all that
happens on a host would be one chain. Parents are remembered from the events that name them, as many as have room; what
is not remembered (a process that started long ago, a restart) makes the chain begin later, and so another alert.
"""

from collections import OrderedDict

import numpy as np

from vedette.wire.merge import Batch

GROUND = frozenset(
    """systemd init launchd launchd_sim kthreadd sshd sshd-session login cron crond atd anacron containerd-shim
    containerd-shim-runc-v2 dockerd runc conmon supervisord gnome-shell plasmashell xrdp dbus-daemon systemd-executor
    services.exe explorer.exe svchost.exe wininit.exe winlogon.exe userinit.exe smss.exe csrss.exe taskeng.exe
    taskhostw.exe runtimebroker.exe sihost.exe""".split()
)
"""Names of programs that start what belongs together with nothing else."""
KEPT = 200_000
DEEPEST = 64


class Chains:
    """Remembers who started whom."""

    def __init__(self, kept: int = KEPT) -> None:
        self._parents: OrderedDict[str, str] = OrderedDict()
        self._kept = kept

    def learn(self, batch: Batch) -> None:
        """Remember the parents that a batch names."""
        entity, parent = (batch.dictionaries.get(f"process.{name}entity_id") for name in ("", "parent."))
        if entity is None or parent is None:
            return
        name = batch.dictionaries.get("process.parent.file.name")
        known = np.flatnonzero((entity.indices != 0) & (parent.indices != 0))
        pairs = entity.indices[known].astype(np.int64) * len(parent.values) + parent.indices[known]
        _, first = np.unique(pairs, return_index=True)
        for row in known[first].tolist():
            of = "" if name is None else str(name.values[int(name.indices[row])] or "")
            self._note(entity.values[int(entity.indices[row])], parent.values[int(parent.indices[row])], of)

    def root(self, entity: str) -> str:
        """Give the id of the oldest process of the chain of `entity`; "" for "" ."""
        for _ in range(DEEPEST):
            above = self._parents.get(entity)
            if not above:
                break
            entity = above
        return entity

    def _note(self, entity: str, parent: str, parent_name: str) -> None:
        self._parents[entity] = "" if parent == entity or parent_name.lower() in GROUND else parent
        self._parents.move_to_end(entity)
        while len(self._parents) > self._kept:
            self._parents.popitem(last=False)
