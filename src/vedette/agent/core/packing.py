"""Events -> the payloads of one or more batches, none of them too large for the wire."""

import logging
from typing import NamedTuple

from vedette.agent.core.losses import Losses
from vedette.runtime.errors import WireError
from vedette.schema.events.base import Event
from vedette.wire.batch import Builder
from vedette.wire.layout import tag_of

log = logging.getLogger(__name__)


class Packed(NamedTuple):
    """One batch that has its sequence numbers."""

    first: int
    events: int
    oldest: int
    """Time of its oldest event."""
    payload: bytes


def pack(events: list[Event], first: int, losses: Losses) -> list[Packed]:
    """Give `events` their numbers from `first` on; a batch beyond the wire's limits becomes two.

    An event that alone is beyond the limits is left out and counted.
    """
    try:
        payload = Builder(events).encode(first)
    except WireError as error:
        if len(events) == 1:
            log.warning("event left out type=%s problem=%s", tag_of(type(events[0])), error)
            losses.add(tag_of(type(events[0])))
            return []
        half = len(events) // 2
        packed = pack(events[:half], first, losses)
        kept = sum(part.events for part in packed)
        return packed + pack(events[half:], first + kept, losses)
    return [Packed(first, len(events), min(event.time for event in events), payload)]
