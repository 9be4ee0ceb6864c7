"""The agent as a user starts it: time until it observes, CPU when idle, memory after a storm of programs.

Run as root: `python bench/agent_whole.py`. This is `vedette agent run` with all its sources, buffer, uplink and
scanner, offline; auditd with laurel meets the same idle time and the same storm.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from _agent_process import Number, Peer, build_workload, show, wait_for_quiet, workload  # type: ignore[import-not-found] # beside this file
from _auditd import NAME, Auditd, audit_lock  # type: ignore[import-not-found] # beside this file
from _whole_agent import WholeAgent  # type: ignore[import-not-found] # beside this file

STARTS = 3
REST = 6.0
"""Seconds until what starting has set off (inventory, first status, first batches) is done."""
IDLE_SECONDS = 6
PROGRAMS = 6000


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, audit_lock():
        storm = build_workload(Path(folder))
        with Auditd(Path(folder)) as peer:  # it ignores all until it is told to watch
            starts = [_start(Path(folder, f"start{number}")) for number in range(STARTS - 1)]
            with WholeAgent(Path(folder, "agent")) as agent:
                starts.append(agent.live)
                idle = _idle(agent)
                before = agent.events()
                workload(storm, "unique", str(PROGRAMS), "/bin/true")
                time.sleep(REST)
                memory, told = agent.resident(), agent.events() - before
            theirs = _idle(peer, watch=True) if not peer.problem else None
            resident = _stormed(peer, storm) if not peer.problem else None
    beside = f"{NAME} cannot run here: {peer.problem}" if peer.problem else NAME
    how = f"median of {STARTS}: from the start of `vedette agent run` until the kernel source observes"
    show(Number("agent start, sensor live", statistics.median(starts), "s", 2), how)
    how = f"all threads and child processes over {IDLE_SECONDS} s; {idle.events} events of other programs meanwhile"
    if theirs:
        how += f", {theirs.events} for the peer"
    show(Number("agent CPU, idle", idle.share, "% of a core", 0.5), how, Peer(beside, theirs and theirs.share))
    how = (
        f"after {PROGRAMS} programs with command lines of 250 unique bytes, {told} events; peak {memory['peak']:.0f}; "
        f"scanning process beside it {memory['others']:.0f}"
    )
    show(Number("agent RSS after a storm of programs", memory["agent"], "MiB", 120), how, Peer(beside, resident))
    show(Number("agent RSS, peak of the storm", memory["peak"], "MiB", 200), "the same storm")


class Idle:
    """CPU in percent of a core, and events, while nothing is asked of anybody."""

    def __init__(self, share: float, events: int) -> None:
        self.share, self.events = share, events


def _start(data: Path) -> float:
    with WholeAgent(data) as agent:
        return float(agent.live)


def _idle(observer: WholeAgent | Auditd, *, watch: bool = False) -> Idle:
    if watch:
        observer.watch()
    time.sleep(REST)
    wait_for_quiet(patience=10)
    spent, events = observer.cpu(), observer.events()
    time.sleep(IDLE_SECONDS)
    return Idle((observer.cpu() - spent) / IDLE_SECONDS * 100, observer.events() - events)


def _stormed(peer: Auditd, storm: Path) -> float:
    workload(storm, "unique", str(PROGRAMS), "/bin/true")
    peer.settle()
    return float(peer.resident())


if __name__ == "__main__":
    main()
