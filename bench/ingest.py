"""What an event costs from the socket to the searchable row, with real processes: ingest, pipeline, store.

python bench/ingest.py [--events N] [--batch N] [--agents N] [--pipelines N] [--rate N] [--seconds S] [--live S]

First a burst: `--events` realistic events (vedette.fleet.endpoint) as fast as they are taken, over mutual TLS; CPU is
that of all processes of the Central Node (user and system, background merges included) until the last event is in
the store. Then a paced run: from a batch's sending to the moment a search finds its last event.
Last, with root: this host is recorded while it works, and its events are stored.
Event bodies are made beforehand and the sender's CPU is not counted, but it shares the cores.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import receive  # type: ignore[import-not-found] # beside this file
from vedette.central.layout import Layout
from vedette.central.provision import provision
from vedette.central.settings import CentralSettings
from vedette.fleet.endpoint import Endpoint
from vedette.runtime.clock import SECOND, now
from vedette.schema.entities import Host, Os
from vedette.schema.events.base import Event
from vedette.store.events import EventStore
from vedette.wire.batch import BatchHeader, Builder, frame

AGENT_WAIT = 2.0
"""Seconds that an agent may hold an event before it sends: part of what a person waits."""


MERGED = "SELECT sum(value) FROM system.events WHERE event = 'MergedRows'"


NEW_BYTES = "SELECT sum(bytes_on_disk) / sum(rows) FROM system.parts WHERE table = 'event' AND level = 0"


class Sender:
    """One agent: its endpoint, its connection, its sequence numbers."""

    def __init__(self, layout: Layout, port: int, agent: tuple[str, Path], number: int) -> None:
        self.id, certificate = agent
        self.endpoint = Endpoint(number, start=now() - 3600 * SECOND)
        self.connection = receive.connect(layout, port, certificate)
        self.next = 1
        self.ready: list[tuple[int, int, bytes]] = []

        self.host = Host(name=f"WS-{number:05d}.corp.example", ip=(f"10.0.{number}.7", "fe80::7"))
        self.os = Os(family="windows", name="Windows 11 Pro", version="10.0.22631", kernel="22631")

    def make(self, events: list[Event]) -> None:
        """Prepare one batch."""
        payload = Builder(list(events)).encode(self.next)
        self.ready.append((self.next, self.next + len(events) - 1, payload))
        self.next += len(events)

    def send(self) -> tuple[int, float]:
        """Send the next prepared batch; gives its last sequence number and when it was sent."""
        first, last, payload = self.ready.pop(0)
        header = BatchHeader(
            agent=self.id, epoch="0" * 16, first=first, last=last, count=last - first + 1, sent=now(),
            host=self.host, os=self.os,
        )  # fmt: skip
        at = time.monotonic()
        self.connection.request("POST", "/agent/v1/batch", body=frame(header, payload))
        response = self.connection.getresponse()
        body = response.read()
        if response.status == 503:
            time.sleep(float(response.headers.get("Retry-After", "1")))
            self.ready.insert(0, (first, last, payload))
            return self.send()
        if response.status != 200:
            raise SystemExit(f"refused: {body.decode()}")
        return last, at


class Node:
    """The processes of a Central Node and what they spend."""

    def __init__(self, folder: Path, *, pipelines: int) -> None:
        self.layout = Layout(folder / "data")
        first = provision(self.layout, CentralSettings(), now=now())
        if first is None:
            raise SystemExit("the directory was not empty")
        self.pin = first.enrolment_token.partition(".")[2]
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._start("store", "vedette.store.server")
        self._start("ingest", "vedette.central.ingest", "--listen", "127.0.0.1:0")
        for share in range(pipelines):
            self._start(f"pipeline-{share}", "vedette.central.pipeline", "--share", str(share), "--of", str(pipelines))
        password = self.layout.store_password.read_text()
        self.store = EventStore(f"http://127.0.0.1:{self.port('store')}", password)

    def port(self, part: str) -> int:
        """Give the port of a part."""
        return int(self.layout.ready(part).read_bytes())

    def _start(self, name: str, module: str, *arguments: str) -> None:
        command = [sys.executable, "-m", module, "--data", str(self.layout.data), *arguments]
        quiet = subprocess.DEVNULL if name == "ingest" else None  # it logs each enrolment
        self.processes[name] = subprocess.Popen(command, stderr=quiet)
        deadline = time.monotonic() + 60
        while not self.layout.ready(name).exists():
            if time.monotonic() > deadline or self.processes[name].poll() is not None:
                raise SystemExit(f"{name} did not start")
            time.sleep(0.05)

    def cpu(self) -> dict[str, float]:
        """CPU seconds of each part since its start."""
        return {name: receive.cpu_seconds(process.pid) for name, process in self.processes.items()}

    def memory(self) -> dict[str, int]:
        """Highest resident memory of each part, MB."""
        return {name: receive.resident_mb(process.pid) for name, process in self.processes.items()}

    def count(self) -> int:
        """Events in the store."""
        return int(self.store.query("SELECT count() FROM event")[0][0])

    def bytes_before_merging(self) -> float:
        """Bytes an event on disk, indexes included, as inserts leave them."""
        return round(float(self.store.query(NEW_BYTES)[0][0]), 1)

    def stop(self) -> None:
        """Stop all, the store last."""
        for process in reversed(self.processes.values()):
            process.send_signal(signal.SIGTERM)
            process.wait(30)


@contextmanager
def running(pipelines: int) -> Iterator[Node]:
    """Run a node in a fresh directory."""
    with tempfile.TemporaryDirectory(prefix="vedette-ingest-", dir="/var/tmp") as folder:
        node = Node(Path(folder), pipelines=pipelines)
        try:
            yield node
        finally:
            node.stop()


def burst(node: Node, senders: list[Sender], *, events: int, size: int) -> dict[str, object]:
    """Send as fast as taken; gives cost, rate and bytes."""
    batches = events // size
    for number in range(batches):
        sender = senders[number % len(senders)]
        sender.make(sender.endpoint.events(size))
    before, began = node.cpu(), time.monotonic()
    groups = [senders[at::16] for at in range(min(16, len(senders)))]
    threads = [threading.Thread(target=_send_all, args=(group,)) for group in groups]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    acknowledged = time.monotonic() - began
    while node.count() < batches * size or any(node.layout.spool.glob("*.seg")):
        if time.monotonic() - began > 300:
            raise SystemExit(f"{batches * size - node.count()} events did not arrive")
        time.sleep(0.2)
    took, after = time.monotonic() - began, node.cpu()
    sent = batches * size
    stages = {name: round((after[name] - before[name]) / sent * 1e6, 2) for name in after}
    return {
        "events": sent, "us": round(sum(stages.values()), 2), "stages": stages, "per_second": round(sent / took),
        "acknowledged_per_second": round(sent / acknowledged), "memory_mb": node.memory(),
        "bytes": node.bytes_before_merging(),
        "merged_rows_each": round(float(node.store.query(MERGED)[0][0]) / sent, 2),
        "distinct": node.store.query("SELECT uniqExact(`host.id`, `event.sequence`) FROM event")[0][0],
    }  # fmt: skip


def _send_all(senders: list[Sender]) -> None:
    while any(sender.ready for sender in senders):
        for sender in senders:
            if sender.ready:
                sender.send()


def paced(node: Node, senders: list[Sender], *, rate: int, seconds: float, size: int) -> dict[str, object]:
    """Send at a rate; gives the seconds from sending to being found."""
    count = int(rate * seconds) // size
    for number in range(count):
        sender = senders[number % len(senders)]
        sender.make(sender.endpoint.events(size))
    sent: list[tuple[str, int, float]] = []
    seen: dict[str, list[tuple[float, int]]] = {sender.id: [] for sender in senders}
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(node, seen, stop))
    watcher.start()
    before, began = node.cpu(), time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, began + number * size / rate - time.monotonic()))
        sender = senders[number % len(senders)]
        last, at = sender.send()
        sent.append((sender.id, last, at))
    wanted = {sender: last for sender, last, _ in sent}
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(not seen[i] or seen[i][-1][1] < last for i, last in wanted.items()):
        time.sleep(0.1)
    stop.set()
    watcher.join()
    after = node.cpu()
    waits = sorted(next(when for when, last in seen[agent] if last >= number) - at for agent, number, at in sent)
    spent = sum(after[name] - before[name] for name in after)
    return {
        "p50": round(waits[len(waits) // 2], 2), "p95": round(waits[int(len(waits) * 0.95)], 2),
        "worst": round(waits[-1], 2), "core_share": round(spent / (time.monotonic() - began), 2),
    }  # fmt: skip


def live(seconds: float) -> dict[str, object]:
    """Record this host, send it all, and see how many bytes it takes."""
    from live_events import record  # type: ignore[import-not-found] # beside this file; needs root

    with running(1) as node:
        (agent,) = receive.enrol(node.layout, node.port("ingest"), node.pin, 1)
        sender = Sender(node.layout, node.port("ingest"), agent, 0)
        events, sender.host, sender.os = record(sender.id, seconds)
        for at in range(0, len(events), 1000):
            sender.make(events[at : at + 1000])
        wire = sum(len(payload) for _, _, payload in sender.ready) / len(events)
        while sender.ready:
            sender.send()
        while node.count() < len(events):
            time.sleep(0.2)
        kinds = node.store.query("SELECT `event.type`, count() FROM event GROUP BY 1 ORDER BY 2 DESC")
        return {
            "events": len(events), "bytes": node.bytes_before_merging(), "wire": round(wire, 1),
            "types": {str(kind): int(count) for kind, count in kinds},
        }  # fmt: skip


def _watch(node: Node, seen: dict[str, list[tuple[float, int]]], stop: threading.Event) -> None:
    while not stop.wait(0.1):
        rows = node.store.query("SELECT `host.id`, max(`event.sequence`) FROM event GROUP BY `host.id`")
        at = time.monotonic()
        for agent, last in rows:
            seen[agent].append((at, last))


def main() -> None:
    """Run and print JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--agents", type=int, default=40)
    parser.add_argument("--pipelines", type=int, default=1)
    parser.add_argument("--rate", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--live", type=float, default=30, help="seconds to record this host for; 0 = do not")
    given = parser.parse_args()
    with running(given.pipelines) as node:
        agents = receive.enrol(node.layout, node.port("ingest"), node.pin, given.agents)
        senders = [Sender(node.layout, node.port("ingest"), agent, n) for n, agent in enumerate(agents)]
        fast = burst(node, senders, events=given.events, size=given.batch)
        slow = paced(node, senders, rate=given.rate, seconds=given.seconds, size=min(given.batch, 200))
    recorded = live(given.live) if given.live else None
    cores = os.cpu_count()
    how = f"bench/ingest.py on {cores} cores shared with the sender, {given.pipelines} pipeline process(es)"
    lines: list[tuple[str, object, str, float | None, dict[str, object]]] = [
        ("ingest_cpu", fast["us"], "us of server CPU an event, all processes", 26.0, {"burst": fast}),
        ("ingest_rate", fast["per_second"], "events a second, sent to searchable", None, {}),
        ("store_bytes_made", fast["bytes"], "bytes an event on disk before merging, made events", None, {}),
        (
            "searchable_p95", round(float(str(slow["p95"])) + AGENT_WAIT, 2),
            f"s from event to search, {AGENT_WAIT:.0f} s of waiting in the agent included", 5.0, {"paced": slow},
        ),
    ]  # fmt: skip
    if recorded is not None:
        unit = "bytes an event on disk before merging, recorded live events"
        lines.append(("store_bytes", recorded["bytes"], unit, 125.0, {"recorded": recorded}))
    for name, value, unit, target, more in lines:
        line = {"name": name, "value": value, "unit": unit, "target": target, "peer": None, "peer_value": None}
        print(json.dumps(line | {"how": how} | more))


if __name__ == "__main__":
    main()
