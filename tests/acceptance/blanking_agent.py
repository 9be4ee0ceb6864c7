"""An agent whose source leaves every field but type and time empty: the acceptance rows must fail over it.

Run as `python blanking_agent.py DATA`. It is the real agent on the real kernel; only what its source emits is blanked.
"""

from __future__ import annotations

import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from vedette.agent import app
from vedette.agent.core.buffer import Facts
from vedette.agent.linux import platform
from vedette.agent.linux.sources.kernel import KernelSource
from vedette.schema.entities import Host, Os

if TYPE_CHECKING:
    from vedette.agent.core.source import Emit, Source
    from vedette.schema.policies import Settings


class BlankingSource(KernelSource):
    """The kernel's events with nothing in them."""

    def run(self, emit: Emit, stop: threading.Event) -> None:
        super().run(lambda event: emit(type(event)(time=event.time)), stop)


class BlankingPlatform:
    """Linux that knows nothing of its host."""

    def facts(self) -> Facts:
        return Facts(Host(), Os())

    def sources(self, host_id: str, settings: Settings) -> list[Source]:
        assert platform.sources(host_id, settings), "the real platform has sources"
        return [BlankingSource(host_id, settings)]


if __name__ == "__main__":
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    app.run(Path(sys.argv[1]), stop, platform=BlankingPlatform())
