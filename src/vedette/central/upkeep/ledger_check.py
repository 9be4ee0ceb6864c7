"""The ledger against the store: it must hold each sequence number that the ledger says, once.

A bounded part at a time. The ledger is read before the store, and it learns of a segment only after the store has
it: so what the store lacks is missing for sure. What it has beyond the ledger may only be on its way there.
"""

import datetime as dt
import logging
from collections.abc import Sequence

from vedette.central.upkeep.retention import Do
from vedette.runtime.clock import DAY, MINUTE, Clock
from vedette.store.events import Held, Numbers
from vedette.store.state import State, ledger, ledger_check
from vedette.store.state.ledger_check import Expected, Verdict

LOOKS = 20
"""Questions to the store in one run."""
STREAMS, EVENTS = 200, 5_000_000
"""Streams and events of one question; one stream may have more events."""
OFTEN, SELDOM, QUIET = 10 * MINUTE, DAY, 10 * MINUTE
"""A day that grows is looked at so often, each again so seldom; after so long without growth nothing is on its way."""
LATEST = 23 * DAY
"""Numbers of one day may be on others, as far from it as an agent keeps events."""
PLACES = 20
"""Ranges of missing numbers that are kept."""

log = logging.getLogger(__name__)


class LedgerCheck:
    """Compares the next part."""

    def __init__(self, store: Do, state: State, *, clock: Clock) -> None:
        self._store, self._state, self._clock = store, state, clock

    def run(self) -> None:
        """Compare what is due, up to a bound. Raises StoreError."""
        now = self._clock()
        with self._state.read() as db:
            due = ledger_check.due(db, often=now - OFTEN, seldom=now - SELDOM, limit=LOOKS * STREAMS)
        for _ in range(LOOKS):
            part = _first_part(due)
            if not part:
                return
            due = due[len(part) :]
            self._compare(part)

    def _compare(self, part: Sequence[Expected]) -> None:
        tenant, start = part[0].tenant, _start_of(part[0].day)
        agents = sorted({one.agent for one in part})
        held = self._store(lambda store: store.held(tenant, agents, since=start, until=start + DAY))
        by_stream = {(one.host, one.epoch): one for one in held}
        found = [(one, self._verdict(one, by_stream.get((one.agent, one.epoch)))) for one in part]
        with self._state.write() as db:
            ledger_check.note(db, found, now=self._clock())
        for one, verdict in found:
            if verdict.missing or verdict.extra or verdict.doubled:
                log.error("ledger and store differ: %s: %s", one, verdict)

    def _verdict(self, one: Expected, held: Held | None) -> Verdict:
        if held is None:
            held = Held(one.agent, one.epoch, 0, 0)
        missing = max(0, one.stored - held.numbers)
        quiet = one.updated < self._clock() - QUIET
        return Verdict(
            held=held.numbers,
            missing=missing,
            extra=max(0, held.numbers - one.stored) if quiet else 0,
            doubled=held.rows - held.numbers,
            places=self._places(one) if missing else (),
        )

    def _places(self, one: Expected) -> list[tuple[int, int]]:
        """Ranges between the day's first and last number that were received and are on no day of the store."""
        with self._state.read() as db:
            received = ledger.ranges_of(db, one.agent, one.epoch)
        start = _start_of(one.day)
        numbers = Numbers(one.tenant, one.agent, one.epoch, one.first, one.last)
        runs = self._store(lambda store: store.runs(numbers, since=start - LATEST, until=start + LATEST))
        return without(within(received, one.first, one.last), runs)[:PLACES]


def _first_part(due: Sequence[Expected]) -> list[Expected]:
    """Take as many of one tenant and day as one question may ask for; at least one."""
    part: list[Expected] = []
    events = 0
    for one in due:
        events += one.stored
        if part and (len(part) == STREAMS or events > EVENTS or (one.tenant, one.day) != (part[0].tenant, part[0].day)):
            break
        part.append(one)
    return part


def within(ranges: Sequence[tuple[int, int]], first: int, last: int) -> list[tuple[int, int]]:
    """Cut ranges to what lies in first..last."""
    cut = ((max(low, first), min(high, last)) for low, high in ranges)
    return [(low, high) for low, high in cut if low <= high]


def without(ranges: Sequence[tuple[int, int]], taken: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Give what is in `ranges` and not in `taken`; both ascending and apart."""
    left: list[tuple[int, int]] = []
    for low, high in ranges:
        at = low
        for start, end in within(taken, low, high):
            if start > at:
                left.append((at, start - 1))
            at = end + 1
        if at <= high:
            left.append((at, high))
    return left


def _start_of(day: str) -> int:
    moment = dt.datetime.fromisoformat(day).replace(tzinfo=dt.UTC)
    return int(moment.timestamp()) * 1_000_000
