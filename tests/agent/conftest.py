"""A real ingest on loopback, for tests of the whole agent."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.central.layout import Layout
from vedette.central.provision import provision
from vedette.central.settings import CentralSettings
from vedette.runtime.clock import now
from vedette.store.segment import Record, read_segment
from vedette.store.state import open_state, tokens
from vedette.wire.batch import decode, rows


class Ingest:
    """A Central Node's ingest, without the pipeline: what it received stays in the spool."""

    def __init__(self, folder: Path) -> None:
        self.layout = Layout(folder)
        first = provision(self.layout, CentralSettings(spool_headroom=0), now=now())
        assert first is not None
        self._pin = first.enrolment_token.partition(".")[2]
        self.state = open_state(self.layout.state_url)
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def token(self) -> str:
        with self.state.write() as db:
            return f"{tokens.create_enrolment(db, tokens.NewEnrolment(), now=now())}.{self._pin}"

    def start(self) -> None:
        ready = self.layout.ready("ingest")
        ready.unlink(missing_ok=True)
        where = ["--data", str(self.layout.data), "--listen", f"127.0.0.1:{self.port}"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "vedette.central.ingest", *where],
            env={**os.environ, "VEDETTE_CENTRAL_SPOOL_HEADROOM": "0"},
        )
        wait_for(ready.exists)
        self.port = int(ready.read_bytes())

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(20)
            self.process = None

    def records(self) -> list[Record]:
        """Everything in sealed segments."""
        return [record for path in sorted(self.layout.spool.glob("*.seg")) for record in read_segment(path)]

    def events(self) -> list[dict[str, Any]]:
        return [row for record in self.records() for row in rows(decode(record.body))]

    def received(self) -> int:
        return sum(record.count for record in self.records())


def wait_for(question: Callable[[], Any], *, seconds: float = 30) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := question()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.05)
    return found


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Give `eventually(question, seconds=30)`: asks until the answer is true-ish, and gives it."""
    return wait_for


@pytest.fixture
def ingest(tmp_path: Path) -> Iterator[Ingest]:
    made = Ingest(tmp_path / "central")
    try:
        made.start()
        yield made
    finally:
        made.stop(signal.SIGKILL)
        made.state.close()
