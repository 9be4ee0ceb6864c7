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
        self._states: dict[StreamKey, StreamState] = {}
        self._headers: dict[StreamKey, BatchHeader] = {}
        self._last: dict[StreamKey, int] = {}
        self._epochs: dict[str, set[str]] = {}
        self._recent: dict[str, dict[StreamKey, None]] = {}  # agent -> streams with a header, oldest first
        self._dirty: dict[StreamKey, None] = {}
        self._heard: dict[str, AgentSeen] = {}
        self._told: dict[str, tuple[Micros, Micros]] = {}  # agent -> when written, and the contact written
        self._refused: Counter[tuple[str, str]] = Counter()

    def hear(self, header: BatchHeader, *, address: str, at: Micros) -> None:
        """Take what an identified agent says of itself; its batch need not have been kept.

        Raises Refused when the agent has begun too many streams.
        """
        key = StreamKey(header.agent, header.epoch)
        if not self._know(key):
            raise Refused("batch_scattered", f"an agent may have {EPOCHS} streams")
        self._headers[key] = header
        self._forget_headers_but(key)
        self._last[key] = max(header.last, self._last.get(key, 0))
        self._dirty[key] = None
        self._heard[header.agent] = AgentSeen(
            agent=header.agent,
            at=at,
            hostname=header.host.name or "",
            os=header.os.name or "",
            version=header.version,
            mode=header.mode,
            address=address,
            settings_version=header.settings_version,
            spool_events=header.spool_events,
            spool_oldest=header.spool_oldest,
        )

    def keep(self, states: Iterable[StreamState]) -> None:
        """Take what is durable of streams: after a seal those it touched, at the start all."""
        for state in states:
            self._know(state.key)
            self._states[state.key] = state
            self._dirty[state.key] = None

    def refuse(self, reason: str, agent: str = "", times: int = 1) -> None:
        """Count a refusal; `agent` only if its certificate is one of ours."""
        known = (reason, agent) in self._refused or len(self._refused) < REFUSED_AGENTS
        self._refused[reason, agent if known else ""] += times

    def senders(self, now: Micros) -> int:
        """Count the agents heard in the last minute."""
        return sum(now - seen.at < MINUTE for seen in self._heard.values())

    def take(self, now: Micros) -> Entries:
        """Give what is to be written now."""
        keys = [key for key, _ in zip(self._dirty, range(ROWS), strict=False)]
        for key in keys:
            del self._dirty[key]
        seen = [heard for heard in self._heard.values() if self._is_news(heard, now)]
        self._told.update((heard.agent, (now, heard.at)) for heard in seen)
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
        written, contact = self._told.get(heard.agent, (0, 0))
        return heard.at > contact and now - written >= MINUTE

    def _received(self, key: StreamKey) -> StreamReceived:
        state, header = self._states.get(key), self._headers.get(key)
        return StreamReceived(
            agent=key.agent,
            epoch=key.epoch,
            ranges=() if state is None else state.ranges,
            sent_last=self._last.get(key),
            duplicates=0 if state is None else state.duplicates,
            refused=0 if state is None else state.refused,
            drops=None if header is None else header.drops,
            throttled=None if header is None else header.throttled,
            expired=None if header is None else header.expired,
            spool_events=None if header is None else header.spool_events,
            spool_oldest=None if header is None else header.spool_oldest,
        )
