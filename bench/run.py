"""`make bench`: run every benchmark of this folder, print its JSON lines, and write them to docs/performance.md.

python bench/run.py [NAME ...]     only these, for example `agent_cost ingest`
"""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
BENCHMARKS = (
    "wire",
    "receive",
    "ingest",
    "hunt",
    "agent_cost",
    "agent_slowdown",
    "agent_storm",
    "agent_whole",
    "agent_scan",
    "agent_budget",
)
HEAD = """# Performance

Written by `make bench`; every line is one benchmark in `bench/`, which says how it measures. CPU time, medians;
a target is what we promise, a peer is what was measured beside it or is documented.

Machine: {machine}

| What | Measured | Target | Peer | How |
|---|---|---|---|---|
"""


def results(name: str) -> Iterator[dict[str, Any]]:
    """Run one benchmark and give its lines as they come; a benchmark that fails ends the run."""
    command = [sys.executable, str(HERE / f"{name}.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for line in process.stdout or ():
            if line.startswith("{"):
                yield json.loads(line)
    if process.returncode:
        sys.exit(f"bench/{name}.py failed with {process.returncode}")


def row(result: dict[str, Any]) -> str:
    """One line of the page."""
    peer = result.get("peer")
    against = f"{peer}: {result.get('peer_value')}" if peer else "-"
    target = result.get("target")
    measured = f"{result['value']} {result['unit']}"
    cells = (result["name"], measured, "-" if target is None else str(target), against, result["how"])
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


def machine() -> str:
    """Say on what it was measured."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30
    kernel = platform.release().split("-")[0]
    return f"{os.cpu_count()} cores, {memory} GiB, Linux {kernel}, Python {platform.python_version()}"


def main() -> None:
    """Run all or the named ones; the page is written only by a whole run."""
    named = sys.argv[1:]
    rows = []
    for name in named or BENCHMARKS:
        for result in results(name):
            print(json.dumps(result), flush=True)
            rows.append(row(result))
    if not named:
        PAGE.write_text(HEAD.format(machine=machine()) + "".join(rows), encoding="utf-8")


if __name__ == "__main__":
    main()
