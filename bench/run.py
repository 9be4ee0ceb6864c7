"""`make bench`: run the benchmarks, print their JSON lines, and write all that was measured to docs/performance.md.

python bench/run.py                every benchmark but those that take longer than some minutes
python bench/run.py [NAME ...]     only these, for example `agent_cost at_scale`

The lines of each one's last run are kept in bench/results/NAME.jsonl, with the machine and the day: the page is made of
them, so that one benchmark can be repeated alone.
"""

import datetime as dt
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
    "small_batches",
    "hunt",
    "normalise_windows",
    "ioc",
    "taa",
    "agent_cost",
    "agent_slowdown",
    "agent_storm",
    "agent_whole",
    "agent_scan",
    "agent_budget",
)
LONG = ("at_scale", "returning")
"""Those that take longer: `python bench/run.py at_scale`."""
RESULTS = HERE / "results"
HEAD = """# Performance

Written by `make bench`; every section is one benchmark in `bench/`, which says how it measures. CPU time, medians;
a target is what we promise, a peer is what was measured beside it or is documented.
"""
SECTION = """
## {name}

{day}, {machine}

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


def keep(name: str, lines: list[dict[str, Any]]) -> None:
    """Keep the lines of a run."""
    RESULTS.mkdir(exist_ok=True)
    about = {"day": dt.datetime.now(dt.UTC).date().isoformat(), "machine": machine()}
    text = "".join(json.dumps(line) + "\n" for line in (about, *lines))
    (RESULTS / f"{name}.jsonl").write_text(text, encoding="utf-8")


def page() -> str:
    """Give the page of all that is kept."""
    text = HEAD
    for name in BENCHMARKS + LONG:
        path = RESULTS / f"{name}.jsonl"
        if path.exists():
            about, *lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
            text += SECTION.format(name=name, **about) + "".join(map(row, lines))
    return text


def main() -> None:
    """Run all or the named ones."""
    for name in sys.argv[1:] or BENCHMARKS:
        lines = []
        for result in results(name):
            print(json.dumps(result), flush=True)
            lines.append(result)
        keep(name, lines)
        PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
