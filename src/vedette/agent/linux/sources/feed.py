"""Modes without eBPF: several feeds, read in turn by one thread.

Each round first takes from all feeds what has come, then has them tell it, those of processes before those of files:
what a process did must not be told before its start.
"""

import select
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final, Protocol

from vedette.agent.core.orders import Orders
from vedette.agent.linux.sources.decoder import Decoder
from vedette.runtime.errors import ProbeError

PAUSE: Final = 0.03
"""Seconds between two rounds of a busy host: what comes together is told together."""
IDLE: Final = 0.5
"""Seconds that a quiet host is waited for at most."""


class Feed(Protocol):
    """One thing that is read.

    `handle`: what to wait for; None: it is asked in each round, and knows when to look. `urgent`: what it tells of is
    soon gone, so it is read at once, between the rounds too.
    """

    handle: int | None
    urgent: bool

    @property
    def refused(self) -> dict[str, str]:
        """Parts of it that this host refuses, and why."""
        ...

    def read(self) -> None:
        """Take what has come, without translating it. Raises ProbeError when no more will come."""
        ...

    def tell(self) -> None:
        """Translate what was read and is due."""
        ...

    def waits(self) -> bool:
        """Whether something was read that is due with the next round."""
        ...

    def drops(self) -> dict[str, int]:
        """Event type -> lost since the start."""
        ...

    def status(self) -> dict[str, object]:
        """What it can say of itself, for people."""
        ...

    def close(self) -> None:
        """Stop, and take back what was changed on the host for it."""
        ...


Maker = Callable[[Decoder], Feed]


class FedMode:
    """A mode made of feeds. `needed` are made or the mode is refused; of `others` each may be refused by itself."""

    def __init__(self, name: str, *, needed: dict[str, Maker], others: dict[str, Maker]) -> None:
        self.name = name
        self._refused: dict[str, str] = {}
        self._needed, self._others = needed, others
        self._feeds: dict[str, Feed] = {}
        self._decoder: Decoder | None = None
        self._obeyed = Orders()
        self.longest = 0.0

    @property
    def refused(self) -> dict[str, str]:
        """Feeds, and parts of feeds, that this host refuses, and why."""
        refused = dict(self._refused)
        for feed in self._feeds.values():
            refused |= feed.refused
        return refused

    def start(self, decoder: Decoder, cleanup: ExitStack) -> None:
        """Make the feeds. Raises ProbeError when a needed one is refused."""
        self._decoder = decoder
        for name, make in (self._needed | self._others).items():
            try:
                feed = make(decoder)
            except ProbeError as error:
                if name in self._needed:
                    raise
                self._refused[name] = str(error)
            else:
                cleanup.callback(feed.close)
                self._feeds[name] = feed

    def observe(self, stop: threading.Event) -> None:
        """Read and tell until `stop` is set."""
        decoder, feeds = self._decoder, list(self._feeds.values())
        if decoder is None:
            raise RuntimeError("not started")
        poll = select.poll()
        for feed in feeds:
            if feed.handle is not None:
                poll.register(feed.handle, select.POLLIN)
        while not stop.is_set():
            waits = decoder.is_waiting() or any(feed.waits() for feed in feeds)
            if poll.poll(0 if waits else IDLE * 1000) or waits:
                self._gather(feeds, stop)
            began = time.monotonic()
            self._round(decoder, feeds)
            self.longest = max(self.longest, time.monotonic() - began)
        for _ in range(2):  # what is told one round late
            self._round(decoder, feeds)

    @staticmethod
    def _gather(feeds: list[Feed], stop: threading.Event) -> None:
        """Let a round come together; what is urgent is read meanwhile."""
        until = time.monotonic() + PAUSE
        urgent = select.poll()
        hurried = [feed for feed in feeds if feed.urgent and feed.handle is not None]
        if not hurried:
            stop.wait(PAUSE)
            return
        for feed in hurried:
            feed.read()
            urgent.register(feed.handle or 0, select.POLLIN)
        while (left := until - time.monotonic()) > 0:
            if urgent.poll(left * 1000):
                for feed in hurried:
                    feed.read()

    def _round(self, decoder: Decoder, feeds: list[Feed]) -> None:
        decoder.follow()
        if self._obeyed is not decoder.ordered:
            self._obeyed = decoder.ordered
            decoder.model.savings.obey(self._obeyed)
            decoder.save(self._obeyed)
        for feed in feeds:
            feed.read()
        for feed in feeds:
            feed.tell()
        decoder.tick()

    def count_left_out(self) -> None:
        """Nothing is left out before it is read."""

    def drops(self) -> dict[str, int]:
        """Event type -> lost since the start."""
        totals: Counter[str] = Counter()
        for feed in self._feeds.values():
            totals.update(feed.drops())
        return dict(totals)

    def status(self) -> dict[str, object]:
        """The feeds, each with what it says of itself; and the longest round."""
        feeds = {name: feed.status() for name, feed in self._feeds.items()}
        return {"feeds": feeds, "longest_round": round(self.longest, 3), "backlog_bytes": 0}
