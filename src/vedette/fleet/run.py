"""Runs a fleet: threads that each look after some members, and what they have measured together."""

import heapq
import random
import resource
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from vedette.agent.core.identity import Identity, IdentityStore
from vedette.agent.core.transport import Transport
from vedette.fleet.content import Content
from vedette.fleet.member import Member, Plan
from vedette.fleet.tally import Spread, Tally, percentile, spread
from vedette.runtime.clock import Clock
from vedette.schema.events.base import Event

SEND_EVERY = 2.0
"""Seconds between two batches of an agent, as real ones have it by default."""
LARGEST = 5_000
"""Events of a batch."""
RETURN_SECONDS = 60.0
"""Within so long ten thousand agents return: they try again every one to two minutes while the server is away."""
CALM_EVENTS = 4
"""Events that a calm agent sends at a time: about ten times those of a desktop."""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What a fleet is to send."""

    rate: float
    """Events a second of each agent; 0 = as fast as receipts allow."""
    seconds: float
    batch: int = 0
    """Events of a batch; 0 = what an agent gathers in SEND_EVERY seconds, at rate 0: 1,000."""
    backlog: int = 0
    """Events that each agent kept during an outage, sent instead of new ones; 0 = none."""
    calm: int = 0
    """So many of the agents were not away: they send CALM_EVENTS new events every SEND_EVERY seconds meanwhile."""
    threads: int = 16
    connections: int = 2_000
    """Kept open at the same time; further members connect for each batch."""
    replayed: tuple[Event, ...] = ()

    @property
    def count(self) -> int:
        """Events of a batch."""
        wanted = self.batch or (round(self.rate * SEND_EVERY) if self.interval_wanted else 1_000)
        return min(LARGEST, max(1, wanted))

    @property
    def interval(self) -> float:
        """Seconds between two batches of one agent."""
        return self.count / self.rate if self.interval_wanted else 0.0

    @property
    def interval_wanted(self) -> bool:
        """Whether batches are sent by the clock and not as fast as they are taken."""
        return self.rate > 0 and not self.backlog


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What all threads have seen so far. Times in seconds."""

    events: int
    batches: int
    bytes: int
    receipts: Spread
    late: Spread
    """How long after its time a batch was sent first: large when the generator or the server cannot keep up."""
    busy: int
    """Answers 503; each agent then waited as long as it was asked to."""
    busy_seconds: float
    paced: int
    """Receipts that named a send rate."""
    lost_contact: int
    refused: int
    problem: str
    waiting: int
    """Batches that were made and have no receipt yet."""


class Drains(msgspec.Struct, frozen=True, kw_only=True):
    """How those that were away got rid of their backlogs. Seconds from an agent's return to its last receipt."""

    agents: int
    done: int
    first: float | None
    """The tenth that was done first needed at most so long."""
    half: float | None
    last: float | None
    busy_in_a_row: int
    """Answers 503 to one batch of one agent, at most."""


class Fleet:
    """Members and the threads that send for them. `start`, look at `seen`, then `stop` and `join`."""

    def __init__(self, identities: Sequence[tuple[IdentityStore, Identity]], load: Load, *, clock: Clock) -> None:
        self._load, self._clock = load, clock
        count = max(1, min(load.threads, len(identities)))
        begin = time.monotonic()
        self.members = [
            Member(number, store, identity, _plan(load, begin, calm=number < load.calm, agents=len(identities)))
            for number, (store, identity) in enumerate(identities)
        ]
        calm, busy = self.members[: load.calm], self.members[load.calm :]
        # Calm members have a thread of their own, so that they never wait behind the requests of others.
        self._groups = [(load.count, busy[number::count]) for number in range(count)]
        self._groups += [(CALM_EVENTS, calm)] if calm else []
        self._contents = [
            Content(size, clock=clock, seed=number, replayed=load.replayed)
            for number, (size, _) in enumerate(self._groups)
        ]
        self._sending = count
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._tallies: list[Tally] = []
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    def start(self) -> None:
        """Begin to send."""
        raise_file_limit()
        for number, ((_, members), content) in enumerate(zip(self._groups, self._contents, strict=True)):
            tally = Tally()
            self._tallies.append(tally)
            work = partial(self._send, members, content, tally)
            thread = threading.Thread(target=self._guarded, args=(work,), name=f"fleet-{number}", daemon=True)
            self._threads.append(thread)
        for thread in self._threads:
            thread.start()

    @property
    def sending(self) -> bool:
        """Whether there is still something to send."""
        return any(thread.is_alive() for thread in self._threads)

    def stop(self) -> None:
        """Send no more than what is under way."""
        self._stop.set()

    def join(self) -> None:
        """Wait for the threads; raises what ended one of them."""
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def newest(self) -> tuple[str, str, int, float] | None:
        """Give agent, epoch, last number and time of sending of the newest batch that has a receipt."""
        told = [tally.newest for tally in self._tallies if tally.newest is not None]
        return max(told, key=lambda one: one[3], default=None)

    def seen(self, *, last: float | None = None) -> Seen:
        """Add up; with `last` the durations of about so many of the newest batches only."""
        tallies = self._tallies
        share = None if last is None else max(1, int(last) // max(1, len(tallies)))
        since = slice(None) if share is None else slice(-share, None)
        return Seen(
            events=sum(tally.events for tally in tallies),
            batches=sum(tally.batches for tally in tallies),
            bytes=sum(tally.bytes for tally in tallies),
            receipts=spread(value for tally in tallies for value in tally.receipts[since]),
            late=spread(value for tally in tallies for value in tally.late[since]),
            busy=sum(tally.busy for tally in tallies),
            busy_seconds=round(sum(tally.busy_seconds for tally in tallies), 1),
            paced=sum(tally.paced for tally in tallies),
            lost_contact=sum(tally.lost_contact for tally in tallies),
            refused=sum(tally.refused for tally in tallies),
            problem=next((tally.problem for tally in tallies if tally.problem), ""),
            waiting=sum(member.waiting for member in self.members),
        )

    def drains(self) -> Drains:
        """Say how the backlogs went."""
        away = [member for member in self.members if not member.is_calm]
        took = sorted(member.drained for member in away if member.drained is not None)
        return Drains(
            agents=len(away),
            done=len(took),
            first=percentile(took, 0.1) if took else None,
            half=percentile(took, 0.5) if took else None,
            last=took[-1] if took else None,
            busy_in_a_row=max((member.longest_row for member in self.members), default=0),
        )

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - raised again by `join`
            self._failure = error
            self._stop.set()

    def _send(self, members: Sequence[Member], content: Content, tally: Tally) -> None:
        lines = Lines(max(1, self._load.connections // len(self._groups)))
        company = bool(self._load.calm) and bool(members) and members[0].is_calm
        queue = [(member.due, member.number, member) for member in members]
        heapq.heapify(queue)
        try:
            while queue and not self._stop.is_set() and not (company and not self._sending):
                due, number, member = heapq.heappop(queue)
                pause = due - time.monotonic()
                if pause > 0 and self._stop.wait(pause):
                    return
                again = member.step(content, lines.open, tally, clock=self._clock)
                if again is not None:
                    heapq.heappush(queue, (again, number, member))
        finally:
            lines.close()
            if not company:
                with self._lock:
                    self._sending -= 1


def _plan(load: Load, begin: float, *, calm: bool, agents: int) -> Plan:
    if calm:
        count, interval, backlog, within = CALM_EVENTS, SEND_EVERY, 0, SEND_EVERY
    else:
        count, interval, backlog, within = load.count, load.interval, load.backlog, max(1.0, load.interval)
        if backlog:
            within = max(1.0, RETURN_SECONDS * min(1.0, agents / 10_000))
    return Plan(
        count=count,
        interval=interval,
        begin=begin + random.random() * within,  # noqa: S311 - spreads the load
        end=begin + load.seconds,
        backlog=backlog,
        watched=calm or not load.calm,
    )


class Lines:
    """The connections of one thread: those used last stay open."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: OrderedDict[int, Transport] = OrderedDict()

    def open(self, member: Member) -> Transport:
        """Give the connection of `member`."""
        found = self._open.pop(member.number, None)
        if found is None:
            found = Transport(member.identity.server, member.store.context(member.identity))
        self._open[member.number] = found
        if len(self._open) > self._most:
            self._open.popitem(last=False)[1].close()
        return found

    def close(self) -> None:
        """Close all."""
        for transport in self._open.values():
            transport.close()


def raise_file_limit() -> None:
    """Take all the file descriptors that the system allows: each member holds one."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
