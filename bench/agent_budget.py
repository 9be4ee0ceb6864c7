"""The budget under storms: what a whole agent costs, scanner and all, while programs do nothing but make it work.

Run as root: `python bench/agent_budget.py [SECONDS]`. Files: two programs make, write and delete files as fast as they
can. Forks: two start programs, each with a command line of 8,000 characters that no other has; those starts may not be
left out. What the agent does in its first ten seconds is not counted.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from _agent_process import Number, build_workload, show  # type: ignore[import-not-found] # beside this file
from _whole_agent import WholeAgent  # type: ignore[import-not-found] # same
from vedette.schema.policies import Settings

STORM = 180.0
"""Seconds of one storm."""
LAST = 60.0
"""Seconds at its end over which CPU time is averaged, as the budget is."""
STARTED = 12.0
STATUS = 6.0
"""Seconds until the status file tells the end."""
MANY = "100000000"


def main() -> None:
    """Run both storms and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else STORM
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # so that the disk does not set the pace
    with tempfile.TemporaryDirectory(dir=memory) as folder, tempfile.TemporaryDirectory() as data:
        storm = str(build_workload(Path(folder)))
        folders = [Path(folder, name) for name in ("a", "b")]
        for one in folders:
            one.mkdir()
        storms = {
            "files": [[storm, "file", MANY, str(one)] for one in folders],
            "forks": [[storm, "long", MANY, "/bin/true"]] * 2,
        }
        for name, commands in storms.items():
            with WholeAgent(Path(data, name)) as agent:
                time.sleep(STARTED)
                _measure(name, commands, agent, seconds)


def _measure(name: str, commands: list[list[str]], agent: WholeAgent, seconds: float) -> None:
    before = agent.events()
    running = [subprocess.Popen(command, stdout=subprocess.DEVNULL) for command in commands]
    began, samples, peak = time.monotonic(), [], 0.0
    while time.monotonic() < began + seconds:
        samples.append((time.monotonic(), agent.cpu()))
        peak = max(peak, agent.memory())
        time.sleep(1)
    for process in running:
        process.kill()
        process.wait()
    time.sleep(STATUS)
    status, limits = agent.status(), Settings()
    late = next(sample for sample in samples if sample[0] >= samples[-1][0] - LAST - 1)
    why = status.budget.because or "nothing"
    how = (
        f"last {samples[-1][0] - late[0]:.0f} of {seconds:.0f} s; "
        f"{_percent(samples[0], samples[-1]):.1f} % over all of it, with the burst; "
        f"level {status.budget.level} because of {why}; "
        f"told {agent.events() - before} events; throttled {status.throttled}; lost {status.losses or 'nothing'}"
    )
    cpu = Number(
        f"agent CPU in a storm of {name}", _percent(late, samples[-1]), "% of a core", limits.budget_cpu_percent
    )
    show(cpu, how, peer=("osquery #5234, CPU under load", 100))
    memory = Number(f"agent memory in a storm of {name}", peak, "MiB", limits.budget_rss_bytes >> 20)
    show(memory, "peak; each page of its processes once", peer=("Tracee #1470, at least", 2048))


def _percent(before: tuple[float, float], after: tuple[float, float]) -> float:
    return 100 * (after[1] - before[1]) / (after[0] - before[0])


if __name__ == "__main__":
    main()
