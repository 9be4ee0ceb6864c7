"""Things that tests of the store share."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vedette.store.events import EventStore


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 24 MiB (needs root)."""
    folder = tmp_path / "small-disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


class StoreProcess:
    """A store process of its own: the embedded engine takes one directory a process."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.options: tuple[str, ...] = ()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> EventStore:
        ready = self.data / "run" / "store.ready"
        ready.unlink(missing_ok=True)
        command = [sys.executable, "-m", "vedette.store.server", "--data", str(self.data), *self.options]
        self.process = subprocess.Popen(command, env={**os.environ, "PYTHONWARNINGS": "ignore"})
        deadline = time.monotonic() + 60
        while not ready.exists():
            assert self.process.poll() is None, "the store ended at its start"
            assert time.monotonic() < deadline, "the store did not get ready"
            time.sleep(0.05)
        return EventStore(self.url, self.password)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{(self.data / 'run' / 'store.ready').read_text().strip()}"

    @property
    def password(self) -> str:
        return (self.data / "run" / "store-password").read_text()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        if self.process is None:
            return 0
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process = None
        return code


@pytest.fixture(scope="session")
def event_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[EventStore, StoreProcess]]:
    """Run one store for all tests that only read, or write tables of their own."""
    process = StoreProcess(tmp_path_factory.mktemp("store"))
    try:
        yield process.start(), process
    finally:
        process.stop()


@pytest.fixture(scope="module")
def stores() -> Iterator[Callable[[Path], StoreProcess]]:
    """Give `store_at` for all tests of a module."""
    yield from _started()


@pytest.fixture
def store_at() -> Iterator[Callable[[Path], StoreProcess]]:
    """Give `store_at(data)`: a store that the test starts, stops and kills."""
    yield from _started()


def _started() -> Iterator[Callable[[Path], StoreProcess]]:
    made: list[StoreProcess] = []

    def make(data: Path) -> StoreProcess:
        made.append(StoreProcess(data))
        return made[-1]

    yield make
    for process in made:
        process.stop(signal.SIGKILL)
