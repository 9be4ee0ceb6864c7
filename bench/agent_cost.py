"""What the Linux agent costs: CPU time per event, all in (rings, decoding, hashes, structs, wire encoding), and RSS.

Run as root on a quiet host: `python bench/agent_cost.py`. Everything that other programs do is observed too, and
their files are hashed, which is paid for but is not what is measured here.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from _agent_process import BareAgent, Number, build_workload, show, wait_for_quiet, workload  # type: ignore[import-not-found] # beside this file

ROUNDS = 3
IDLE_SECONDS = 5


def main() -> None:
    """Measure and print."""
    costs: list[float] = []
    parts: dict[str, list[float]] = {}
    wire: list[float] = []
    shares: list[float] = []
    with tempfile.TemporaryDirectory() as folder, BareAgent(folder) as agent:
        storm = build_workload(Path(folder))
        idle = _idle(agent)
        for number in range(ROUNDS):
            shares.append(wait_for_quiet())
            first = before = agent.settled()
            for name, arguments in _scene(folder, number):
                workload(storm, *arguments)
                after = agent.settled()
                parts.setdefault(name, []).append(_cost(before, after))
                before = after
            costs.append(_cost(first, before))
            wire.append((before["wire_bytes"] - first["wire_bytes"]) / _events_between(first, before))
        final = agent.settled()
    print(json.dumps(final["status"]), file=sys.stderr)
    detail = ", ".join(f"{name} {statistics.median(values):.1f}" for name, values in parts.items())
    foreign = final["foreign"]
    how = (
        f"median of {ROUNDS} rounds; CPU time of the agent's process / events sent; by work: {detail} us; "
        f"{statistics.median(wire):.0f} bytes an event on the wire; lost: {final['drops'] or 'nothing'}; "
        f"without {foreign:.1f} s for hashing what other programs wrote and ran; "
        f"other programs took {statistics.median(shares):.0%} of the CPUs before a round"
    )
    show(
        Number("agent CPU per event", statistics.median(costs), "us", 15), how, peer="auditd + laurel, file event: 200"
    )
    show(Number("agent RSS, peak", final["peak_mib"], "MiB", 120), "after the rounds", peer="bpftrace scripts: 100")
    show(Number("agent CPU, idle", idle, "% of a core", 0.5), f"over {IDLE_SECONDS} s", peer="osquery, BPF tables: 3")


def _idle(agent: BareAgent) -> float:
    time.sleep(2)
    before = agent.ask()
    time.sleep(IDLE_SECONDS)
    return float((agent.ask()["cpu"] - before["cpu"]) / IDLE_SECONDS * 100)


def _scene(folder: str, number: int) -> list[tuple[str, tuple[str, ...]]]:
    """One round of mixed work."""
    kept = Path(folder, f"kept{number}")
    kept.mkdir()
    return [
        ("programs (ls, three libraries)", ("exec", "3000", "/bin/ls")),
        ("connect+accept", ("connect", "6000")),
        ("short-lived files", ("file", "12000", folder)),
        ("kept files, hashed", ("keep", "1500", str(kept))),
    ]


def _events_between(before: dict[str, Any], after: dict[str, Any]) -> int:
    return int(sum(after["events"].values()) - sum(before["events"].values()))


def _cost(before: dict[str, Any], after: dict[str, Any]) -> float:
    """Microseconds of CPU time per event."""
    return float((after["cpu"] - before["cpu"]) / max(1, _events_between(before, after)) * 1e6)


if __name__ == "__main__":
    main()
