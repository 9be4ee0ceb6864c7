"""What receiving costs: server CPU for each event from the socket to the receipt, over mutual TLS.

python bench/receive.py [--events 1000000] [--batch 1000] [--connections 16]

Starts a real ingest in a fresh directory, enrols agents, and sends batches of the size that real ones have
(57 bytes an event). A thread removes sealed segments, as the pipeline would. CPU time is that of the ingest
process alone (user and system, /proc/PID/stat).
"""

import argparse
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

from vedette.central.layout import Layout
from vedette.central.provision import provision
from vedette.central.settings import CentralSettings
from vedette.runtime.clock import now
from vedette.store.state import open_state, tokens
from vedette.wire.csr import make_csr, make_key
from vedette.wire.frame import frame
from vedette.wire.header import BatchHeader

EVENT_BYTES = 57


def main() -> None:
    """Run once and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vedette-receive-", dir="/var/tmp") as folder:
        result = measure(Path(folder), options.events, options.batch, options.connections)
    print(json.dumps(result))


def measure(folder: Path, events: int, batch: int, connections: int) -> dict[str, object]:
    """Send `events` in batches over `connections`; gives the line to print."""
    layout = Layout(folder / "data")
    first = provision(layout, CentralSettings(), now=now())
    if first is None:
        raise SystemExit("the directory was not empty")
    server = subprocess.Popen(
        [sys.executable, "-m", "vedette.central.ingest", "--data", layout.data, "--listen", "127.0.0.1:0"]
    )
    try:
        port = wait_for_port(layout)
        agents = enrol(layout, port, first.enrolment_token.partition(".")[2], connections)
        each = events // connections // batch
        times: list[float] = []
        stop = threading.Event()
        cleaner = threading.Thread(target=clean, args=(layout.spool, stop))
        cleaner.start()
        before, began = cpu_seconds(server.pid), time.monotonic()
        with ThreadPoolExecutor(connections) as pool:
            done = [pool.submit(send, layout, port, agent, each, batch, times) for agent in agents]
            for one in done:
                one.result()
        took, spent = time.monotonic() - began, cpu_seconds(server.pid) - before
        rss = resident_mb(server.pid)
        stop.set()
        cleaner.join()
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(20)
    sent = each * connections * batch
    times.sort()
    return {
        "name": "receive",
        "value": round(spent / sent * 1e6, 3),
        "unit": "us of server CPU an event",
        "target": 1.0,
        "events": sent,
        "events_per_second": round(sent / took),
        "p50_ms": round(times[len(times) // 2] * 1000, 1),
        "p99_ms": round(times[int(len(times) * 0.99)] * 1000, 1),
        "rss_mb": rss,
        "peer": None,
        "peer_value": None,
        "how": f"bench/receive.py: {connections} TLS connections, batches of {batch}, {EVENT_BYTES} bytes an event, "
        "fdatasync before each receipt",
    }


def wait_for_port(layout: Layout) -> int:
    """Wait until ingest serves."""
    deadline = time.monotonic() + 30
    while not layout.ready("ingest").exists():
        if time.monotonic() > deadline:
            raise SystemExit("ingest did not start")
        time.sleep(0.05)
    return int(layout.ready("ingest").read_bytes())


def enrol(layout: Layout, port: int, pin: str, count: int) -> list[tuple[str, Path]]:
    """Enrol agents; gives id and certificate file of each."""
    state = open_state(layout.state_url)
    with state.write() as db:
        token = tokens.create_enrolment(db, tokens.NewEnrolment(uses=count), now=now())
    state.close()
    agents = []
    for number in range(count):
        key = make_key()
        body = json.dumps({"token": f"{token}.{pin}", "csr": make_csr(key), "hostname": f"bench{number}"})
        connection = connect(layout, port, None)
        connection.request("POST", "/agent/v1/enrol", body=body)
        reply = json.loads(connection.getresponse().read())
        connection.close()
        path = layout.data / f"agent-{number}.pem"
        path.write_bytes(key + reply["certificate"].encode())
        agents.append((str(reply["agent"]), path))
    return agents


def send(layout: Layout, port: int, agent: tuple[str, Path], batches: int, size: int, times: list[float]) -> None:
    """Send batches of one agent one after the other."""
    identity, certificate = agent
    payload = os.urandom(size * EVENT_BYTES)
    connection = connect(layout, port, certificate)
    for number in range(batches):
        header = BatchHeader(
            agent=identity,
            epoch="0" * 16,
            first=number * size + 1,
            last=(number + 1) * size,
            count=size,
            sent=now(),
        )
        while True:
            began = time.monotonic()
            connection.request("POST", "/agent/v1/batch", body=frame(header, payload))
            response = connection.getresponse()
            body = response.read()
            if response.status != HTTPStatus.SERVICE_UNAVAILABLE:
                break
            time.sleep(int(response.headers["Retry-After"]))  # the others' turn, until the pace is found
        times.append(time.monotonic() - began)
        if response.status != HTTPStatus.OK:
            raise RuntimeError(f"refused: {body.decode()}")
    connection.close()


def connect(layout: Layout, port: int, client: Path | None) -> http.client.HTTPSConnection:
    """Open a connection as an agent does."""
    context = ssl.create_default_context(cafile=str(layout.ca_certificate))
    if client is not None:
        context.load_cert_chain(client)
    return http.client.HTTPSConnection("127.0.0.1", port, context=context)


def clean(spool: Path, stop: threading.Event) -> None:
    """Remove sealed segments."""
    while not stop.wait(0.1):
        for path in spool.glob("*.seg"):
            path.unlink()


def cpu_seconds(pid: int) -> float:
    """Give user and system time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_mb(pid: int) -> int:
    """Give the resident memory of a process."""
    line = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) // 1024


if __name__ == "__main__":
    main()
