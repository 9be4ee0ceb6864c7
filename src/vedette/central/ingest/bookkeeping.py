"""What ingest tells the state: the ledger's rows, when agents were last heard, what was refused.

Kept in memory and handed over about once a second in one transaction. The ledger's values are absolute, so
a row that could not be written is simply written later; after a crash they are told again from the spool.
"""

from collections import Counter
from collections.abc import Iterable

import msgspec

from vedette.central.ingest.refusal import Refused
from vedette.runtime.clock import MINUTE
from vedette.schema.fields import Micros
from vedette.store.intervals import Intervals
from vedette.store.spool import Outcome
from vedette.store.state.agents import AgentSeen
from vedette.store.state.ledger import StreamReceived
from vedette.store.streams import StreamKey, StreamState
from vedette.wire.header import BatchHeader

ROWS = 500
"""Ledger rows in one transaction, so that it stays short; the rest waits for the next."""
EPOCHS = 1_000
"""Streams that one agent may have: it makes one for each buffer file."""
HEADERS = 16
"""Streams of one agent whose last header is kept; agents use one at a time."""
REFUSED_AGENTS = 1_000
"""Refusals are counted for so many agents apart between two transactions, the rest together."""


class Entries(msgspec.Struct, frozen=True, kw_only=True):
    """What one transaction writes."""

    streams: list[StreamReceived]
    seen: list[AgentSeen]
    refused: dict[tuple[str, str], int]
    """(reason, agent or "") -> how often."""

    def __bool__(self) -> bool:
        return bool(self.streams or self.seen or self.refused)


class Bookkeeping:
    """Gathers between two transactions. Lives on the event loop's thread."""

    def __init__(self) -> None:
        self._durable: dict[StreamKey, Intervals] = {}
        self._counts: dict[StreamKey, tuple[int, int]] = {}  # duplicates, refused
        self._headers: dict[StreamKey, BatchHeader] = {}
        self._last: dict[StreamKey, int] = {}
        self._epochs: dict[str, set[str]] = {}
        self._recent: dict[str, dict[StreamKey, None]] = {}  # agent -> streams with a header, oldest first
        self._dirty: dict[StreamKey, None] = {}
        self._heard: dict[str, AgentSeen] = {}
        self._told: dict[str, tuple[Micros, AgentSeen]] = {}  # agent -> when and what was written
        self._refused: Counter[tuple[str, str]] = Counter()

    def admit(self, key: StreamKey) -> None:
        """Note a stream before anything of it is kept. Raises Refused when its agent has begun too many."""
        if not self._know(key):
            raise Refused("batch_scattered", f"an agent may have {EPOCHS} streams")

    def hear(self, header: BatchHeader, outcome: Outcome, *, address: str, at: Micros) -> None:
        """Take what an identified agent says of itself, and what became of its batch."""
        key = StreamKey(header.agent, header.epoch)
        if header.count:
            self._count(key, header, outcome)
        self._headers[key] = header
        self._last[key] = max(header.last, self._last.get(key, 0))
        self._forget_headers_but(key)
        self._dirty[key] = None
        self._heard[header.agent] = AgentSeen(
            agent=header.agent,
            at=at,
            hostname=header.host.name or "",
            os=header.os.name or "",
            version=header.version,
            mode=header.mode,
            refused=header.refused,
            address=address,
            settings_version=header.settings_version,
            spool_events=header.spool_events,
            spool_oldest=header.spool_oldest,
            stopping=header.stopping,
        )

    def highest(self, key: StreamKey) -> tuple[int, int] | None:
        """Give the last durable range of a stream; None when nothing of it is."""
        durable = self._durable.get(key)
        return None if durable is None else durable.highest()

    def keep(self, states: Iterable[StreamState]) -> None:
        """Take what the spool knows of streams: at the start all, then those that each seal touched."""
        for state in states:
            self._know(state.key)
            durable = self._durable.setdefault(state.key, Intervals())
            for first, last in state.ranges:
                durable.add(first, last)
            self._counts[state.key] = (state.duplicates, state.refused)
            self._dirty[state.key] = None

    def refuse(self, reason: str, agent: str = "", times: int = 1) -> None:
        """Count a refusal; `agent` only if its certificate is one of ours."""
        known = (reason, agent) in self._refused or len(self._refused) < REFUSED_AGENTS
        self._refused[reason, agent if known else ""] += times

    def take(self, now: Micros) -> Entries:
        """Give what is to be written now."""
        keys = [key for key, _ in zip(self._dirty, range(ROWS), strict=False)]
        for key in keys:
            del self._dirty[key]
        seen = [heard for heard in self._heard.values() if self._is_news(heard, now)]
        self._told.update((heard.agent, (now, heard)) for heard in seen)
        refused, self._refused = dict(self._refused), Counter()
        streams = [self._received(key) for key in keys]
        return Entries(streams=streams, seen=seen, refused=refused)

    def put_back(self, entries: Entries) -> None:
        """Take back what could not be written."""
        self._dirty |= dict.fromkeys(StreamKey(stream.agent, stream.epoch) for stream in entries.streams)
        for heard in entries.seen:
            self._told.pop(heard.agent, None)
        for (reason, agent), times in entries.refused.items():
            self.refuse(reason, agent, times)

    def _count(self, key: StreamKey, header: BatchHeader, outcome: Outcome) -> None:
        """Follow what the spool does, which tells it with the next seal."""
        duplicates, refused = self._counts.get(key, (0, 0))
        if outcome is Outcome.STORED:
            self._durable.setdefault(key, Intervals()).add(header.first, header.last)
        elif outcome is Outcome.DUPLICATE:
            self._counts[key] = (duplicates + header.count, refused)
        elif outcome is not Outcome.FULL:
            self._counts[key] = (duplicates, refused + header.count)

    def _know(self, key: StreamKey) -> bool:
        """Note a stream; False when its agent has too many."""
        epochs = self._epochs.setdefault(key.agent, set())
        if key.epoch not in epochs and len(epochs) >= EPOCHS:
            return False
        epochs.add(key.epoch)
        return True

    def _forget_headers_but(self, key: StreamKey) -> None:
        recent = self._recent.setdefault(key.agent, {})
        recent.pop(key, None)
        recent[key] = None
        if len(recent) > HEADERS:
            oldest = next(iter(recent))
            del recent[oldest], self._headers[oldest], self._last[oldest]

    def _is_news(self, heard: AgentSeen, now: Micros) -> bool:
        """Whether to write a contact: once a minute, and at once when the agent says something else of itself."""
        if heard.agent not in self._told:
            return True
        written, before = self._told[heard.agent]
        if _facts(heard) != _facts(before):
            return True
        return heard.at > before.at and now - written >= MINUTE

    def _received(self, key: StreamKey) -> StreamReceived:
        durable, header = self._durable.get(key), self._headers.get(key)
        duplicates, refused = self._counts.get(key, (0, 0))
        return StreamReceived(
            agent=key.agent,
            epoch=key.epoch,
            ranges=() if durable is None else durable.pairs(),
            sent_last=self._last.get(key),
            duplicates=duplicates,
            refused=refused,
            drops=None if header is None else header.drops,
            throttled=None if header is None else header.throttled,
            expired=None if header is None else header.expired,
            aged=None if header is None else header.aged,
            overflowed=None if header is None else header.overflowed,
            spool_events=None if header is None else header.spool_events,
            spool_oldest=None if header is None else header.spool_oldest,
        )


def _facts(heard: AgentSeen) -> tuple[object, ...]:
    return (
        heard.hostname,
        heard.os,
        heard.version,
        heard.mode,
        heard.refused,
        heard.address,
        heard.settings_version,
        heard.stopping,
    )
