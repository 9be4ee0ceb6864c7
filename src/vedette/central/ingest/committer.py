"""Group commit: batches that arrive while one sync runs share the next one."""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Executor

import msgspec

from vedette.runtime.clock import SECOND, Clock
from vedette.store.spool import Backlog, Outcome, Record, Sealed, Spool

TICK = 0.1
"""Seconds between two looks at the age of the open segment."""
GROUP_BYTES = 32 * 1024 * 1024
"""The most that one sync covers, so that the first of a burst do not wait for the last."""


class _Written(msgspec.Struct, frozen=True, kw_only=True):
    """What one turn on the writer's thread did."""

    outcomes: list[Outcome]
    sealed: list[Sealed]
    backlog: Backlog | None


class Committer:
    """Gives batches to the spool, which lives on the writer's thread, and says what became of each."""

    def __init__(
        self,
        spool: Spool,
        writer: Executor,
        *,
        clock: Clock,
        on_sealed: Callable[[Sequence[Sealed]], None],
        on_backlog: Callable[[Backlog], None],
    ) -> None:
        self._spool, self._writer, self._clock = spool, writer, clock
        self._on_sealed, self._on_backlog = on_sealed, on_backlog
        self._queue: list[tuple[Record, asyncio.Future[Outcome]]] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._looked = 0

    async def put(self, record: Record) -> Outcome:
        """Wait until `record` is durable, or was found to be, or cannot be."""
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._queue.append((record, future))
        self._wake.set()
        return await future

    async def run(self) -> None:
        """Write groups until `stop`; then seal what is open."""
        loop = asyncio.get_running_loop()
        while self._queue or not self._stopping:
            if not self._queue:
                self._wake.clear()
                try:
                    async with asyncio.timeout(TICK):
                        await self._wake.wait()
                except TimeoutError:
                    pass
            group = self._take_group()
            written = await loop.run_in_executor(self._writer, self._write, [record for record, _ in group])
            for (_, future), outcome in zip(group, written.outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)
            self._report(written)
        self._report(await loop.run_in_executor(self._writer, self._close))

    def stop(self) -> None:
        """Let `run` end once everything queued is written."""
        self._stopping = True
        self._wake.set()

    def _take_group(self) -> list[tuple[Record, asyncio.Future[Outcome]]]:
        size = count = 0
        for record, _ in self._queue:
            if count and size + len(record.body) > GROUP_BYTES:
                break
            size += len(record.body)
            count += 1
        group, self._queue = self._queue[:count], self._queue[count:]
        return group

    def _write(self, records: list[Record]) -> _Written:
        outcomes = self._spool.append(records) if records else []
        self._spool.tick()
        backlog, now = None, self._clock()
        if now - self._looked >= SECOND:
            self._looked = now
            backlog = self._spool.backlog()
        return _Written(outcomes=outcomes, sealed=self._spool.take_sealed(), backlog=backlog)

    def _close(self) -> _Written:
        self._spool.close()
        return _Written(outcomes=[], sealed=self._spool.take_sealed(), backlog=None)

    def _report(self, written: _Written) -> None:
        if written.sealed:
            self._on_sealed(written.sealed)
        if written.backlog is not None:
            self._on_backlog(written.backlog)
