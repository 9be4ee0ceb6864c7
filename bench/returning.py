"""Agents that return from an outage all at once, beside calm ones.

python bench/returning.py [--agents N] [--backlog N] [--batch N] [--calm N]

A whole Central Node (one pipeline) and `vedette bench fleet` share the cores. Each agent comes back with a backlog
within a second and obeys 503 and send rates; calm agents send new events all the time. Prints one JSON line: the 95th
percentile from the sending of a calm agent's batch to the first search that finds it, and in `how` whether the others
went forward alike.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--agents", type=int, default=10_000)
    options.add_argument("--backlog", type=int, default=200)
    options.add_argument("--batch", type=int, default=100)
    options.add_argument("--calm", type=int, default=100)
    options.add_argument("--seconds", type=int, default=3_000)
    options.add_argument("--keep", type=Path, help="keep the agents' identities and the node here, for another run")
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="vedette-returning-") as temporary:
        folder = given.keep or Path(temporary)
        folder.mkdir(exist_ok=True)
        report = measure(folder, given)
    print(json.dumps(line(report, given)))


def measure(folder: Path, given: argparse.Namespace) -> dict[str, Any]:
    """Run the node and the fleet; gives the fleet's report."""
    data = folder / "central"
    listen = ("--listen-ingest", "127.0.0.1:18441", "--listen-api", "127.0.0.1:18440")
    ready = [data / "run" / f"{part}.ready" for part in ("api", "pipeline-0")]
    for path in ready:
        path.unlink(missing_ok=True)
    with (folder / "central.log").open("ab") as log:
        central = subprocess.Popen(
            [sys.executable, "-m", "vedette", "central", "--data", str(data), *listen], stdout=log, stderr=log
        )
    try:
        for path in ready:
            wait_for(path, central)
        fleet = [
            "--agents", given.agents, "--backlog", given.backlog, "--batch", given.batch, "--calm", given.calm,
            "--seconds", given.seconds, "--connections", given.agents, "--threads", 128,
            "--keep", folder / "fleet", "--json",
        ]  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-m", "vedette", "bench", "fleet", *map(str, fleet)],
            env=os.environ | {"VEDETTE_CLIENT": str(data / "client.toml")}, stdout=subprocess.PIPE, check=False,
        )  # fmt: skip
        if not done.stdout:
            raise SystemExit("the fleet has no report")
        report: dict[str, Any] = json.loads(done.stdout)
        return report
    finally:
        central.send_signal(signal.SIGTERM)
        central.wait()


def wait_for(ready: Path, central: subprocess.Popen[bytes]) -> None:
    """Wait until the last part is ready."""
    deadline = time.monotonic() + 120
    while not ready.exists():
        if central.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the Central Node did not start")
        time.sleep(0.1)


def line(report: dict[str, Any], given: argparse.Namespace) -> dict[str, Any]:
    """Give the published line."""
    away = given.agents - given.calm
    drain, found = report["drain_s"], report["searchable_s"]
    refusals = report["busy"] / (away * given.backlog / given.batch)
    how = (
        f"bench/returning.py: {away} agents return at once with {given.backlog} events each beside {given.calm} "
        "calm ones; "
        f"{report['drained']} have sent all, a tenth, half, all of them after "
        f"{drain['first']}, {drain['half']}, {drain['last']} s; {report['rate']:.0f} events/s, "
        f"{refusals:.1f} answers 503 a batch, at most {report['busy_in_a_row']} in a row; calm ones: "
        f"p50 {found['p50']} s, highest {found['highest']} s of {report['searched']}, "
        f"{report['not_found']} not found; lost {report['lost']}"
    )
    return {
        "name": "returning_calm_searchable_p95",
        "value": report["searchable_s"]["p95"],
        "unit": "s from sending to search, agent's wait not included",
        "target": 10.0,
        "how": how,
    }


if __name__ == "__main__":
    main()
