"""Sends what the buffer keeps: at least once, unchanged, live events before the backlog, one batch in flight.

`step` does one thing and says when to come again, so that tests need neither thread nor clock.
"""

import logging
import threading
import time
from collections.abc import Callable

import msgspec

from vedette.agent.core.buffer import REFUSED, Batch, Buffer, BufferStats
from vedette.agent.core.pace import Backoff, Rate
from vedette.agent.core.renewal import Renewal
from vedette.agent.core.settings import SettingsKeeper
from vedette.agent.core.tasks import TaskDesk
from vedette.agent.core.transport import RefusedError, Transport, UnreachableError
from vedette.runtime.clock import MINUTE, SECOND, Clock
from vedette.runtime.errors import IdentityError, SpoolFull, VedetteError, WireError
from vedette.schema.policies import SignedSettings
from vedette.wire.batch import BatchHeader, frame
from vedette.wire.messages import Receipt

log = logging.getLogger(__name__)

LIVE = 30 * SECOND
"""A batch kept within this time goes before the backlog."""
ATTEMPTS = 5
"""A batch that the Central Node calls broken is given up after so many refusals ..."""
ATTEMPT_PAUSE = MINUTE
"""... so far apart; the others go meanwhile."""
SETTINGS_PAUSE = MINUTE
TASKS_PAUSE = 10 * SECOND
_BROKEN = {400, 409, 413, 422}
_NOT_US = {401, 403}


class Link(msgspec.Struct):
    """How the uplink fares, for `status.json`."""

    state: str = "starting"
    """starting, online, offline (nobody answers), refused (our identity is not accepted) or busy (503)."""
    since: int = 0
    last_contact: int | None = None
    last_problem: str = ""
    batches: int = 0
    events: int = 0
    bytes: int = 0
    resent: int = 0
    """Batches whose receipt did not cover them or never came."""
    refused: int = 0
    rate: int = 0
    """Events a second that the Central Node allows; 0 = no limit."""


class Uplink:
    """Owns the connection; `header` makes the header of a batch, or of a sign of life."""

    def __init__(
        self,
        buffer: Buffer,
        connect: Callable[[], Transport],
        header: Callable[[Batch | None, BufferStats], BatchHeader],
        *,
        settings: SettingsKeeper,
        renewal: Renewal,
        clock: Clock,
    ) -> None:
        self._buffer, self._connect, self._header = buffer, connect, header
        self._settings, self._renewal, self._clock = settings, renewal, clock
        self.link = Link(since=clock())
        self.monotonic: Callable[[], float] = time.monotonic
        self.backoff, self._rate = Backoff(), Rate()
        self._transport: Transport | None = None
        self._refusals: dict[int, tuple[int, int]] = {}  # first -> (times, not before)
        self._live_turn = True
        self._settings_after = self._tasks_after = 0
        self.tasks: TaskDesk | None = None

    @property
    def online(self) -> bool:
        """Whether batches are being sent; if not, small ones may be joined."""
        return self.link.state == "online"

    def loop(self, stop: threading.Event, wake: threading.Event) -> None:
        """Send until `stop`; `wake` cuts a pause short while nothing is wrong."""
        while not stop.is_set():
            pause = self.step()
            if self.backoff.failures:
                stop.wait(pause)
            elif pause > 0:
                wake.wait(pause)
                wake.clear()

    def drain(self, seconds: float) -> None:
        """Send what waits, at most for so long and until something goes wrong; neither rate nor pause hold now."""
        end = self.monotonic() + seconds
        self.backoff.succeeded()
        while self.monotonic() < end and not self.backoff.failures and self._buffer.stats().batches:
            self._rate = Rate()
            self.step()

    def say_goodbye(self) -> None:
        """Tell that this agent stops in order, if anybody listens; the header says so."""
        if self.online:
            try:
                self._say(None)
            except VedetteError as error:
                log.info("goodbye not heard problem=%s", error)

    def close(self) -> None:
        """Drop the connection."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def step(self) -> float:
        """Do the next thing; gives the seconds until there may be another (0 = at once)."""
        try:
            return self._step()
        except UnreachableError as error:
            return self._failed("offline", str(error))
        except RefusedError as error:
            state = "refused" if error.status in _NOT_US else "busy"
            return self._failed(state, str(error), asked=error.retry_after)
        except VedetteError as error:
            return self._failed("offline", str(error))

    def _step(self) -> float:
        if self._renewal.due() and self._renewal.renew(self._open()):
            self.close()
        if not self.online:
            self._say(None)
            self._let_go()
            self._buffer.online()
            self._go("online")
            return 0.0
        pause = self._rate.pause(self.monotonic())
        if pause > 0:
            return pause
        now = self._clock()
        waiting = [first for first, (_, not_before) in self._refusals.items() if not_before > now]
        batch = self._buffer.pick(live=LIVE if self._live_turn else None, skip=waiting)
        if batch is None:
            return self._idle(now)
        self._live_turn = not self._live_turn
        self._deliver(batch)
        return self._rate.pause(self.monotonic())

    def _let_go(self) -> None:
        """Remove what the Central Node's time has just shown to be too old."""
        try:
            self._buffer.expire()
        except SpoolFull as error:
            log.warning("buffer cannot be tidied problem=%s", error)

    def _idle(self, now: int) -> float:
        silent = (now - (self.link.last_contact or 0)) / SECOND
        heartbeat = self._settings.current.heartbeat
        if silent >= heartbeat:
            self._buffer.sign_of_life()
            self._say(None)
            return float(heartbeat)
        return max(0.1, heartbeat - max(0.0, silent))

    def _deliver(self, batch: Batch) -> None:
        try:
            self._say(batch)
        except RefusedError as error:
            if error.status not in _BROKEN:
                raise
            self._broken(batch, error)
        finally:
            self._buffer.release(batch.first)

    def _say(self, batch: Batch | None) -> None:
        """Send a batch or a sign of life, and do what the receipt says."""
        data = frame(self._header(batch, self._buffer.stats()), b"" if batch is None else batch.payload)
        self.link.resent += batch is not None
        receipt = self._open().send(data)
        if receipt.time:
            self._buffer.confirm_time(receipt.time)
        if (receipt.duplicate and batch.fresh) if batch is not None else self._buffer.contradicts(receipt.ranges):
            self._rolled_back()
        elif batch is not None:
            self._settled(batch, receipt, len(data))
        self.link.last_contact, self.link.last_problem = self._clock(), ""
        self.backoff.succeeded()
        self._rate.limit = self.link.rate = receipt.rate
        self._fetch_settings(receipt.settings_version)
        self._fetch_tasks(receipt.tasks)

    def _rolled_back(self) -> None:
        """Numbers of this stream were used twice: by this host before its disk went back, or by a copy of it."""
        log.warning("the Central Node has events under numbers never sent from here: disk rolled back, or copied?")
        self._buffer.begin_epoch()

    def _settled(self, batch: Batch, receipt: Receipt, size: int) -> None:
        self._buffer.settle(receipt.ranges)
        if not any(first <= batch.first and batch.last <= last for first, last in receipt.ranges):
            raise UnreachableError(f"the receipt does not cover the batch {batch.first}..{batch.last}")
        self._refusals.pop(batch.first, None)
        self.link.resent -= 1
        self.link.batches += 1
        self.link.events += batch.count
        self.link.bytes += size
        self._rate.sent(batch.count, self.monotonic())

    def _broken(self, batch: Batch, error: RefusedError) -> None:
        if batch.fresh and error.problem.type.endswith(":batch_overlap"):
            self._rolled_back()
            return
        times = self._refusals.get(batch.first, (0, 0))[0] + 1
        log.warning("batch refused first=%d last=%d times=%d problem=%s", batch.first, batch.last, times, error)
        self.link.last_problem = str(error)
        if times < ATTEMPTS:
            self._refusals[batch.first] = (times, self._clock() + ATTEMPT_PAUSE)
            return
        try:
            self._buffer.set_aside(batch, REFUSED)
        except OSError as problem:
            self._refusals[batch.first] = (ATTEMPTS, self._clock() + ATTEMPT_PAUSE)
            log.warning("batch not set aside problem=%s", problem)
            return
        self._refusals.pop(batch.first, None)
        self.link.refused += 1

    def _fetch_settings(self, version: int) -> None:
        if not self._settings.wants(version) or self._clock() < self._settings_after:
            return
        self._settings_after = self._clock() + SETTINGS_PAUSE
        try:
            document: SignedSettings = self._open().settings()
            self._settings.take(document)
        except (RefusedError, UnreachableError, IdentityError, WireError, OSError) as error:  # OSError: a full disk
            log.warning("settings not taken version=%d problem=%s", version, error)
        else:
            self._settings_after = 0

    def _fetch_tasks(self, number: int) -> None:
        if self.tasks is None or not self.tasks.wants(number) or self._clock() < self._tasks_after:
            return
        self._tasks_after = self._clock() + TASKS_PAUSE
        try:
            self.tasks.take(self._open().tasks().tasks, number)
        except (RefusedError, UnreachableError, OSError) as error:
            log.warning("tasks not taken number=%d problem=%s", number, error)

    def _open(self) -> Transport:
        if self._transport is None:
            self._transport = self._connect()
        return self._transport

    def _failed(self, state: str, problem: str, *, asked: float = 0.0) -> float:
        if problem != self.link.last_problem or state != self.link.state:
            log.warning("uplink %s problem=%s waiting=%d", state, problem, self._buffer.stats().events)
        self.link.last_problem = problem
        self._go(state)
        self.close()
        return self.backoff.failed(asked=asked)

    def _go(self, state: str) -> None:
        if state != self.link.state:
            self.link.state, self.link.since = state, self._clock()
            if state == "online":
                log.info("uplink online waiting=%d", self._buffer.stats().events)
