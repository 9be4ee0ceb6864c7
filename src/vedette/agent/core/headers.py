"""Makes the header of each batch: identity and stream, the host at the events, the agent now."""

from collections.abc import Callable

import msgspec

from vedette import __version__
from vedette.agent.core.buffer import Batch, Buffer, BufferStats, Facts
from vedette.agent.core.identity import Identity
from vedette.agent.core.settings import SettingsKeeper
from vedette.runtime.clock import Clock
from vedette.wire import limits
from vedette.wire.batch import BatchHeader


class HeaderMaker:
    """Knows what is the same in every header."""

    def __init__(self, identity: Identity, buffer: Buffer, settings: SettingsKeeper, clock: Clock) -> None:
        self._identity, self._buffer, self._settings, self._clock = identity, buffer, settings, clock
        self.facts: Callable[[], Facts] = Facts
        self.mode: Callable[[], str] = str
        self.refused: Callable[[], dict[str, str]] = dict
        self.stopping = False

    def __call__(self, batch: Batch | None, stats: BufferStats) -> BatchHeader:
        """Give the header of `batch`, or of a sign of life."""
        facts = self.facts() if batch is None else batch.facts
        return BatchHeader(
            agent=self._identity.agent,
            epoch=self._buffer.epoch,
            first=stats.next if batch is None else batch.first,
            last=stats.next - 1 if batch is None else batch.last,
            count=0 if batch is None else batch.count,
            sent=self._clock(),
            spool_events=stats.events,
            spool_oldest=stats.oldest,
            drops=self._buffer.losses.totals(),
            throttled=self._buffer.throttled.totals(),
            expired=stats.expired,
            aged=stats.aged,
            overflowed=stats.overflowed,
            settings_version=self._settings.current.version,
            stopping=self.stopping and batch is None,
            mode=self.mode()[:256],
            refused=_bounded(self.refused()),
            version=__version__,
            host=msgspec.structs.replace(facts.host, id=self._identity.agent),
            os=facts.os,
        )


def _bounded(refused: dict[str, str]) -> dict[str, str]:
    """Keep what a header may hold: reasons of a kernel can be long."""
    longest = limits.REASON_CHARACTERS
    return {what[:longest]: why[:longest] for what, why in list(refused.items())[: limits.REFUSALS]}
