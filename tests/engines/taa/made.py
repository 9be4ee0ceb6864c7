"""Events as detection sees them."""

from typing import Any

from vedette.schema.entities import Os
from vedette.wire.batch import BatchHeader, Builder, decode, frame
from vedette.wire.merge import Arrival, Batch, merge

AGENT, EPOCH = "a" * 32, "e" * 16


def batch_of(events: list[Any], family: str = "windows", tenant: str = "default", first: int = 1) -> Batch:
    """Events over the wire and joined."""
    count = len(events)
    header = BatchHeader(
        agent=AGENT, epoch=EPOCH, first=first, last=first + count - 1, count=count, sent=0, os=Os(family=family)
    )
    raw = decode(frame(header, Builder(events).encode(first)))
    return merge([Arrival(raw, host=AGENT, tenant=tenant, epoch=EPOCH, received=1)])
