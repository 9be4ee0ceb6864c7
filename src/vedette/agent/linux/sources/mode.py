"""What every way to observe the kernel offers: `kernel.py` tries one after another."""

import threading
from contextlib import ExitStack
from typing import Protocol

from vedette.agent.linux.sources.decoder import Decoder


class Mode(Protocol):
    """One way to observe the kernel."""

    name: str

    @property
    def refused(self) -> dict[str, str]:
        """Parts that this host refuses, and why; the mode does without them."""
        ...

    def start(self, decoder: Decoder, cleanup: ExitStack) -> None:
        """Begin to collect; `cleanup` ends it. Raises ProbeError when this host refuses the mode."""
        ...

    def observe(self, stop: threading.Event) -> None:
        """Make events until `stop` is set, and of what was collected until then. Raises ProbeError when it breaks."""
        ...

    def count_left_out(self) -> None:
        """Add what the kernel left out since the last time to the savings; called by any thread."""
        ...

    def drops(self) -> dict[str, int]:
        """Event type -> lost since `start`."""
        ...

    def status(self) -> dict[str, object]:
        """What only this mode can tell, for people."""
        ...
