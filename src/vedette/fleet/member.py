"""One synthetic agent: an identity, numbered events, one batch in flight, the pace that receipts ask for."""

import secrets
import time
from collections.abc import Callable

import msgspec

from vedette import __version__
from vedette.agent.core.identity import Identity, IdentityStore
from vedette.agent.core.pace import Backoff, Rate
from vedette.agent.core.transport import RefusedError, Transport, UnreachableError
from vedette.fleet.content import Content
from vedette.fleet.tally import Tally
from vedette.runtime.clock import HOUR, SECOND, Clock
from vedette.schema.entities import Host, Os
from vedette.wire.batch import BatchHeader, frame

OUTAGE = HOUR
"""How old the events of a backlog are."""

OS = Os(family="windows", name="Windows 11 Pro", version="10.0.22631", kernel="22631")

Connect = Callable[["Member"], Transport]
"""Gives the connection of a member, kept or new."""


def facts(number: int) -> Host:
    """Describe the host of member `number`."""
    return Host(name=f"fleet-{number:05d}", ip=(f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}",))


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What one member sends. Times are seconds of the monotonic clock."""

    count: int
    """Events of a batch."""
    interval: float
    """From one batch to the next; 0 = as soon as the receipt allows."""
    begin: float
    end: float
    """No batch is due after this."""
    backlog: int = 0
    """Events kept during an outage, which are all that is sent; 0 = none."""
    watched: bool = True
    """Whether it is measured how soon its events are found."""


class Member:
    """Sends by `step`, which says when to come again. A batch that was not taken is sent again unchanged."""

    def __init__(self, number: int, store: IdentityStore, identity: Identity, plan: Plan) -> None:
        self.number, self.store, self.identity = number, store, identity
        self.epoch = secrets.token_hex(8)
        self.acknowledged = 0
        """The last sequence number that has a receipt; also how many have one."""
        self.failed = ""
        """Why it sends no more, if its batch was refused for good."""
        self.drained: float | None = None
        """Seconds from its beginning until its backlog had its last receipt; None: not yet, or it has none."""
        self.longest_row = 0
        """Answers 503 to one batch, at most."""
        self._row = 0
        self._plan, self._host = plan, msgspec.structs.replace(facts(number), id=identity.agent)
        self._rate, self._backoff = Rate(), Backoff()
        self._due = plan.begin
        self._held: bytes | None = None

    @property
    def waiting(self) -> bool:
        """Whether a batch was made that has no receipt yet."""
        return self._held is not None

    @property
    def is_calm(self) -> bool:
        """Whether it sends new events and no backlog."""
        return not self._plan.backlog

    @property
    def due(self) -> float:
        """When the next batch is to be made."""
        return self._due

    def step(self, content: Content, connect: Connect, tally: Tally, *, clock: Clock) -> float | None:
        """Send the batch that is due; gives when to come again, None when there is nothing more to send."""
        now = time.monotonic()
        if self._held is None:
            if self._due >= self._plan.end or 0 < self._plan.backlog <= self.acknowledged:
                return None
            self._held = self._make(content, clock)
            tally.late.append(now - self._due)
        try:
            receipt = connect(self).send(self._held)
        except RefusedError as error:
            return self._refused(error, tally)
        except UnreachableError as error:
            tally.unreachable(str(error))
            return time.monotonic() + self._backoff.failed()
        done = time.monotonic()
        first, last = self.acknowledged + 1, self.acknowledged + self._plan.count
        if [first, last] not in [list(one) for one in receipt.ranges]:
            tally.unreachable(f"the receipt does not cover {first}..{last}")
            return done + self._backoff.failed()
        tally.receipt(done - now, events=self._plan.count, size=len(self._held), rate=receipt.rate)
        if self._plan.watched:
            tally.newest = (self.identity.agent, self.epoch, last, now)
        self.acknowledged, self._held, self._row = last, None, 0
        if 0 < self._plan.backlog <= last:
            self.drained = done - self._plan.begin
        self._backoff.succeeded()
        self._rate.limit = receipt.rate
        self._rate.sent(self._plan.count, done)
        wished = self._due + self._plan.interval
        self._due = max(wished, done) if self._plan.interval == 0 else wished
        return max(self._due, done + self._rate.pause(done))

    def _make(self, content: Content, clock: Clock) -> bytes:
        first = self.acknowledged + 1
        sent = clock()
        late = max(0.0, time.monotonic() - self._due) if self._plan.interval else 0.0
        newest = sent - (OUTAGE if self._plan.backlog else round(late * SECOND))
        header = BatchHeader(
            agent=self.identity.agent, epoch=self.epoch, first=first, last=first + self._plan.count - 1,
            count=self._plan.count, sent=sent, mode="fleet", version=__version__, host=self._host, os=OS,
            spool_events=max(self._plan.count, self._plan.backlog - self.acknowledged), spool_oldest=newest,
        )  # fmt: skip
        return frame(header, content.body(first=first, newest=newest))

    def _refused(self, error: RefusedError, tally: Tally) -> float | None:
        if error.status == 503:
            pause = self._backoff.failed(asked=error.retry_after)
            tally.told_to_wait(pause)
            self._row += 1
            self.longest_row = max(self.longest_row, self._row)
            return time.monotonic() + pause
        self.failed = str(error)
        tally.refuse(self.failed)
        return None
