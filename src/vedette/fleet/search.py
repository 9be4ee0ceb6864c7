"""How long it takes until what was sent can be found: asks for the newest batch until a search shows it."""

import threading
import time
from array import array
from collections.abc import Callable

from vedette.fleet.tally import Spread, spread
from vedette.runtime.errors import VedetteError

LOOK_SECONDS = 0.1
"""Between two questions: so much the answer may be too late."""
PATIENCE = 60.0
"""After so many seconds an event counts as not found."""

Ask = Callable[[str, str, int], bool]
"""Whether the event of this agent, epoch and number is found."""


class Searcher:
    """One thread that measures from a batch's sending to the first search that finds its last event."""

    def __init__(self, newest: Callable[[], tuple[str, str, int, float] | None], ask: Ask) -> None:
        self._newest, self._ask = newest, ask
        self._times = array("d")
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="searcher", daemon=True)
        self.not_found = 0
        self.problem = ""

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being asked, then end."""
        self._stop.set()
        self._thread.join()

    def spread(self) -> Spread:
        """Give the percentiles so far."""
        return spread(self._times)

    def _run(self) -> None:
        asked: object = None
        while not self._stop.wait(LOOK_SECONDS):
            newest = self._newest()
            if newest is None or newest == asked:
                continue
            asked = newest
            agent, epoch, sequence, sent = newest
            if self._wait(agent, epoch, sequence, until=sent + PATIENCE):
                self._times.append(time.monotonic() - sent)
            else:
                self.not_found += 1

    def _wait(self, agent: str, epoch: str, sequence: int, *, until: float) -> bool:
        while time.monotonic() < until:
            try:
                if self._ask(agent, epoch, sequence):
                    return True
            except VedetteError as error:
                self.problem = str(error)
            time.sleep(LOOK_SECONDS)
        return False
