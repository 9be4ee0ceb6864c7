"""Synthetic agents that send numbered events to a deployment, and what its store has of them."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import NamedTuple

from tests.conftest import Deployment

from vedette.central.layout import Layout
from vedette.central.store_link import StoreAddress, StoreLink
from vedette.fleet.joining import Place
from vedette.fleet.run import Fleet, Load
from vedette.runtime.clock import now

STREAM = """
SELECT count(), uniqExact(`event.sequence`), uniqExactIf(`event.sequence`, `event.sequence` <= {last:Int64}) FROM event
WHERE `host.id` = {host:String} AND `event.epoch` = {epoch:String}
"""


class Stored(NamedTuple):
    """What the store has of one stream."""

    rows: int
    numbers: int
    """Different sequence numbers."""
    up_to: int
    """Those of them up to a number that was asked for."""


def join(deployment: Deployment, agents: int, *, rate: float, batch: int) -> Fleet:
    """Enrol some agents, each of which sends `rate` events a second once the fleet is started."""
    made = deployment.json_lines("tokens", "create", "--uses", str(agents))[0]
    place = Place(deployment.root / "fleet", f"https://127.0.0.1:{made['port']}")
    identities = place.join(agents, made["token"], stop=threading.Event(), progress=lambda _: None)
    return Fleet(identities, Load(rate=rate, seconds=86_400, batch=batch, threads=2), clock=now)


def stored(data: Path, host: str, epoch: str, last: int) -> Stored:
    """Ask the store of the Central Node in `data` what it has of a stream. Raises StoreError."""
    bound = {"host": host, "epoch": epoch, "last": last}
    return Stored(*StoreLink(StoreAddress(Layout(data))).do(lambda store: store.query(STREAM, bound))[0])
