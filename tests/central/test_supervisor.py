"""Children that die, hang, wait for each other and end with their parent."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.central.supervisor import FIRST_DELAY, LONGEST_DELAY, restart_delay

CHILD = """
import argparse, os, signal, sys, time
from pathlib import Path
parser = argparse.ArgumentParser()
parser.add_argument("--data", type=Path)
parser.add_argument("--name")
parser.add_argument("--port", default="0")
parser.add_argument("--does", default="serve")
options = parser.parse_args()
log = options.data / f"{options.name}.log"
log.open("a").write(f"start {options.port}\\n")
if options.does == "fail":
    sys.exit(3)
if options.does == "hang":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
def stop(*_):
    log.open("a").write("stop\\n")
    sys.exit(0)
if options.does != "hang":
    signal.signal(signal.SIGTERM, stop)
ready = options.data / "run" / f"{options.name}.ready"
ready.with_suffix(".tmp").write_text(str(int(options.port) or 4000 + os.getpid() % 1000))
ready.with_suffix(".tmp").rename(ready)
while True:
    time.sleep(60)
"""

PARENT = """
import sys
from pathlib import Path
import os, msgspec
from vedette.central import supervisor
from vedette.central.layout import Layout
from vedette.runtime import logs
logs.setup("central")
supervisor.STOP_SECONDS = 1.0
if "--full" in sys.argv:
    def full(*_, **__):
        raise OSError(28, "No space left on device")
    supervisor.write_atomic = full
data = Path(sys.argv[1])
parts = msgspec.json.decode(sys.argv[2], type=list[supervisor.Part])
layout = Layout(data)
layout.create()
lock = os.open(layout.lock, os.O_CREAT | os.O_RDWR)
run = supervisor.Supervisor(layout, parts, inherited=lock, on_ready=lambda ports: print("ready", ports, flush=True))
run.run(every=0.5 if "--chore" in sys.argv else 3600, chore=lambda: ["one"])
print("stopped", flush=True)
"""


class Running:
    """A supervisor over fake children."""

    def __init__(self, folder: Path, process: "subprocess.Popen[str]") -> None:
        self.data, self.process = folder, process

    def pid(self, name: str) -> int:
        return int((self.data / "run" / f"{name}.pid").read_bytes())

    def log(self, name: str) -> list[str]:
        path = self.data / f"{name}.log"
        return path.read_text().splitlines() if path.exists() else []

    def ports(self) -> dict[str, int]:
        path = self.data / "run" / "ports.json"
        found: dict[str, int] = json.loads(path.read_text()) if path.exists() else {}
        return found

    def read(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def part(name: str, *, does: str = "serve", **more: Any) -> dict[str, Any]:
    arguments = ["--name", name, "--does", does, "--port", "{port}"]
    return {"name": name, "module": "fake_child", "arguments": arguments, **more}


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    (tmp_path / "fake_child.py").write_text(CHILD)
    with contextlib.ExitStack() as stack:

        def start(*parts: dict[str, Any], options: tuple[str, ...] = ()) -> Running:
            process = stack.enter_context(
                subprocess.Popen(
                    [sys.executable, "-c", PARENT, str(tmp_path / "data"), json.dumps(parts), *options],
                    stdout=subprocess.PIPE,
                    text=True,
                    env={**os.environ, "PYTHONPATH": str(tmp_path)},
                )
            )
            stack.callback(process.kill)
            return Running(tmp_path / "data", process)

        yield start


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_all_are_started_and_stopped(supervise: Any) -> None:
    running = supervise(part("one"), part("two"))
    assert running.read().startswith("ready")
    assert set(running.ports()) == {"one", "two"}
    running.process.terminate()
    assert running.read() == "stopped\n"
    assert running.process.wait(10) == 0
    assert running.log("one")[-1] == running.log("two")[-1] == "stop"
    assert running.ports() == {}


def test_a_part_starts_after_those_it_needs(supervise: Any, wait_for: Any) -> None:
    running = supervise(part("one", after=["two"]), part("two", does="fail"))
    wait_for(lambda: running.log("two"), lambda lines: len(lines) >= 2)
    assert running.log("one") == []


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_a_killed_part_comes_back_on_its_port(supervise: Any, wait_for: Any, number: signal.Signals) -> None:
    running = supervise(part("one"))
    running.read()
    port, first = running.ports()["one"], running.pid("one")
    os.kill(first, number)
    wait_for(lambda: running.log("one"), lambda lines: lines[-1] == f"start {port}")
    wait_for(lambda: running.pid("one"), lambda pid: pid != first)


def test_a_part_that_was_ready_never_waits_long_for_its_start(supervise: Any, wait_for: Any) -> None:
    running = supervise(part("one"))
    running.read()
    for _ in range(6):  # after the last 6.4 s, had it not been ready
        wait_for((running.data / "run" / "one.ready").exists, bool)
        pid = running.pid("one")
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda pid=pid: running.pid("one") != pid, bool)
    assert time.monotonic() - began < restart_delay(6)


def test_a_part_that_fails_again_and_again_is_started_ever_more_rarely(supervise: Any, wait_for: Any) -> None:
    began = time.monotonic()
    running = supervise(part("one", does="fail"))
    wait_for(lambda: len(running.log("one")), lambda starts: starts >= 4)
    assert time.monotonic() - began >= restart_delay(1) + restart_delay(2) + restart_delay(3)


def test_a_part_that_does_not_stop_is_killed(supervise: Any) -> None:
    running = supervise(part("one", does="hang"))
    running.read()
    pid = running.pid("one")
    began = time.monotonic()
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(10) == 0
    assert time.monotonic() - began < 5
    assert not alive(pid)


def test_children_die_with_a_killed_supervisor(supervise: Any, wait_for: Any) -> None:
    running = supervise(part("one"), part("two", does="hang"))
    running.read()
    pids = [running.pid("one"), running.pid("two")]
    running.process.kill()
    wait_for(lambda: [alive(pid) for pid in pids], [False, False].__eq__)


def test_a_full_disk_does_not_end_the_supervisor(supervise: Any) -> None:
    running = supervise(part("one"), options=("--full",))
    assert running.read().startswith("ready")
    running.process.terminate()
    assert running.process.wait(10) == 0


def test_a_chore_may_start_a_part_anew(supervise: Any, wait_for: Any) -> None:
    running = supervise(part("one"), options=("--chore",))
    wait_for(lambda: running.log("one").count("stop"), lambda stops: stops >= 1)


def test_the_store_stops_after_those_that_use_it(supervise: Any, wait_for: Any) -> None:
    running = supervise(part("store", last=True), part("one", does="hang"))
    running.read()
    running.process.terminate()
    wait_for(running.process.poll, lambda code: code is not None)
    store, one = running.data / "store.log", running.data / "one.log"
    assert running.log("store")[-1] == "stop"
    assert store.stat().st_mtime - one.stat().st_mtime > 0.9


@given(st.integers(0, 10_000))
def test_delays_grow_to_a_limit(failures: int) -> None:
    delay = restart_delay(failures)
    assert (delay == 0) is (failures == 0)
    assert delay == 0 or FIRST_DELAY <= delay <= LONGEST_DELAY
    assert restart_delay(failures + 1) >= delay
