"""Events of this very host, recorded while ordinary work is done: builds, scripts, searches, file and network use."""

import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from vedette.agent.linux.platform import facts
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.schema.entities import Host, Os
from vedette.schema.events.base import Event
from vedette.schema.policies import Settings

PROGRAM = '#include <stdio.h>\nint main(int n, char **a) { printf("%d %s\\n", n, a[0]); return {0}; }\n'


def record(host_id: str, seconds: float) -> tuple[list[Event], Host, Os]:
    """Observe for `seconds` (needs root); gives the events and what the host says of itself."""
    events: list[Event] = []
    stop = threading.Event()
    source = KernelSource(host_id, Settings())
    if reason := source.supported():
        raise SystemExit(f"this host cannot be observed: {reason}")
    thread = threading.Thread(target=source.run, args=(events.append, stop))
    thread.start()
    while not source.status()["observing"]:
        time.sleep(0.05)
    work(seconds)
    stop.set()
    thread.join()
    if lost := source.drops():
        print(f"lost while recording: {lost}", file=sys.stderr)
    return events, *facts()


def work(seconds: float) -> None:
    """Do ordinary work until the time is over."""
    deadline, number = time.monotonic() + seconds, 0
    with tempfile.TemporaryDirectory() as folder:
        while time.monotonic() < deadline:
            number += 1
            for command in _round(Path(folder), number):
                subprocess.run(command, cwd=folder, capture_output=True, check=False)


def _round(folder: Path, number: int) -> list[list[str]]:
    source = folder / f"part{number}.c"
    source.write_text(PROGRAM.replace("{0}", str(number % 7)))
    port = 20_000 + number % 1000
    here = f"('127.0.0.1', {port})"
    connect = f"import socket; s = socket.create_server({here}); socket.create_connection({here})"
    dump = f"import json, ssl, sqlite3; json.dump({{'n': {number}}}, open('state-{number}.json', 'w'))"
    return [
        ["cc", "-O1", "-o", f"program{number}", source.name],
        [f"./program{number}", "--serial", str(number * 7919)],
        ["sh", "-c", f"ls -l /usr/bin | sort -k5n | tail -n {number % 20 + 1} > listing-{number}.txt"],
        ["sh", "-c", f"grep -c lib /proc/self/maps; cat listing-{number}.txt | wc -l; date +%s; id -un"],
        [sys.executable, "-c", dump],
        [sys.executable, "-c", connect],
        ["find", "/etc", "-name", "*.conf", "-newer", source.name],
        ["tar", "czf", f"backup-{number}.tgz", source.name, f"listing-{number}.txt"],
        ["mv", f"listing-{number}.txt", f"old-{number}.txt"],
        ["rm", "-f", f"old-{number - 3}.txt", f"backup-{number - 3}.tgz", f"program{number - 3}"],
    ]
