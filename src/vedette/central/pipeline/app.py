"""Builds a pipeline process from its parts and runs it."""

import gc
import logging
import signal
import threading
from pathlib import Path

from vedette.central.bus.numbering import register
from vedette.central.layout import Layout
from vedette.central.pipeline.detection import Detection
from vedette.central.pipeline.state_link import StateLink
from vedette.central.pipeline.worker import Folders, Links, Share, Worker
from vedette.central.rules import engines
from vedette.central.settings import load, state_url
from vedette.central.store_link import StoreAddress, StoreLink
from vedette.runtime.clock import now
from vedette.runtime.files import write_atomic
from vedette.store.columns import arrow_table
from vedette.store.state import open_state
from vedette.wire.merge import merge

MOST_SHARES = 1000
"""More than a node may have: tells the shares of nodes apart in what engines remember."""

log = logging.getLogger(__name__)


def run(data: Path, share: Share) -> None:
    """Process segments until SIGTERM. Raises ConfigError or StoreError when it cannot begin."""
    layout = Layout(data)
    settings = load(layout)
    shared = bool(settings.bus_url)
    state = open_state(state_url(layout, settings))
    spool = layout.received if shared else layout.spool
    spool.mkdir(mode=0o700, exist_ok=True)
    if shared:
        register(state, layout.spool, settings.node, now)
    link = StateLink(state, spool, clock=now, shared=shared, share=settings.node * MOST_SHARES + share.number)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    compiled = layout.compiled
    # Each process has its own: one that writes must not pull the file from under another.
    rules = (engines.sigma(compiled / f"taa-{share.number}"), engines.iocs(compiled / f"ioc-{share.number}"))
    detection = Detection(link, now, rules)
    links = Links(
        tenants=link.tenants,
        insert=StoreLink(StoreAddress(layout, settings.store_url)).insert,
        detect=detection.detect,
        settle=link.settle,
        update_tasks=link.update_tasks,
        claim=link.claim if shared else None,
        rest=detection.rest,
    )
    layout.dead_letter.mkdir(mode=0o700, parents=True, exist_ok=True)
    worker = Worker(Folders(spool, layout.dead_letter), links, share, stop)
    # pyarrow loads pandas at its first conversion: a second that the first segment should not wait for.
    arrow_table(merge([]))
    # A segment makes millions of short-lived objects without cycles; looking for some costs a tenth of the time.
    gc.freeze()
    gc.set_threshold(200_000, 50, 1000)
    write_atomic(layout.ready(f"pipeline-{share.number}"), b"0\n")
    log.info("pipeline share=%d of=%d", share.number, share.of)
    try:
        worker.run()
    finally:
        state.close()
