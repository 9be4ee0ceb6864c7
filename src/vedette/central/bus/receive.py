"""On a pipeline node: takes segments from the bus into a folder, from which the pipeline works as from a spool.

The bus keeps a segment until it is told that it is done, and it is done when the pipeline has removed the file: then
it is stored and counted, or set aside. The file is a copy: a node that is lost loses nothing.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import TimeoutError as NatsTimeout

from vedette.central.bus.stream import ACK_SECONDS, MESSAGE_BYTES, Bus, number_in
from vedette.runtime.files import write_atomic

LOOK_SECONDS = 0.05
"""Between looks which files the pipeline has removed."""
WORKING_SECONDS = ACK_SECONDS / 3
"""How often the bus is told that a segment is still in work."""
FETCH_SECONDS = 5.0
PAUSE_SECONDS = 0.5
"""After an error of the bus."""
REMEMBERED = 10_000
"""Segments done of which the bus may not have heard."""

_LOG = logging.getLogger(__name__)


class Receiver:
    """Holds at most `most` segments at a time."""

    def __init__(self, folder: Path, most: int, clock: Callable[[], float]) -> None:
        self._folder, self._most, self._clock = folder, most, clock
        self._held: dict[int, Msg] = {}
        self._told: dict[int, float] = {}  # number -> when the bus heard that it is in work
        self._done: OrderedDict[int, None] = OrderedDict()

    async def run(self, bus: Bus) -> None:
        """Receive until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._take_all(bus))
            tasks.create_task(self._watch())

    async def _take_all(self, bus: Bus) -> None:
        while True:
            try:
                queue = await bus.subscribe()
                while True:
                    if len(self._held) >= self._most:
                        await asyncio.sleep(LOOK_SECONDS)
                        continue
                    await self._take(*await queue.fetch(1, timeout=FETCH_SECONDS))
            except NatsTimeout:
                continue  # nothing came; asking anew also finds a consumer that has moved
            except (NatsError, OSError) as error:
                _LOG.warning("segments cannot be taken: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _take(self, message: Msg) -> None:
        number = number_in(message)
        if number is None or len(message.data) > MESSAGE_BYTES:
            _LOG.error("a message on the bus is no segment of ours and is removed: headers %r", message.headers)
            await message.term()
        elif number in self._done:
            await message.ack()
        else:
            path = self._path(number)
            # What is there already is the same segment, and may be in work.
            if number not in self._held and not path.exists():
                await asyncio.to_thread(write_atomic, path, message.data)
            self._held[number], self._told[number] = message, self._clock()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self._tell()
            except (NatsError, OSError) as error:
                _LOG.warning("the bus could not be told: %s", error)
                await asyncio.sleep(PAUSE_SECONDS)

    async def _tell(self) -> None:
        """Tell the bus what is done and what is still in work."""
        now = self._clock()
        for number, message in list(self._held.items()):
            if not self._path(number).exists():
                self._finish(number)
                await message.ack()
            elif now - self._told[number] >= WORKING_SECONDS:
                self._told[number] = now
                await message.in_progress()

    def _finish(self, number: int) -> None:
        del self._held[number], self._told[number]
        self._done[number] = None
        if len(self._done) > REMEMBERED:
            self._done.popitem(last=False)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:016d}.seg"
