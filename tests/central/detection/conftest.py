"""Batches as the pipeline merges them, from events."""

from collections.abc import Callable, Sequence

import pytest

from vedette.schema.entities import Host, Os
from vedette.schema.events.base import Event
from vedette.wire.batch import BatchHeader, Builder, decode, frame
from vedette.wire.merge import Arrival, Batch, merge

AGENT, EPOCH, TIME = "a" * 32, "e" * 16, 1_790_000_000_000_000
MakeBatch = Callable[..., Batch]


def batch_of(
    events: Sequence[Event], *, agent: str = AGENT, tenant: str = "default", first: int = 1, os: Os | None = None
) -> Batch:
    """Give events of one agent as the pipeline sees them."""
    last = first + len(events) - 1
    header = BatchHeader(
        agent=agent,
        epoch=EPOCH,
        first=first,
        last=last,
        count=len(events),
        sent=TIME,
        host=Host(name="web"),
        os=os or Os(),
    )
    raw = decode(frame(header, Builder(list(events)).encode(first)))
    return merge([Arrival(batch=raw, host=agent, tenant=tenant, epoch=EPOCH, received=TIME)])


@pytest.fixture
def make_batch() -> MakeBatch:
    return batch_of
