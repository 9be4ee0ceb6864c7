"""What the kernel observes, by eBPF: processes, files, network, modules.

Two threads: one takes raw records out of the rings as fast as they come (`drain`), one makes events of them
(`decoder`). Between them is a bounded queue; what does not fit is counted by event type, file records first.
"""

import gc
import logging
import os
import platform
import select
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from vedette.agent.core.orders import Orders
from vedette.agent.linux.hashing import Hasher
from vedette.agent.linux.sources.decoder import Decoder
from vedette.agent.linux.sources.drain import IDLE, PAUSE, QUEUE_BYTES, Drain
from vedette.agent.linux.sources.savings import Savings
from vedette.agent.linux.sources.shared import Shared
from vedette.probes import records
from vedette.probes.libbpf import libbpf
from vedette.probes.loader import Probes, read_object, start
from vedette.probes.ring import Ring, open_ring
from vedette.probes.tracefs import MACHINES
from vedette.runtime.errors import ProbeError
from vedette.schema.events.base import Event
from vedette.schema.policies import Settings

log = logging.getLogger(__name__)

CONTROL_BYTES, BULK_BYTES = 4 << 20, 16 << 20
"""Sizes of the rings."""

LOOK_EVERY = 60.0
"""Seconds between two looks for shells that were installed since."""

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
    records.DRIVER: "driver_load",
    records.ACCESS: "process_access",
    records.DNS: "dns_query",
    records.LINE: "script_run",
    records.MEMFD: "file_create",
    records.PROGRAM: "driver_load",
    records.MODULE: "driver_load",
}
"""Kind of record -> event type under which a lost one is counted."""

LEFT_OUT = ("file_create", "file_change", "module_load")
"""`enum left_out` of the probes."""
PAUSES = (PAUSE, PAUSE, 2 * PAUSE, 4 * PAUSE, 4 * PAUSE)
"""Seconds between two looks into the rings, by level."""


class KernelSource:
    """The source `kernel`: eBPF in LSM mode where the kernel takes it, else in tracepoint mode."""

    name = "kernel"

    def __init__(self, host_id: str, settings: Settings, shared: Shared | None = None, *, only: str = "") -> None:
        self._only = only  # a mode that is forced: "lsm" or "tracepoint"
        self._host_id, self._settings, self._shared = host_id, settings, shared
        self._applied = settings
        self._probes: Probes | None = None
        self._drain: Drain | None = None
        self._decoder: Decoder | None = None
        self._last_drops: dict[str, int] = {}
        self._savings, self._orders = Savings(), Orders()
        self._obeyed = self._orders
        # What the kernel leaves out belongs to the orders in force: nobody may count between two of them.
        self._counting = threading.Lock()
        self._left_out = [0] * len(LEFT_OUT)
        self._observing = False
        self._next_look = 0.0

    def apply(self, settings: Settings) -> None:
        """Take other settings while running; called from any thread, in force with the next records."""
        self._settings = settings

    def save(self, orders: Orders) -> None:
        """Cost less from now on, or no longer; called by any thread, in force with the next records."""
        self._orders = orders

    def supported(self) -> str:
        """Give "" when it can run here, else why not."""
        if os.geteuid() != 0:
            return "kernel events need root"
        if platform.machine() not in MACHINES:
            return f"the probes are not written for {platform.machine()}"
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
        with ExitStack() as cleanup:
            settings = self._applied = self._settings
            hasher = Hasher(largest=settings.hash_max_bytes)
            cleanup.callback(hasher.stop)
            decoder = self._decoder = Decoder(self._host_id, settings, emit, hasher, self._shared, self._savings)
            # Once before and once after the probes are attached, so that no start falls between.
            decoder.take_inventory()
            drain = self._drain = self._attach(cleanup)
            self._obey(self._orders, drain, decoder)
            decoder.take_inventory()
            _calm_collector()
            self._observing = True
            log.info("observing mode=%s refused=%s", self.mode, self.status()["refused"] or "nothing")
            self._observe(drain, decoder, stop)

    def _attach(self, cleanup: ExitStack) -> Drain:
        rings = {"control": CONTROL_BYTES, "bulk": BULK_BYTES}
        probes = self._probes = start(rings=rings, exclude=[os.getpid()], mode=self._only)
        cleanup.callback(self._detach, probes)
        poll = select.epoll()
        cleanup.callback(poll.close)
        opened: dict[str, Ring] = {}
        for name, size in rings.items():
            opened[name] = open_ring(probes.map_handle(name), size)
            cleanup.callback(opened[name].close)
            poll.register(probes.map_handle(name), select.EPOLLIN)
        return Drain(opened["control"], opened["bulk"], poll.poll)

    def _detach(self, probes: Probes) -> None:
        self._last_drops = self.drops()
        with self._counting:
            self._count_left_out()
            self._probes, self._observing, self._left_out = None, False, [0] * len(LEFT_OUT)
        probes.close()

    def _observe(self, drain: Drain, decoder: Decoder, stop: threading.Event) -> None:
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
        decoder.finish()

    def _decode_round(self, drain: Drain, decoder: Decoder, *, timeout: float) -> None:
        if self._applied is not self._settings:
            self._applied = self._settings
            decoder.apply(self._applied)
        if self._obeyed is not self._orders:
            self._obey(self._orders, drain, decoder)
        taken = drain.take(timeout)
        if taken is not None:
            for chunk in (*taken.control, *taken.bulk):
                decoder.decode(chunk)
        decoder.tick(behind=drain.backlog() > 0)
        if self._probes is not None and time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY
            self._probes.look_for_consoles()

    def _obey(self, orders: Orders, drain: Drain, decoder: Decoder) -> None:
        with self._counting:
            self._count_left_out()
            self._savings.obey(orders)
            if self._probes is not None:
                pace = self._savings.pace()
                boot = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                self._probes.limit(each=pace.each, together=pace.together, boot=boot)
        drain.pause = PAUSES[orders.level]
        drain.room = QUEUE_BYTES >> 2 if orders.memory_is_short else QUEUE_BYTES
        decoder.save(orders)
        self._obeyed = orders

    def _count_left_out(self) -> None:
        if self._probes is None:
            return
        now = self._probes.left_out()
        for name, number, before in zip(LEFT_OUT, now, self._left_out, strict=True):
            if number > before:
                self._savings.count(name, number - before)
        self._left_out = now

    @property
    def mode(self) -> str:
        """The mode in force."""
        return self._probes.mode if self._probes is not None else "stopped"

    def drops(self) -> dict[str, int]:
        """Event type -> records lost since `run` began, in the rings or between the threads."""
        if self._probes is None or self._drain is None:
            return dict(self._last_drops)
        in_ring, in_queue = self._probes.dropped(), self._drain.lost
        totals: Counter[str] = Counter()
        for kind, event_type in EVENT_TYPES.items():
            totals[event_type] += in_ring[kind] + in_queue[kind]
        return {name: count for name, count in totals.items() if count}

    def throttled(self) -> dict[str, int]:
        """Event type/policy -> events left out since this source was made, in the kernel or after it."""
        with self._counting:
            self._count_left_out()
            return self._savings.throttled()

    def status(self) -> dict[str, object]:
        """Mode, refusals and their reasons, fill of the rings."""
        status: dict[str, object] = {"mode": self.mode, "observing": self._observing}
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
