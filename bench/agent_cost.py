"""What the Linux agent costs: CPU time per event, all in (rings, decoding, hashes, structs, wire encoding), and RSS.

Run as root: `python bench/agent_cost.py`. Prints one JSON line for each published number.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from agent_process import BareAgent, build_workload, workload

ROUNDS = 5


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, BareAgent() as agent:
        storm = build_workload(Path(folder))
        costs: list[float] = []
        parts: dict[str, list[float]] = {}
        wire: list[float] = []
        for number in range(ROUNDS):
            before = agent.settled()
            first = before
            for name, arguments in scene(folder, number):
                workload(storm, *arguments)
                after = agent.settled()
                parts.setdefault(name, []).append(cost(before, after))
                before = after
            costs.append(cost(first, before))
            wire.append((before["wire_bytes"] - first["wire_bytes"]) / events_between(first, before))
        final = agent.settled()
        peak, drops = final["peak_mib"], final["drops"]
        print(json.dumps(final["status"]), file=sys.stderr)
    detail = ", ".join(f"{name} {statistics.median(values):.1f}" for name, values in parts.items())
    how = (
        f"median of {ROUNDS} rounds; CPU time of the agent's process / events sent; per round: {detail} us; "
        f"{statistics.median(wire):.0f} bytes an event on the wire; lost {drops or 'nothing'}"
    )
    show(
        "agent CPU per event",
        statistics.median(costs),
        "us",
        15,
        how,
        peer="auditd + laurel, per file event",
        peer_value=200,
    )
    show("agent RSS, peak", peak, "MiB", 120, "after the same rounds", peer="bpftrace, two scripts", peer_value=100)


def scene(folder: str, number: int) -> list[tuple[str, tuple[str, ...]]]:
    """One round of mixed work."""
    kept = Path(folder, f"kept{number}")
    kept.mkdir()
    return [
        ("fork+exec+exit", ("exec", "1000", "/bin/true")),
        ("connect+accept", ("connect", "2000")),
        ("short-lived files", ("file", "4000", folder)),
        ("kept files, hashed", ("keep", "2000", str(kept))),
    ]


def events_between(before: dict[str, Any], after: dict[str, Any]) -> int:
    return sum(after["events"].values()) - sum(before["events"].values())


def cost(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Microseconds of CPU time per event."""
    return float((after["cpu"] - before["cpu"]) / max(1, events_between(before, after)) * 1e6)


def show(name: str, value: float, unit: str, target: float, how: str, *, peer: str, peer_value: float) -> None:
    line = {"name": name, "value": round(value, 2), "unit": unit, "target": target}
    print(json.dumps(line | {"peer": peer, "peer_value": peer_value, "how": how}))


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as error:
        sys.exit(f"workload failed: {error}")
