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
    mount_namespace: int
    """That of the agent: files of other ones are reached through /proc/PID/root."""

    def reachable(self, record: Acted, path: bytes) -> bytes:
        """Give the path under which the agent finds the file that the process of `record` calls `path`."""
        if record.mount_namespace in (self.mount_namespace, 0):
            return path
        return b"/proc/%d/root%b" % (record.pid, path)
