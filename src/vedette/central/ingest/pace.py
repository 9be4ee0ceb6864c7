"""How fast agents may send: receiving is far faster than storing, so the spool's depth sets the pace."""

from vedette.runtime.clock import SECOND
from vedette.schema.fields import Micros

FREE = 200_000
"""Events in the spool below which nobody is held back: about ten full segments."""
DEEP = 4_000_000
"""Events in the spool at which agents get a tenth of what is drained."""
LEAST = 10
"""Events a second that an agent may always send: its live events, if it is not a busy host."""


def send_rate(*, waiting: int, drained: float, senders: int) -> int:
    """Give the events a second that one agent may send; 0 = no limit.

    `waiting`: events in sealed segments. `drained`: events a second that the pipeline takes.
    `senders`: agents that sent lately. The deeper the spool, the smaller the share of `drained` that is
    handed out: all of it at FREE, a tenth at DEEP, so that the spool empties.
    """
    if waiting <= FREE:
        return 0
    depth = min(1.0, (waiting - FREE) / (DEEP - FREE))
    return max(LEAST, round(drained * (1.0 - 0.9 * depth) / max(1, senders)))


class DrainMeter:
    """Events a second that leave the spool, smoothed over about ten seconds."""

    def __init__(self) -> None:
        self.rate = 0.0
        self._drained = 0
        self._at: Micros | None = None

    def see(self, drained: int, at: Micros) -> float:
        """Take the counter of events drained so far, as of `at`; gives the rate."""
        if self._at is None:
            self._drained, self._at = drained, at
        elapsed = (at - self._at) / SECOND
        if elapsed > 0:
            weight = min(1.0, elapsed / 10)
            self.rate += weight * ((drained - self._drained) / elapsed - self.rate)
            self._drained, self._at = drained, at
        return self.rate
