"""What being observed costs: CPU time of a workload alone, beside the Linux agent, beside auditd with laurel.

Run as root: `python bench/agent_slowdown.py [ROUNDS]`. Each round does every workload in every state, one after the
other, so that what else happens on the host meets all alike; what counts is the ratio within a round. Compared is
the CPU time that the workload's processes use, which is where the probes run; the agent's own is in agent_cost.py.
The small workloads run on one CPU, before all others (SCHED_FIFO), so that one percent can be told on a busy host.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from _agent_process import BareAgent, Number, Peer, build_workload, show, workload  # type: ignore[import-not-found] # beside this file
from _auditd import NAME, Auditd, audit_lock  # type: ignore[import-not-found] # beside this file
from _c_project import build, clean, make_project  # type: ignore[import-not-found] # beside this file

ROUNDS = 24
EVERY = 3
"""The peer, and the build, take part in each third round: their differences are larger, or their time longer."""
SOURCES = 10
ALONE, OURS, THEIRS = "alone", "agent", "peer"


class Work(NamedTuple):
    """A workload; `do` gives the CPU seconds that it used."""

    name: str
    unit: str
    times: int
    target: float | None
    do: Callable[[], float]


class States:
    """Puts the host into the states that are compared."""

    def __init__(self, agent: BareAgent, peer: Auditd) -> None:
        self._agent, self._peer, self._now = agent, peer, OURS

    def enter(self, state: str) -> None:
        """Change to another state; whoever observed before has done its work then."""
        if state == self._now:
            return
        if self._now == OURS:
            self._agent.ask("detach")
            self._agent.caught_up()
        if self._now == THEIRS:
            self._peer.ignore()
            self._peer.settle()
        if state == OURS:
            self._agent.ask("attach")
        if state == THEIRS:
            self._peer.watch()
        self._now = state


def main() -> None:
    """Measure and print."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder, tempfile.TemporaryDirectory(dir=_memory()) as memory:
        works = _works(Path(folder), Path(memory))
        with audit_lock(), Auditd(Path(folder)) as peer, BareAgent(folder) as agent:
            states = States(agent, peer)
            spent: dict[tuple[str, str], list[float]] = {}
            for number in range(rounds):
                _round(states, works, number, spent, without_peer=bool(peer.problem))
            drops = agent.settled()["drops"]
    for work in works:
        _print(work, spent, problem=peer.problem, about=f"lost: {drops or 'nothing'}")


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _works(folder: Path, memory: Path) -> list[Work]:
    storm, project = build_workload(folder), folder / "project"
    make_project(project, SOURCES)

    def call(mode: str, times: int, *more: str) -> Callable[[], float]:
        return lambda: float(workload(storm, mode, str(times), *more, undisturbed=True)["cpu"])

    def make() -> float:
        spent = build(project)
        clean(project)
        return float(spent)

    on_disk, in_memory = str(folder), str(memory)
    return [
        Work("fork+exec+wait", "us each", 250, 1, call("exec", 250, "/bin/true")),
        Work("create+write+close+unlink, disk", "us each", 3000, 20, call("file", 3000, on_disk)),
        Work("create+write+close+unlink, tmpfs", "us each", 5000, None, call("file", 5000, in_memory)),
        Work("connect+accept+close", "us each", 2000, None, call("connect", 2000)),
        Work(f"make -j2, {SOURCES} C files", "ms", 1, None, make),
    ]


def _round(
    states: States, works: list[Work], number: int, spent: dict[tuple[str, str], list[float]], *, without_peer: bool
) -> None:
    """All states once; who goes first changes from round to round."""
    long_one = number % EVERY == 0
    order = [ALONE, OURS] if without_peer or not long_one else [ALONE, OURS, THEIRS]
    turn = number % len(order)
    for state in order[turn:] + order[:turn]:
        states.enter(state)
        for work in works:
            if long_one or work.times > 1:
                spent.setdefault((work.name, state), []).append(work.do())


def _print(work: Work, spent: dict[tuple[str, str], list[float]], *, problem: str, about: str) -> None:
    alone, ours, theirs = (spent.get((work.name, state), []) for state in (ALONE, OURS, THEIRS))
    change, doubt = _change(alone, ours)
    with_peer = alone if work.times == 1 else alone[::EVERY]
    other, other_doubt = _change(with_peer, theirs) if theirs else (None, 0.0)
    figures = " -> ".join(f"{_each(work, costs):.1f}" for costs in (alone, ours, theirs) if costs)
    how = (
        f"CPU time of the workload, medians, {work.unit}: {figures} (alone -> agent -> peer); "
        f"median ratio of {len(ours)} rounds of {work.times}, +-{doubt:.1f} (95 %), the peer's of {len(theirs)}, "
        f"+-{other_doubt:.1f}; {about}"
    )
    name = f"{NAME} cannot run here: {problem}" if problem else NAME
    show(Number(f"slowdown of {work.name}", change, "%", work.target), how, Peer(name, other))


def _change(before: list[float], after: list[float]) -> tuple[float, float]:
    """Percent by which the median ratio is above one, and how far the true median may be from it.

    1.57 * interquartile range / sqrt(n) is the notch of a box plot (McGill et al. 1978): a 95 % interval.
    """
    ratios = [b / a for a, b in zip(before, after, strict=True)]
    if len(ratios) < 2:
        return (ratios[0] - 1) * 100, float("inf")
    low, middle, high = statistics.quantiles(ratios, n=4, method="inclusive")
    return (middle - 1) * 100, 1.57 * (high - low) / len(ratios) ** 0.5 * 100


def _each(work: Work, costs: list[float]) -> float:
    return statistics.median(costs) / work.times * (1e3 if work.times == 1 else 1e6)


if __name__ == "__main__":
    main()
