"""Loss under a storm: programs and connections counted one by one, beside 50,000 file records a second.

Run as root: `python bench/agent_storm.py`. A file operation is a creation, a close and a deletion: three records.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from _agent_process import BareAgent, Number, build_workload, show, workload  # type: ignore[import-not-found] # beside this file

PROGRAMS, CONNECTIONS, FILES = 2000, 4000, 200_000
RECORDS_PER_FILE, WANTED_RATE = 3, 50_000


def main() -> None:
    """Run the storm and count."""
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None  # so that the disk does not set the pace
    with tempfile.TemporaryDirectory(dir=memory) as folder, BareAgent(folder) as agent:
        storm = build_workload(Path(folder))
        mark = Path(folder, "marked-true")
        mark.write_bytes(Path("/bin/true").read_bytes())
        mark.chmod(0o755)
        before = agent.settled()
        beside = [_files(storm, Path(folder, f"files{n}")) for n in range(2)]
        time.sleep(0.2)
        began = time.monotonic()
        made = workload(storm, "exec", str(PROGRAMS), str(mark))
        connected = workload(storm, "connect", str(CONNECTIONS))
        during = time.monotonic() - began
        rate = sum(_rate(process) for process in beside)
        after = agent.settled(300)
    lost = _lost(before, after, made["operations"], connected["operations"])
    drops = after["drops"]
    offered = 2 * FILES * RECORDS_PER_FILE
    lost_files = sum(drops.get(name, 0) for name in ("file_create", "file_change", "module_load"))
    how = (
        f"{PROGRAMS} programs and {CONNECTIONS} connections in {during:.1f} s beside {rate:.0f} file records/s; "
        f"counted: {lost}; drop counters: {drops or 'none'}"
    )
    show(
        Number("lost process and network events in a storm", float(sum(lost.values())), "events", 0),
        how,
        peer="Falco #1809, drops in one second: 1085801",
    )
    show(
        Number("file records a second offered", rate, "records/s", WANTED_RATE),
        "beside the above",
        peer="Tracee #2721: 50000",
    )
    show(
        Number("file records lost in the storm", lost_files / offered * 100, "%", 50),
        f"of {offered}, each counted by type",
        peer="prototype, decoding inline at 46,000/s: 18",
    )


def _files(storm: Path, folder: Path) -> subprocess.Popen[str]:
    folder.mkdir()
    return subprocess.Popen([str(storm), "file", str(FILES), str(folder)], stdout=subprocess.PIPE, text=True)


def _rate(process: subprocess.Popen[str]) -> float:
    """File records a second that this storm made."""
    out, _ = process.communicate()
    numbers = json.loads(out)
    return float(numbers["operations"] * RECORDS_PER_FILE / numbers["wall"])


def _lost(before: dict[str, Any], after: dict[str, Any], programs: int, connections: int) -> dict[str, int]:
    """What should have come and did not; others' events on the host can only add."""
    wanted = {"process_start": programs, "process_stop": programs, "network_connect": 2 * connections}
    came = {name: after["events"].get(name, 0) - before["events"].get(name, 0) for name in wanted}
    dropped = {name: after["drops"].get(name, 0) for name in (*wanted, "port_listen")}
    return {
        name: max(0, number - came.get(name, number)) + dropped[name]
        for name, number in (wanted | {"port_listen": 0}).items()
    }


if __name__ == "__main__":
    main()
