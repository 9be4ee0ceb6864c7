"""The budget on the running kernel: all that a program did is told, or left out and counted, or lost and counted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vedette.agent.core.orders import Orders
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.schema.events.base import Event
from vedette.schema.events.files import FileChange, FileCreate
from vedette.schema.policies import Settings

pytestmark = pytest.mark.root
MODE = os.environ.get("VEDETTE_TEST_KERNEL_MODE", "")
ALONE = bool(MODE)
"""In a guest nobody else writes files; on a shared machine others may add to what is left out."""
MINIMUM = Orders(level=4, because="cpu", cpu=0.1)
PATIENCE = 60.0
FILES = """
import os, sys
folder, count = sys.argv[1], int(sys.argv[2])
for number in range(count):
    os.close(os.open(f"{folder}/{number}", os.O_CREAT | os.O_WRONLY, 0o600))
for number in range(count):
    handle = os.open(f"{folder}/{number}", os.O_WRONLY)
    os.write(handle, b"x")
    os.close(handle)
for number in range(count):
    os.unlink(f"{folder}/{number}")
"""


class Sparing:
    """The source in a thread, under orders."""

    def __init__(self, orders: Orders) -> None:
        self.events: list[Event] = []
        self.source = KernelSource("0" * 32, Settings(), only=MODE)
        self.source.save(orders)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self.source.run, args=(self.events.append, self._stop))

    def start(self) -> None:
        self._thread.start()
        self.wait_for(lambda: self.source.status()["observing"])

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(20)
        assert not self._thread.is_alive()

    def settle(self) -> None:
        """Wait until all that happened has come out: what is held back longest is a file that stays open, 2 s."""
        time.sleep(1)
        self.wait_for(lambda: not self.source.status()["backlog_bytes"])
        time.sleep(4)

    @staticmethod
    def wait_for(question: Callable[[], object]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not question():
            assert time.monotonic() < deadline
            time.sleep(0.05)


@pytest.fixture
def sparing() -> Iterator[Callable[[Orders], Sparing]]:
    """Give a started source for some orders; it ends with the test."""
    started: list[Sparing] = []

    def make(orders: Orders) -> Sparing:
        one = Sparing(orders)
        started.append(one)
        one.start()
        return one

    yield make
    for one in started:
        one.stop()


def _make_files(folder: Path, count: int) -> None:
    subprocess.run([sys.executable, "-c", FILES, str(folder), str(count)], check=True)


def _of_folder(events: list[Event], folder: Path) -> Counter[str]:
    found: Counter[str] = Counter()
    for event in events:
        if isinstance(event, FileCreate) and event.file and event.file.directory == str(folder):
            found["file_create"] += 1
        if isinstance(event, FileChange) and event.file and event.file.directory == str(folder):
            found["file_change"] += 1
    return found


def test_every_file_of_a_storm_is_told_or_counted(sparing: Callable[[Orders], Sparing], tmp_path: Path) -> None:
    running = sparing(MINIMUM)
    before, drops_before = running.source.throttled(), running.source.drops()
    _make_files(tmp_path, 20_000)
    running.settle()
    told, after, drops = _of_folder(running.events, tmp_path), running.source.throttled(), running.source.drops()
    for kind, done in (("file_create", 20_000), ("file_change", 40_000)):
        key = f"{kind}/budget.cpu"
        throttled = after.get(key, 0) - before.get(key, 0)
        lost = drops.get(kind, 0) - drops_before.get(kind, 0)
        others = throttled + told[kind] + lost - done
        assert others == 0 if ALONE else others >= 0
        assert throttled > done * 0.9
