"""The modes `lsm` and `tracepoint`: eBPF programs write records into rings.

Two threads: one takes raw records out of the rings as fast as they come (`drain`), one makes events of them
(`decoder`). Between them is a bounded queue; what does not fit is counted by event type, file records first.
"""

import logging
import os
import platform
import select
import threading
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from vedette.agent.core.orders import Orders
from vedette.agent.linux.sources.decoder import Decoder
from vedette.agent.linux.sources.drain import IDLE, PAUSE, QUEUE_BYTES, Drain
from vedette.probes import records
from vedette.probes.libbpf import libbpf
from vedette.probes.loader import Probes, read_object, start
from vedette.probes.ring import Ring, open_ring
from vedette.probes.tracefs import MACHINES
from vedette.runtime.errors import ProbeError

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


class EbpfMode:
    """eBPF with the programs of LSM mode, or those of tracepoint mode alone."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._probes: Probes | None = None
        self._drain: Drain | None = None
        self._decoder: Decoder | None = None
        self._last_drops: dict[str, int] = {}
        self._next_look = 0.0
        self._obeyed: Orders | None = None
        # What the kernel leaves out belongs to the orders in force: nobody may count between two of them.
        self._counting = threading.Lock()
        self._left_out = [0] * len(LEFT_OUT)

    @property
    def refused(self) -> dict[str, str]:
        """Programs and tracepoints that the kernel refuses, and why."""
        return dict(self._probes.refused) if self._probes is not None else {}

    def start(self, decoder: Decoder, cleanup: ExitStack) -> None:
        """Load and attach the programs. Raises ProbeError when the kernel refuses the process probes."""
        refusal = _refusal()
        if refusal:
            raise ProbeError(refusal)
        rings = {"control": CONTROL_BYTES, "bulk": BULK_BYTES}
        probes = self._probes = start(rings=rings, exclude=[os.getpid()], mode=self.name)
        cleanup.callback(self._detach, probes)
        poll = select.epoll()
        cleanup.callback(poll.close)
        opened: dict[str, Ring] = {}
        for name, size in rings.items():
            opened[name] = open_ring(probes.map_handle(name), size)
            cleanup.callback(opened[name].close)
            poll.register(probes.map_handle(name), select.EPOLLIN)
        self._drain, self._decoder = Drain(opened["control"], opened["bulk"], poll.poll), decoder
        self._obey(decoder.ordered, self._drain, decoder)

    def _detach(self, probes: Probes) -> None:
        self._last_drops = self.drops()
        with self._counting:
            self._count_left_out()
            self._probes = None
        probes.close()

    def observe(self, stop: threading.Event) -> None:
        """Decode what the rings hold until `stop` is set."""
        drain, decoder = self._drain, self._decoder
        if drain is None or decoder is None:
            raise RuntimeError("not started")
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
        decoder.follow()
        if self._obeyed is not decoder.ordered:
            self._obey(decoder.ordered, drain, decoder)
        taken = drain.take(timeout)
        if taken is not None:
            for chunk in (*taken.control, *taken.bulk):
                decoder.decode(chunk)
        decoder.tick(behind=drain.backlog() > 0)
        if self._probes is not None and time.monotonic() > self._next_look:
            self._next_look = time.monotonic() + LOOK_EVERY
            self._probes.look_for_consoles()

    def _obey(self, orders: Orders, drain: Drain, decoder: Decoder) -> None:
        savings = decoder.model.savings
        with self._counting:
            self._count_left_out()
            savings.obey(orders)
            if self._probes is not None:
                pace = savings.pace()
                boot = time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                self._probes.limit(each=pace.each, together=pace.together, boot=boot)
        drain.pause = PAUSES[orders.level]
        drain.room = QUEUE_BYTES >> 2 if orders.memory_is_short else QUEUE_BYTES
        decoder.save(orders)
        self._obeyed = orders

    def count_left_out(self) -> None:
        """Add what the kernel left out since the last time to the savings; called by any thread."""
        with self._counting:
            self._count_left_out()

    def _count_left_out(self) -> None:
        if self._probes is None or self._decoder is None:
            return
        now = self._probes.left_out()
        for name, number, before in zip(LEFT_OUT, now, self._left_out, strict=True):
            if number > before:
                self._decoder.model.savings.count(name, number - before)
        self._left_out = now

    def drops(self) -> dict[str, int]:
        """Event type -> records lost since the start, in the rings or between the threads."""
        if self._probes is None or self._drain is None:
            return dict(self._last_drops)
        in_ring, in_queue = self._probes.dropped(), self._drain.lost
        totals: Counter[str] = Counter()
        for kind, event_type in EVENT_TYPES.items():
            totals[event_type] += in_ring[kind] + in_queue[kind]
        return {name: count for name, count in totals.items() if count}

    def status(self) -> dict[str, object]:
        """Programs in place, fill of the rings."""
        if self._probes is None or self._drain is None:
            return {}
        return {
            "attached": len(self._probes.attached),
            "recursion_misses": self._probes.recursion_misses(),
            "fullest_ring": round(self._drain.fullest, 3),
            "backlog_bytes": self._drain.backlog(),
        }


def _refusal() -> str:
    """Give "" when it is worth trying, else why not."""
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


def _guarded(drain: Drain, stop: threading.Event, failed: threading.Event) -> None:
    try:
        drain.run(stop)
    except Exception:  # a supervisor: the source ends, and its loop starts it again
        log.exception("drain failed")
        failed.set()
