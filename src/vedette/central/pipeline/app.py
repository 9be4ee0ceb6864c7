"""Builds a pipeline process from its parts and runs it."""

import gc
import logging
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import Connection

from vedette.central.layout import Layout
from vedette.central.pipeline.worker import Folders, Links, Share, Worker
from vedette.central.settings import load, state_url
from vedette.central.store_link import StoreAddress, StoreLink
from vedette.runtime.clock import DAY, Clock, now
from vedette.runtime.files import write_atomic
from vedette.store.columns import arrow_table
from vedette.store.segment import Record
from vedette.store.state import State, agents, claims, ledger, open_state, rollouts, tasks
from vedette.store.state.claims import Claim
from vedette.store.state.ledger import StreamCount
from vedette.store.state.tasks import TaskUpdate
from vedette.wire.merge import merge

FORGET_SECONDS = 3600.0
"""Between looks for settled segments that are gone from the spool."""
KEPT = 30 * DAY
"""How long a segment that came by a bus is known as settled."""

log = logging.getLogger(__name__)


class StateLink:
    """What the pipeline asks the state and tells it. Raises StoreError."""

    def __init__(self, state: State, spool: Path, *, clock: Clock, shared: bool = False) -> None:
        """`shared`: segments come from several nodes, by a bus."""
        self._state, self._spool, self._clock, self._shared = state, spool, clock, shared
        self._tenants: dict[str, str] = {}
        self._version = -1
        self._forgot = time.monotonic()

    def tenants(self) -> Mapping[str, str]:
        """Tenants of all agents; read again when an agent was enrolled or moved."""
        with self._state.read() as db:
            version = agents.identity_version(db)
            if version != self._version:
                self._tenants = {identity.id: identity.tenant for identity in agents.identities(db)}
                self._version = version
        return self._tenants

    def settle(self, number: int, counts: tuple[StreamCount, ...]) -> None:
        """Count a segment in the ledger, once."""
        with self._state.write() as db:
            ledger.settle_segment(db, number, counts, now=self._clock())
            if self._shared:
                claims.release(db, number)
            if time.monotonic() - self._forgot > FORGET_SECONDS:
                self._forgot = time.monotonic()
                self._forget(db, number)

    def claim(self, number: int, records: list[Record]) -> Claim:
        """Take the records of a segment that no other has."""
        with self._state.write() as db:
            return claims.claim(db, number, records)

    def update_tasks(self, updates: tuple[TaskUpdate, ...]) -> None:
        """Take what hosts reported of their tasks, and pause roll-outs that go wrong."""
        with self._state.write() as db:
            for rollout in tasks.reported(db, updates):
                rollouts.judge(db, rollout, now=self._clock())

    def _forget(self, db: Connection, number: int) -> None:
        if self._shared:
            ledger.forget_old_segments(db, self._clock() - KEPT)
        else:
            present = [int(path.stem) for path in self._spool.glob("*.seg")]
            ledger.forget_segments(db, min([number, *present]))


def run(data: Path, share: Share) -> None:
    """Process segments until SIGTERM. Raises ConfigError or StoreError when it cannot begin."""
    layout = Layout(data)
    settings = load(layout)
    shared = bool(settings.bus_url)
    state = open_state(state_url(layout, settings))
    spool = layout.received if shared else layout.spool
    spool.mkdir(mode=0o700, exist_ok=True)
    link = StateLink(state, spool, clock=now, shared=shared)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    links = Links(
        tenants=link.tenants,
        insert=StoreLink(StoreAddress(layout, settings.store_url)).insert,
        settle=link.settle,
        update_tasks=link.update_tasks,
        claim=link.claim if shared else None,
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
