"""Makes events of raw records."""

import time
from collections.abc import Callable
from pathlib import Path

from vedette.agent.core.orders import Orders
from vedette.agent.linux import inventory
from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.acting import ActingProcesses
from vedette.agent.linux.containers import Containers
from vedette.agent.linux.environment import Environments
from vedette.agent.linux.files import Files, Names
from vedette.agent.linux.hashing import RATE, Hasher
from vedette.agent.linux.kernel_time import KernelTime
from vedette.agent.linux.logins import Logins
from vedette.agent.linux.lookups import Lookups
from vedette.agent.linux.processes import Image, Life, Processes
from vedette.agent.linux.sources.access_events import AccessEvents
from vedette.agent.linux.sources.dns_events import DnsEvents
from vedette.agent.linux.sources.file_events import FileEvents
from vedette.agent.linux.sources.memory_events import MemoryEvents
from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.module_events import ModuleEvents
from vedette.agent.linux.sources.network_events import NetworkEvents
from vedette.agent.linux.sources.process_events import ProcessEvents
from vedette.agent.linux.sources.savings import Savings
from vedette.agent.linux.sources.script_events import ScriptEvents
from vedette.agent.linux.sources.shared import Shared
from vedette.agent.linux.witnesses import Witnesses
from vedette.probes import records
from vedette.probes.ring import Chunk
from vedette.schema.events.base import Event
from vedette.schema.fields import Micros
from vedette.schema.policies import Settings

COARSE = 20_000_000
"""Nanoseconds by which the time of a log record may be behind: the kernel cuts it to its tick."""


class Decoder:
    """Makes events of records. One thread uses it."""

    def __init__(
        self,
        host_id: str,
        settings: Settings,
        emit: Callable[[Event], None],
        hasher: Hasher,
        shared: Shared | None = None,
        savings: Savings | None = None,
    ) -> None:
        self._shared = shared or Shared(Logins(), ActingProcesses())
        accounts, clock = Accounts(logins=self._shared.logins), KernelTime()
        self._clock, self._hasher, self._lookups = clock, hasher, Lookups(hasher)
        self.malformed = 0
        self._reached = 0
        home = Path("/proc/self/ns/mnt").stat().st_ino
        self.wanted = self._applied = settings
        """Settings that another thread wants to be in force."""
        self.ordered = Orders()
        """What the budget asks for; the mode obeys between two rounds."""
        model = Model(
            emit=emit,
            processes=Processes(host_id, boot_id(), clock),
            accounts=accounts,
            environments=Environments(settings.redact, keep=settings.keep_environment),
            containers=Containers(home),
            files=Files(accounts),
            names=Names(),
            lookups=self._lookups,
            clock=clock,
            savings=savings or Savings(),
            witnesses=Witnesses(),
            mount_namespace=home,
        )
        self.processes = ProcessEvents(model)
        self._files = FileEvents(model, self.processes, exclude=settings.exclude_paths)
        network, modules = NetworkEvents(model, self.processes), ModuleEvents(model, self.processes)
        self.modules = modules
        scripts, memory = ScriptEvents(model, self.processes), MemoryEvents(model, self.processes)
        self._dns = DnsEvents(model, self.processes)
        self.model = model
        self._handlers: dict[int, Callable[..., None]] = {
            records.EXEC: scripts.exec,
            records.LINE: scripts.line,
            records.EXIT: self.processes.exit,
            records.FORK: self.processes.fork,
            records.CONNECT: network.connect,
            records.ACCEPT: network.connect,
            records.LISTEN: network.listen,
            records.CREATE: self._files.create,
            records.CLOSE: self._files.close,
            records.MAP: modules.mapped,
            records.ATTRIBUTES: self._files.attributes,
            records.PATH: self._files.path,
            records.DRIVER: modules.mapped,
            records.ACCESS: AccessEvents(model, self.processes).accessed,
            records.DNS: self._dns.packet,
            records.MEMFD: memory.file,
            records.PROGRAM: memory.program,
            records.MODULE: memory.module,
        }

    def follow(self) -> None:
        """Take the settings that are wanted, if they are others; between two rounds."""
        if self._applied is not self.wanted:
            self._applied = self.wanted
            self.apply(self._applied)

    def apply(self, settings: Settings) -> None:
        """Take other settings; secrets that running processes still carry are replaced too."""
        environments = self.model.environments
        environments.apply(settings.redact, keep=settings.keep_environment)
        for life in self.model.processes:
            for image in (life.image, life.previous):
                if image is not None and image.process is not None and image.process.env:
                    environments.hide(image.process.env)
        self._files.exclude(settings.exclude_paths)
        self._hasher.set_largest(settings.hash_max_bytes)

    def save(self, orders: Orders) -> None:
        """Read fewer bytes for digests the higher the level, and let go of what can be learned again."""
        self._hasher.set_rate(RATE >> 2 * orders.level)
        if orders.memory_is_short:
            model = self.model
            for cache in (model.names, model.files, self._hasher, self._files):
                cache.forget()

    def take_inventory(self) -> None:
        """Enter the processes that run already."""
        self.tick()
        for found in inventory.running():
            if self.model.processes.get(found.pid, found.start) is None:
                self.processes.adopt(found)
        self._lookups.submit()

    def take(self, record: records.Record) -> None:
        """Translate one record."""
        self._handlers[record.kind](record)

    def decode(self, chunk: Chunk) -> None:
        """Translate all records of a chunk."""
        data, handlers, decode = chunk.data, self._handlers, records.decode
        for offset, length in chunk.records:
            record = decode(data, offset, length)
            if record is None:
                self.malformed += 1
            else:
                handlers[record.kind](record)
                self._reached = record.time

    def tick(self, *, behind: bool = False) -> None:
        """Do what is due: answers of the hasher, what waited long enough. After each round and when idle.

        `behind`: more records wait. What waits for a record that may be among them goes by the time of the last one
        that was decoded: a program's start must not be told as that of a fork because we are slow.
        """
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        reached = min(now, self._reached) if behind else now
        self._clock.refresh()
        self._files.tick(reached)
        self.processes.tick(reached)
        self._dns.tick(reached)
        self._lookups.submit()
        self._lookups.poll(now)
        self._shared.acting.serve(self._acted)
        # An answer may have led to another question.
        self._lookups.submit()

    def finish(self) -> None:
        """Send on what waits, as it is."""
        far = 1 << 62
        self._files.tick(far)
        self._dns.finish()
        self.processes.finish()
        self._shared.acting.serve(self._acted, final=True)
        for _ in range(2):  # an answer may have led to another question
            self._lookups.poll(far)
            self._files.tick(far)
        self._lookups.poll(far)

    def _acted(self, pid: int, at: Micros, look: bool) -> tuple[Life, Image] | None:  # noqa: FBT001 - see `Find`
        return self.processes.acted(pid, self._clock.since_boot(at * 1000) + COARSE, look=look)

    def is_waiting(self) -> bool:
        """Whether an answer of the hasher is awaited."""
        return self._lookups.waiting() > 0

    def status(self) -> dict[str, object]:
        """Sizes of the tables, and how often an event had to go without digests."""
        return {
            "processes": len(self.model.processes),
            "waiting_for_digests": self._lookups.waiting(),
            "late_digests": self._lookups.late,
            "refused_digests": self._lookups.refused,
            "malformed": self.malformed,
            "dns": self._dns.status(),
            "stuck_threads": self._hasher.stuck(),
        }


def boot_id() -> str:
    """The random id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
