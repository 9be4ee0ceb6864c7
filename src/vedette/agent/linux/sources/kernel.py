"""What the kernel observes, by eBPF: processes, files, network, modules.

Two threads: one takes raw records out of the rings as fast as they come, one makes events of them. Between them
is a bounded queue; what does not fit is counted by event type, file records first.
"""

import gc
import logging
import os
import select
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from vedette.agent.linux import inventory
from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.containers import Containers
from vedette.agent.linux.environment import Environments
from vedette.agent.linux.files import Files, Names
from vedette.agent.linux.hashing import Hasher
from vedette.agent.linux.kernel_time import KernelTime
from vedette.agent.linux.lookups import Lookups
from vedette.agent.linux.processes import Processes
from vedette.agent.linux.sources.file_events import FileEvents
from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.network_events import NetworkEvents
from vedette.agent.linux.sources.process_events import ProcessEvents
from vedette.probes import records
from vedette.probes.libbpf import libbpf
from vedette.probes.loader import Probes, read_object
from vedette.probes.ring import Chunk, Ring, open_ring
from vedette.runtime.errors import ProbeError
from vedette.schema.events.base import Event
from vedette.schema.policies import Settings

log = logging.getLogger(__name__)

CONTROL_BYTES, BULK_BYTES = 4 << 20, 16 << 20
"""Sizes of the rings."""
QUEUE_BYTES = 16 << 20
"""Raw records between the two threads; beyond that file records are dropped, beyond twice that all are."""
PAUSE = 0.03
"""Seconds between two looks into the rings of a busy host: a ring holds much more than comes in that time."""
IDLE = 0.5
"""Seconds that a thread waits at most when nothing happens."""

EVENT_TYPES = {
    records.EXEC: "process_start",
    records.FORK: "process_start",
    records.EXIT: "process_stop",
    records.CONNECT: "network_connect",
    records.ACCEPT: "network_connect",
    records.LISTEN: "port_listen",
    records.CREATE: "file_create",
    records.CLOSE: "file_change",
    records.ATTRIBUTES: "file_change",
    records.PATH: "file_change",
    records.MAP: "module_load",
}
"""Kind of record -> event type under which a lost one is counted."""


class Round(NamedTuple):
    """What one look into the rings gave."""

    control: list[Chunk]
    bulk: list[Chunk]
    size: int


class Drain:
    """Moves records from the rings into the queue. `lost` counts, by kind, what the queue had no room for.

    `wait` sleeps until a ring has records, for a number of seconds at most.
    """

    def __init__(self, control: Ring, bulk: Ring, wait: Callable[[float], object]) -> None:
        self._wait = wait
        self._control, self._bulk = control, bulk
        self._queue: deque[Round] = deque()
        self._arrived = threading.Event()
        self._waiting = 0
        self._taken = 0
        self.lost: Counter[int] = Counter()
        self.fullest = 0.0

    def run(self, stop: threading.Event) -> None:
        """Look into the rings until `stop`."""
        while not stop.is_set():
            self._wait(IDLE)
            time.sleep(PAUSE)
            while self.look() > CONTROL_BYTES // 4:
                pass

    def look(self) -> int:
        """Take what is there once; give the number of bytes.

        The bulk ring is read first and handed on last: then the start of a process comes before what it did.
        """
        self.fullest = max(self.fullest, self._bulk.fill() / self._bulk.size, self._control.fill() / self._control.size)
        bulk, control = _take(self._bulk, 4), _take(self._control, 4)
        size = sum(len(chunk.data) for chunk in (*bulk, *control))
        if not size:
            return 0
        backlog = self._waiting - self._taken
        if backlog > QUEUE_BYTES:
            self._count(bulk)
            bulk = []
        if backlog > 2 * QUEUE_BYTES:
            self._count(control)
            control = []
        kept = sum(len(chunk.data) for chunk in (*bulk, *control))
        if kept:
            self._waiting += kept
            self._queue.append(Round(control, bulk, kept))
            self._arrived.set()
        return size

    def take(self, timeout: float) -> Round | None:
        """Give the oldest round, or None when none came for `timeout` seconds. For the decoding thread."""
        if not self._queue:
            self._arrived.wait(timeout)
            self._arrived.clear()
        if not self._queue:
            return None
        taken = self._queue.popleft()
        self._taken += taken.size
        return taken

    def backlog(self) -> int:
        """Bytes that wait for the decoding thread."""
        return self._waiting - self._taken

    def _count(self, chunks: list[Chunk]) -> None:
        for chunk in chunks:
            for offset, _ in chunk.records:
                self.lost[int.from_bytes(chunk.data[offset : offset + 2], "little")] += 1


def _take(ring: Ring, most: int) -> list[Chunk]:
    chunks: list[Chunk] = []
    while len(chunks) < most and (chunk := ring.read()) is not None:
        chunks.append(chunk)
    return chunks


class Decoder:
    """Makes events of records. One thread uses it."""

    def __init__(self, host_id: str, settings: Settings, emit: Callable[[Event], None], hasher: Hasher) -> None:
        accounts, clock = Accounts(), KernelTime()
        self._clock, self._lookups = clock, Lookups(hasher)
        self.malformed = 0
        model = Model(
            emit=emit,
            processes=Processes(host_id, boot_id(), clock),
            accounts=accounts,
            environments=Environments(settings.redact, keep=settings.keep_environment),
            containers=Containers(),
            files=Files(accounts),
            names=Names(),
            lookups=self._lookups,
            clock=clock,
            mount_namespace=Path("/proc/self/ns/mnt").stat().st_ino,
        )
        self._processes = ProcessEvents(model)
        self._files = FileEvents(model, self._processes, exclude=settings.exclude_paths)
        network = NetworkEvents(model, self._processes)
        self.model = model
        self._handlers: dict[int, Callable[..., None]] = {
            records.EXEC: self._processes.exec,
            records.EXIT: self._processes.exit,
            records.FORK: self._processes.fork,
            records.CONNECT: network.connect,
            records.ACCEPT: network.connect,
            records.LISTEN: network.listen,
            records.CREATE: self._files.create,
            records.CLOSE: self._files.close,
            records.MAP: self._files.mapped,
            records.ATTRIBUTES: self._files.attributes,
            records.PATH: self._files.path,
        }

    def take_inventory(self) -> None:
        """Enter the processes that run already."""
        self.tick()
        for found in inventory.running():
            if self.model.processes.get(found.pid, found.start) is None:
                self._processes.adopt(found)
        self._lookups.submit()

    def decode(self, chunk: Chunk) -> None:
        """Translate all records of a chunk."""
        data, handlers, decode = chunk.data, self._handlers, records.decode
        for offset, length in chunk.records:
            record = decode(data, offset, length)
            if record is None:
                self.malformed += 1
            else:
                handlers[record.kind](record)

    def tick(self) -> None:
        """Do what is due: answers of the hasher, what waited long enough. After each round and when idle."""
        now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        self._clock.refresh()
        self._files.tick(now)
        self._processes.tick(now)
        self._lookups.submit()
        self._lookups.poll(now)
        # An answer may have led to another question.
        self._lookups.submit()

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
        }


def boot_id() -> str:
    """The random id of this boot."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


class KernelSource:
    """The source `kernel`: eBPF in tracepoint mode."""

    name = "kernel"

    def __init__(self, host_id: str, settings: Settings) -> None:
        self._host_id, self._settings = host_id, settings
        self._probes: Probes | None = None
        self._drain: Drain | None = None
        self._decoder: Decoder | None = None
        self._last_drops: dict[str, int] = {}

    def supported(self) -> str:
        """Give "" when it can run here, else why not."""
        if os.geteuid() != 0:
            return "kernel events need root"
        if not Path("/sys/kernel/btf/vmlinux").exists():
            return "this kernel does not describe its types (no /sys/kernel/btf/vmlinux)"
        try:
            libbpf()
            read_object()
        except ProbeError as error:
            return str(error)
        return ""

    def run(self, emit: Callable[[Event], None], stop: threading.Event) -> None:
        """Observe until `stop` is set. Raises ProbeError when the kernel refuses the process probes."""
        rings = {"control": CONTROL_BYTES, "bulk": BULK_BYTES}
        hasher = Hasher(largest=self._settings.hash_max_bytes)
        self._probes = Probes(read_object(), rings=rings, exclude=[os.getpid()])
        control = open_ring(self._probes.map_handle("control"), CONTROL_BYTES)
        bulk = open_ring(self._probes.map_handle("bulk"), BULK_BYTES)
        poll = select.epoll()
        for name in rings:
            poll.register(self._probes.map_handle(name), select.EPOLLIN)
        try:
            drain = self._drain = Drain(control, bulk, poll.poll)
            decoder = self._decoder = Decoder(self._host_id, self._settings, emit, hasher)
            self._observe(drain, decoder, stop)
        finally:
            self._last_drops = self.drops()
            probes, self._probes = self._probes, None
            poll.close()
            control.close()
            bulk.close()
            probes.close()
            hasher.stop()

    def _observe(self, drain: Drain, decoder: Decoder, stop: threading.Event) -> None:
        # After the probes are attached: what starts meanwhile is in the ring, what was there before is found here.
        decoder.take_inventory()
        _calm_collector()
        log.info("observing mode=%s programs=%d", self.mode, len(self._probes.attached) if self._probes else 0)
        failed = threading.Event()
        thread = threading.Thread(target=_guarded, args=(drain, stop, failed), name="kernel-drain", daemon=True)
        thread.start()
        while not stop.is_set() and not failed.is_set():
            self._decode_round(drain, decoder, timeout=PAUSE if decoder.is_waiting() else IDLE)
        thread.join(timeout=5)
        if failed.is_set():
            raise ProbeError("the rings cannot be read any more")
        drain.look()
        while drain.backlog():
            self._decode_round(drain, decoder, timeout=0)

    def _decode_round(self, drain: Drain, decoder: Decoder, *, timeout: float) -> None:
        taken = drain.take(timeout)
        if taken is not None:
            for chunk in (*taken.control, *taken.bulk):
                decoder.decode(chunk)
        decoder.tick()

    @property
    def mode(self) -> str:
        """The mode in force."""
        return "tracepoint" if self._probes is not None else "stopped"

    def drops(self) -> dict[str, int]:
        """Event type -> records lost since `run` began, in the rings or between the threads."""
        if self._probes is None or self._drain is None:
            return dict(self._last_drops)
        in_ring, in_queue = self._probes.dropped(), self._drain.lost
        totals: Counter[str] = Counter()
        for kind, event_type in EVENT_TYPES.items():
            totals[event_type] += in_ring[kind] + in_queue[kind]
        return {name: count for name, count in totals.items() if count}

    def status(self) -> dict[str, object]:
        """Mode, refusals and their reasons, fill of the rings."""
        status: dict[str, object] = {"mode": self.mode}
        if self._probes is not None and self._drain is not None:
            status |= {
                "attached": len(self._probes.attached),
                "refused": dict(self._probes.refused),
                "recursion_misses": self._probes.recursion_misses(),
                "fullest_ring": round(self._drain.fullest, 3),
                "backlog_bytes": self._drain.backlog(),
            }
        if self._decoder is not None:
            status |= self._decoder.status()
        return status


def _guarded(drain: Drain, stop: threading.Event, failed: threading.Event) -> None:
    try:
        drain.run(stop)
    except Exception:  # a supervisor: the source ends, and its loop starts it again
        log.exception("drain failed")
        failed.set()


def _calm_collector() -> None:
    """Let the garbage collector look rarely: a full pass over the tables would stop the draining thread."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
