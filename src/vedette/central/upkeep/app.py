"""Builds the upkeep process from its chores and runs it."""

import logging
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from vedette.central.backup.moment import clear
from vedette.central.exclusive import exclusively
from vedette.central.layout import Layout
from vedette.central.settings import load, retention_policy, state_url
from vedette.central.store_link import StoreAddress, StoreLink
from vedette.central.upkeep.ledger_check import LedgerCheck
from vedette.central.upkeep.reserve import Reserve
from vedette.central.upkeep.retention import Retention
from vedette.runtime.clock import now
from vedette.runtime.errors import VedetteError
from vedette.runtime.files import write_atomic
from vedette.store.state import State, open_state, rotation

PAUSE_SECONDS = 60.0
"""Between two rounds of chores."""

log = logging.getLogger(__name__)


def run(data: Path) -> None:
    """Do the chores, one after another, until SIGTERM. Raises ConfigError or StoreError when it cannot begin."""
    layout = Layout(data)
    chosen = load(layout)
    state = open_state(state_url(layout, chosen))
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    store = StoreLink(StoreAddress(layout, chosen.store_url))
    retention = Retention(
        store.do,
        state,
        Reserve(layout.reserve),
        audit_key=layout.audit_key.read_bytes(),
        policy=retention_policy(chosen),
        clock=now,
    )
    check = LedgerCheck(store.do, state, clock=now)
    chores: dict[str, Callable[[], None]] = {
        "what a backup left": lambda: _alone(layout.upkeep_lock, lambda: clear(layout)),
        "retention": lambda: _alone(layout.upkeep_lock, retention.run),
        "ledger check": check.run,
        "alerts": lambda: _rotate_alerts(state),
    }
    write_atomic(layout.ready("upkeep"), b"0\n")
    try:
        while True:
            _round(chores)
            if stop.wait(PAUSE_SECONDS):
                return
    finally:
        state.close()


def _round(chores: Mapping[str, Callable[[], None]]) -> None:
    for name, chore in chores.items():
        try:
            chore()
        except (VedetteError, OSError) as error:
            log.warning("%s: will try again in %.0f s: %s", name, PAUSE_SECONDS, error)


def _rotate_alerts(state: State) -> None:
    removed = 0
    while True:
        with state.write() as db:
            gone = rotation.rotate(db)
        if not gone:
            break
        removed += gone
    if removed:
        log.warning("removed the oldest alerts=%d: there is room for %d of a technology", removed, rotation.MOST)


def _alone(lock: Path, chore: Callable[[], None]) -> None:
    with exclusively(lock) as mine:
        if mine:
            chore()
        else:
            log.info("a backup is being made: nothing is removed")
