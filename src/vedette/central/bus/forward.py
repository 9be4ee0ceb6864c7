"""On an ingest node: each sealed segment goes from the spool to the bus, and leaves the spool when it is durable there.

What agents were promised is durable in the spool before; so while the bus is away, ingest goes on and the spool grows.
"""

import asyncio
from pathlib import Path

from vedette.central.bus.numbering import number_of
from vedette.central.bus.stream import Bus

POLL_SECONDS = 0.05
"""Between looks at the spool while there is nothing to send."""


class Forwarder:
    """Forwards the segments of one spool, oldest first."""

    def __init__(self, spool: Path, node: int) -> None:
        self._spool, self._node = spool, node

    async def run(self, bus: Bus) -> None:
        """Forward until cancelled. A crash between two steps sends a segment twice, which is seen by its number."""
        while True:
            waiting = sorted(self._spool.glob("*.seg"))
            for path in waiting:
                await bus.publish(number_of(self._node, path), await asyncio.to_thread(path.read_bytes))
                path.unlink(missing_ok=True)
            if not waiting:
                await asyncio.sleep(POLL_SECONDS)
