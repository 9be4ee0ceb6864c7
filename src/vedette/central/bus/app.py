"""Builds the two processes of the bus from their parts and runs them."""

import asyncio
import logging
import signal
import time

from vedette.central.bus.forward import Forwarder
from vedette.central.bus.receive import Receiver
from vedette.central.bus.stream import Bus, connect
from vedette.central.layout import Layout
from vedette.central.settings import CentralSettings
from vedette.runtime.files import write_atomic

_LOG = logging.getLogger(__name__)


def run(layout: Layout, settings: CentralSettings, part: str) -> None:
    """Forward or receive segments until SIGTERM. Raises ConfigError when that can never be."""
    work: Forwarder | Receiver
    if part == "forward":
        work = Forwarder(layout.spool, settings.node)
    else:
        layout.received.mkdir(mode=0o700, exist_ok=True)
        for path in layout.received.glob(".*.seg.*"):  # half written when a receiver before this one was killed
            path.unlink(missing_ok=True)
        work = Receiver(layout.received, settings.pipelines + 2, time.monotonic)
    # The client's protocol answers a server's leaving in a way of which asyncio warns each time; it harms nothing.
    logging.getLogger("asyncio").setLevel(logging.ERROR)
    write_atomic(layout.ready(part), b"0\n")
    asyncio.run(_run(settings, part, work))


async def _run(settings: CentralSettings, part: str, work: Forwarder | Receiver) -> None:
    running = asyncio.current_task()
    if running is None:
        raise RuntimeError("there is a running task")
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, running.cancel)
    bus: Bus | None = None
    try:
        bus = await connect(settings, part)
        await bus.prepare()
        _LOG.info("connected to the bus")
        await work.run(bus)
    except asyncio.CancelledError:
        _LOG.info("stopping")
    finally:
        if bus is not None:
            await bus.close()
