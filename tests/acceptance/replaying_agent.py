"""An agent of a Windows host whose only source is the normaliser: it reads log files and emits what they become.

Run as `python replaying_agent.py DATA FOLDER HOST`. Normaliser, buffer, uplink and all after it are the real ones.
HOST `blank` leaves every part of an event but its type and time empty at the source, and the host unnamed.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.agent import app
from vedette.agent.core.buffer import Facts
from vedette.normalise.windows import Normaliser, Tally, read
from vedette.schema.entities import Host, Os

if TYPE_CHECKING:
    from vedette.agent.core.source import Emit, Source
    from vedette.schema.policies import Settings


class LogFiles:
    """Events of the files in a folder, each file once."""

    name = "log-files"

    def __init__(self, folder: Path, *, blank: bool) -> None:
        self._folder, self._blank = folder, blank
        self._tally = Tally()

    def supported(self) -> str:
        return ""

    def run(self, emit: Emit, stop: threading.Event) -> None:
        normaliser = Normaliser()
        for path in sorted(self._folder.iterdir()):
            for event in read(path, normaliser, self._tally):
                emit(type(event)(time=event.time) if self._blank else event)
        stop.wait()

    def drops(self) -> dict[str, int]:
        return {}

    def status(self) -> dict[str, object]:
        return {"records": self._tally.records, "skipped": dict(self._tally.skipped)}


class ReplayedPlatform:
    """The host whose logs they are."""

    def __init__(self, folder: Path, host: str) -> None:
        self._folder, self._host, self._blank = folder, host, host == "blank"

    def facts(self) -> Facts:
        return Facts(Host(), Os()) if self._blank else Facts(Host(name=self._host), Os(family="windows"))

    def sources(self, host_id: str, settings: Settings) -> list[Source]:
        del host_id, settings
        return [LogFiles(self._folder, blank=self._blank)]


if __name__ == "__main__":
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    app.run(Path(sys.argv[1]), stop, platform=ReplayedPlatform(Path(sys.argv[2]), sys.argv[3]))
