"""What observing costs: CPU time of the Linux agent for each event, beside auditd with laurel on the same work.

Run as root on a quiet host: `python bench/agent_cost.py`. The agent's time is all in: rings, decoding, digests,
structs, wire encoding, buffer on disk; that of the peer is auditd, laurel and the kernel's audit thread. What other
programs do is observed too and paid for; digests of their files are left out of the agent's time.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from _agent_process import BareAgent, Number, Peer, build_workload, show, wait_for_quiet, workload  # type: ignore[import-not-found] # beside this file
from _auditd import NAME, Auditd, audit_lock  # type: ignore[import-not-found] # beside this file

ROUNDS = 3
PROGRAMS, FILES, CONNECTIONS, KEPT = "program (ls, three libraries)", "short-lived file", "connection", "kept file"
AMOUNTS = {PROGRAMS: 1500, CONNECTIONS: 4000, FILES: 8000, KEPT: 1500}


class Cost(NamedTuple):
    """CPU seconds and events of some work."""

    seconds: float
    events: int


class Ours:
    """The agent's counters."""

    def __init__(self, agent: BareAgent) -> None:
        self._agent = agent
        self.last: dict[str, Any] = {}

    def read(self) -> Cost:
        """Give what was spent so far, once nothing waits."""
        self.last = self._agent.settled()
        return Cost(self.last["cpu"], sum(self.last["events"].values()))


class Theirs:
    """The peer's counters."""

    def __init__(self, peer: Auditd) -> None:
        self._peer = peer

    def read(self) -> Cost:
        """Give what was spent so far, once nothing waits."""
        self._peer.settle()
        return Cost(self._peer.cpu(), self._peer.events())


def main() -> None:
    """Measure and print."""
    ours: dict[str, list[Cost]] = {}
    theirs: dict[str, list[Cost]] = {}
    shares = []
    with tempfile.TemporaryDirectory() as folder, audit_lock():
        storm = build_workload(Path(folder))
        with Auditd(Path(folder)) as peer, BareAgent(folder) as agent:
            own = Ours(agent)
            for number in range(ROUNDS):
                shares.append(wait_for_quiet(patience=10))
                _round(own, storm, Path(folder, f"ours{number}"), ours)
                if not peer.problem:
                    agent.ask("detach")
                    peer.watch()
                    _round(Theirs(peer), storm, Path(folder, f"theirs{number}"), theirs)
                    peer.ignore()
                    agent.ask("attach")
            final, lost = own.last, 0 if peer.problem else peer.lost()
    noise = statistics.median(shares)
    _print(ours, theirs, problem=peer.problem, about=_about(final, lost, noise))


def _round(counters: Ours | Theirs, storm: Path, folder: Path, costs: dict[str, list[Cost]]) -> None:
    """Do all the work once."""
    folder.mkdir()
    arguments = {
        PROGRAMS: ("exec", "/bin/ls"),
        CONNECTIONS: ("connect",),
        FILES: ("file", str(folder)),
        KEPT: ("keep", str(folder)),
    }
    before = counters.read()
    for name, (mode, *more) in arguments.items():
        workload(storm, mode, str(AMOUNTS[name]), *more)
        after = counters.read()
        costs.setdefault(name, []).append(Cost(after.seconds - before.seconds, after.events - before.events))
        before = after


def _about(final: dict[str, Any], lost: int, noise: float) -> str:
    kept = final["kept_bytes"] / max(1, sum(final["events"].values()))
    return (
        f"{kept:.0f} bytes an event in the buffer; lost: {final['drops'] or 'nothing'}, "
        f"by the peer: {lost or 'nothing'}; "
        f"without {final['foreign']:.1f} s for digests of other programs' files; "
        f"other programs took {noise:.0%} of the CPUs before a round"
    )


def _print(ours: dict[str, list[Cost]], theirs: dict[str, list[Cost]], *, problem: str, about: str) -> None:
    beside = f"{NAME} cannot run here: {problem}" if problem else NAME
    by_work = ", ".join(f"{name} {_each_event(costs):.1f}" for name, costs in ours.items())
    how = f"median of {ROUNDS} rounds; CPU time of all threads / events sent; by work: {by_work} us; {about}"
    mixed = [_sum(costs) for costs in zip(*ours.values(), strict=True)]
    peer = _each_event([_sum(costs) for costs in zip(*theirs.values(), strict=True)]) if theirs else None
    show(Number("agent CPU per event", _each_event(mixed), "us", 15), how, Peer(f"{beside}, an event of its own", peer))
    for name, costs in ours.items():
        events = statistics.median(cost.events for cost in costs) / AMOUNTS[name]
        other = theirs.get(name)
        told = f", theirs {statistics.median(cost.events for cost in other) / AMOUNTS[name]:.1f}" if other else ""
        how = f"CPU time / {AMOUNTS[name]} done, median of {ROUNDS} rounds; our events each {events:.1f}{told}"
        show(
            Number(f"agent CPU per {name}", _each(costs, AMOUNTS[name]), "us", None),
            how + ("; ours with digests of the content" if name == KEPT else ""),
            Peer(beside, _each(other, AMOUNTS[name]) if other else None),
        )


def _sum(costs: tuple[Cost, ...]) -> Cost:
    return Cost(sum(cost.seconds for cost in costs), sum(cost.events for cost in costs))


def _each_event(costs: list[Cost]) -> float:
    """Microseconds for each event."""
    return statistics.median(cost.seconds / max(1, cost.events) for cost in costs) * 1e6


def _each(costs: list[Cost], amount: int) -> float:
    """Microseconds for each thing done."""
    return statistics.median(cost.seconds for cost in costs) / amount * 1e6


if __name__ == "__main__":
    main()
