"""Loss under storms of a known size: what was done, what the agent told, what it counted as lost.

Run as root: `python bench/agent_storm.py`. Files are made, written, closed and deleted at a steady pace: two events
each (file_create, file_change), of three kernel records. Beside that, programs, connections and attaches to another
process are done as fast as they go. Every event about the workload is counted one by one; for the records
told + counted lost = done must hold exactly. In the last storm the files come as fast as the host can make them.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from _agent_process import BareAgent, Number, Peer, build_workload, show, workload  # type: ignore[import-not-found] # beside this file

MAKERS = 2
EVENTS, RECORDS = 2, 3
"""Of a file: made, deleted; made, closed, deleted."""
SECONDS = 5
FLAT_OUT = 300_000
"""Files of the last storm."""
PROGRAMS, CONNECTIONS, ATTACHES = 1000, 3000, 1000


class Storm(NamedTuple):
    """What was asked for; `rate` in file events a second, 0 = as fast as the host can."""

    rate: int
    target: float | None
    """Percent of file events that may be lost."""


STORMS = (Storm(25_000, 0), Storm(50_000, 0), Storm(60_000, 0.1), Storm(0, None))


class Outcome(NamedTuple):
    """What became of a storm."""

    files: int
    offered: float
    """File events a second that the workload reached."""
    account: Counter[str]
    drops: Counter[str]
    lost_creations: int
    """Events of `drops` that were made and found no room: of a record of the making and one of the close each."""
    fullest: float
    peak: float
    """MiB of RSS at most."""
    skipped: int
    """Runs of probes that the kernel left out because one was running on that CPU."""

    @property
    def lost_files(self) -> int:
        """File events of which nothing was told."""
        told = self.account["created"] + self.account["created, open"] + self.account["delete"]
        return EVENTS * self.files - told

    @property
    def unaccounted(self) -> int:
        """Records done, neither told nor counted as lost; below 0: so many lost records were of other programs.

        A file whose making is told, or lost as an event, other than `open`, needed the record of its close too; a close
        whose making was lost is told as a write.
        """
        account = self.account
        told = 2 * account["created"] + account["created, open"] + account["write"] + account["delete"]
        counted = self.drops["file_create"] + self.lost_creations + self.drops["file_change"]
        return RECORDS * self.files - told - counted

    def lost_others(self) -> dict[str, int]:
        """Events about processes, connections and attaches that were not told."""
        done = {
            "process_start": PROGRAMS,
            "process_stop": PROGRAMS,
            "network_connect": 2 * CONNECTIONS,
            "process_access": ATTACHES,
        }
        return {name: number - self.account[name] for name, number in done.items()}


def main() -> None:
    """Run the storms and count."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # so that the disk does not set the pace
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        storm = build_workload(Path(folder))
        mark = Path(folder, "marked-true")
        mark.write_bytes(Path("/bin/true").read_bytes())
        mark.chmod(0o755)
        for asked in STORMS:
            with BareAgent(folder, account=True) as agent:
                outcome = _run(asked, agent, storm, mark)
            _print(asked, outcome)


def _run(asked: Storm, agent: BareAgent, storm: Path, mark: Path) -> Outcome:
    number = (asked.rate // EVENTS * SECONDS or FLAT_OUT) // MAKERS
    before = agent.settled()
    makers = [_maker(storm, mark.with_name(f"{asked.rate}-{n}"), number, asked.rate) for n in range(MAKERS)]
    time.sleep(0.2)
    workload(storm, "exec", str(PROGRAMS), str(mark))
    workload(storm, "connect", str(CONNECTIONS))
    workload(storm, "trace", str(ATTACHES))
    offered = sum(_rate(maker) for maker in makers)
    after = agent.settled(300)
    account = Counter(after["account"]) - Counter(before["account"])
    # The workloads themselves are processes too: three, the one that is attached to, and the makers.
    own = Counter(process_start=MAKERS + 4, process_stop=MAKERS + 4)
    drops = Counter(after["drops"]) - Counter(before["drops"])
    records = Counter(after["lost_records"]) - Counter(before["lost_records"])
    return Outcome(
        files=number * MAKERS,
        offered=offered,
        account=account - own,
        drops=drops,
        lost_creations=(drops - records)["file_create"],
        fullest=after["status"]["fullest_ring"],
        peak=after["peak_mib"],
        skipped=after["status"]["recursion_misses"],
    )


def _maker(storm: Path, folder: Path, number: int, rate: int) -> subprocess.Popen[str]:
    folder.mkdir()
    command = [str(storm), "file", str(number), str(folder), str(rate / EVENTS / MAKERS)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def _rate(maker: subprocess.Popen[str]) -> float:
    """File events a second that it made."""
    out, _ = maker.communicate()
    numbers = json.loads(out)
    return float(numbers["operations"] * EVENTS / numbers["wall"])


def _print(asked: Storm, outcome: Outcome) -> None:
    others = outcome.lost_others()
    name = f"{asked.rate} file events/s" if asked.rate else "a storm without a pace"
    drops, done = dict(outcome.drops), EVENTS * outcome.files
    slow = "the host could not offer more: " if outcome.offered < 0.95 * asked.rate else ""
    how = (
        f"{slow}{done} done at {outcome.offered:.0f}/s for {done / outcome.offered:.1f} s; "
        f"drop counters: {drops or 'none'}; fullest ring since start {outcome.fullest:.0%}; "
        f"{outcome.skipped} runs of probes left out by the kernel"
    )
    lost = outcome.lost_files / EVENTS / outcome.files * 100
    show(
        Number(f"file events lost, {name}", lost, "%", asked.target),
        how,
        Peer("Tracee #2721, sustains events/s", 50_000) if asked.rate else Peer("prototype, inline at 46,000/s", 18),
    )
    how = f"of {PROGRAMS} programs, {CONNECTIONS} connections, {ATTACHES} attaches beside it; not told: {others}"
    show(
        Number(f"process, network and security events lost, {name}", _total(others.values()), "events", 0),
        how,
        Peer("Falco #1809, all drops in one second", 1_085_801),
    )
    unaccounted, foreign = max(0, outcome.unaccounted), max(0, -outcome.unaccounted)
    how = (
        f"{RECORDS * outcome.files} done - told - counted lost; of the lost {outcome.lost_creations} were creations of "
        f"two records, {foreign} other programs'; told: {dict(outcome.account)}"
    )
    show(Number(f"file records neither told nor counted, {name}", unaccounted, "records", 0), how)
    if not asked.rate:
        show(Number(f"agent RSS, peak, {name}", outcome.peak, "MiB", 200), "kernel source and buffer, without scanner")


def _total(numbers: Iterable[int]) -> float:
    return float(sum(max(0, number) for number in numbers))


if __name__ == "__main__":
    main()
