"""What the translators of kernel records share."""

from collections.abc import Callable
from typing import NamedTuple

from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.containers import Containers
from vedette.agent.linux.environment import Environments
from vedette.agent.linux.files import Files, Names
from vedette.agent.linux.kernel_time import KernelTime
from vedette.agent.linux.lookups import Lookups
from vedette.agent.linux.processes import Processes
from vedette.agent.linux.sources.savings import Savings
from vedette.agent.linux.witnesses import Witnesses
from vedette.probes.records import Acted
from vedette.schema.events.base import Event


class Model(NamedTuple):
    """The state of the host as far as it is known, and where events go."""

    emit: Callable[[Event], None]
    processes: Processes
    accounts: Accounts
    environments: Environments
    containers: Containers
    files: Files
    names: Names
    lookups: Lookups
    clock: KernelTime
    savings: Savings
    witnesses: Witnesses
    mount_namespace: int
    """That of the agent: files of other ones are reached through /proc/PID/root."""

    def is_elsewhere(self, namespace: int) -> bool:
        """Say whether a mount namespace is not the agent's."""
        return namespace not in (self.mount_namespace, 0)

    def reachable(self, record: Acted, path: bytes) -> bytes:
        """Give the path under which the agent finds the file that the process of `record` calls `path`."""
        return _through(record.pid, path) if self.is_elsewhere(record.mount_namespace) else path

    def places(self, record: Acted, path: bytes) -> tuple[bytes, ...]:
        """Give the paths under which the agent may find the file, also when the process of `record` is gone.

        Others of its mount namespace may have another root: only for files whose inode is known and compared.
        """
        if not self.is_elsewhere(record.mount_namespace):
            return (path,)
        others = [pid for pid in self.witnesses.of(record.mount_namespace, parent=record.parent) if pid != record.pid]
        return tuple(_through(pid, path) for pid in (record.pid, *others))


def _through(pid: int, path: bytes) -> bytes:
    return b"/proc/%d/root%b" % (pid, path)
