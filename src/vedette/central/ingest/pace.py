"""Who may send how much now: receiving is far faster than storing, so the spool's depth sets the pace.

What is new must be found within seconds, also while ten thousand agents return from an outage. The pipeline takes
segments in order, so no more is let in than it stores in DEPTH_SECONDS. Calm agents (no backlog, few events) always
get in. The others get a send rate with their receipt and, when the spool is deep enough, 503 and a place in a line,
which is called as the spool empties: nobody who waits is passed by, whatever others do (`line`).
"""

from vedette.central.ingest.line import Line
from vedette.central.ingest.refusal import Refused
from vedette.runtime.clock import MINUTE, SECOND, Clock
from vedette.schema.fields import Micros
from vedette.store.spool import Backlog
from vedette.wire.header import BatchHeader

DEPTH_SECONDS = 2.0
"""So long an event may wait in the spool because of others' backlogs."""
LEAST_DEPTH = 40_000
"""Events that may wait however slowly the spool empties: two full segments."""
DEEP = 4_000_000
"""Events in the spool at which nobody is calm any more: about 250 MB."""
CALM_RATE = 20
"""Events a second that an agent may send and still be calm; hosts make one on average."""
CALM_BURST = 1_000
"""Events of a calm agent at once."""
BACKLOG_AGE = MINUTE
"""An agent whose oldest event has waited so long has a backlog."""
FIRST_GUESS = 20_000.0
"""Events a second that a pipeline takes, before it was seen."""
LEAST_DRAIN = 1_000.0
"""The same for reckoning turns, while the store is away."""
BUSY = 20_000
"""Events that wait while the pipeline does what it can: with less, it takes what comes, which is no measure of it."""
EAGER = 1.25
"""So much more than the pipeline takes is called for, or it would idle whenever somebody does not come."""


class DrainMeter:
    """Events a second that the pipeline takes when it has something to do, smoothed over about ten seconds."""

    def __init__(self) -> None:
        self.rate: float = FIRST_GUESS
        self._drained = 0
        self._at: Micros | None = None
        self._was_busy = False

    def see(self, drained: int, at: Micros, *, busy: bool) -> float:
        """Take the counter of events drained so far, as of `at`, and whether more are waiting; gives the rate."""
        elapsed = 0.0 if self._at is None else (at - self._at) / SECOND
        if elapsed > 0:
            taken = (drained - self._drained) / elapsed
            # A pipeline that is soon done with all there is shows what it can only by taking more than was thought.
            if (busy and self._was_busy) or taken > self.rate:
                self.rate += min(1.0, elapsed / 10) * (taken - self.rate)
        if elapsed > 0 or self._at is None:
            self._drained, self._at, self._was_busy = drained, at, busy
        return self.rate


class Pace:
    """Lives on the event loop's thread; `clock` is for durations."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._meter = DrainMeter()
        self._waiting = 0
        self._calm: dict[str, tuple[float, Micros]] = {}  # agent -> events that it may send, as of when
        self._bulk: dict[str, Micros] = {}  # agent with a backlog, or fast -> when it last sent
        self._line = Line()

    @property
    def waiting(self) -> int:
        """Events that are durable, or about to be, and not stored yet."""
        return self._waiting

    @property
    def depth(self) -> int:
        """Events that may wait before agents with a backlog are told to come later."""
        return max(LEAST_DEPTH, round(self._meter.rate * DEPTH_SECONDS))

    @property
    def is_deep(self) -> bool:
        """Whether more waits than should."""
        return self._waiting > self.depth

    def look(self, backlog: Backlog) -> None:
        """Take what the spool says, about once a second."""
        at = self._clock()
        self._meter.see(backlog.drained, at, busy=backlog.events >= BUSY)
        self._waiting = backlog.events
        self._bulk = {agent: seen for agent, seen in self._bulk.items() if at - seen < MINUTE}
        self._calm = {agent: left for agent, left in self._calm.items() if at - left[1] < MINUTE}
        self._line.call(self.depth - self._waiting, self.depth, at)

    def admit(self, header: BatchHeader) -> int:
        """Let a batch in; gives the send rate for its agent (0 = no limit). Raises Refused: not now, but then.

        A sign of life is always let in.
        """
        at = self._clock()
        if self._is_calm(header, at):
            self._waiting += header.count
            return 0
        self._bulk[header.agent] = at
        if header.count:
            self._queue(header, at)
        self._waiting += header.count
        return self._share()

    def _is_calm(self, header: BatchHeader, at: Micros) -> bool:
        """Whether a batch is of a host without backlog that sends little; what it sends counts in any case."""
        left, seen = self._calm.get(header.agent, (float(CALM_BURST), at))
        left = min(CALM_BURST, left + CALM_RATE * (at - seen) / SECOND) - header.count
        self._calm[header.agent] = (max(left, -float(CALM_BURST)), at)
        oldest = header.spool_oldest
        late = oldest is not None and header.sent - oldest > BACKLOG_AGE
        return left >= 0 and not late and self._waiting < DEEP

    def _share(self) -> int:
        if self._waiting <= self.depth // 2:
            return 0
        return max(1, round(EAGER * self._meter.rate / max(1, len(self._bulk))))

    def _queue(self, header: BatchHeader, at: Micros) -> None:
        """Let a batch pass the line, at whose end its agent stands then if it has more. Raises Refused."""
        speed = max(LEAST_DRAIN, EAGER * self._meter.rate)
        if not self._has_room(header.agent, at):
            wait = self._line.stand(header.agent, header.count, at, speed=speed)
            raise Refused("spool_deep", "others are first", retry_after=wait)
        self._line.leave(header.agent)
        if len(self._line) and header.spool_events > header.count:
            self._line.stand(header.agent, header.count, at, speed=speed)

    def _has_room(self, agent: str, at: Micros) -> bool:
        """Whether it is this agent's turn, nobody waits, or the pipeline would soon have nothing to do."""
        if self._line.is_called(agent) or not len(self._line):
            return not self.is_deep
        return not self._line.is_early(agent, at) and self._waiting <= self.depth // 4
