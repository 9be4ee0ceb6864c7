"""What the buffer gives out: a batch, the host's facts at its time, and numbers for people."""

import msgspec

from vedette.schema.entities import Host, Os


class Facts(msgspec.Struct, frozen=True):
    """The host as it was when a batch was made."""

    host: Host = Host()
    os: Os = Os()


class Batch(msgspec.Struct, frozen=True):
    """One batch in the buffer."""

    first: int
    last: int
    kept: int
    """When it was put into the buffer; buffer time."""
    fresh: bool
    """It was certainly never sent before."""
    facts: Facts
    payload: bytes

    @property
    def count(self) -> int:
        """Events in it."""
        return self.last - self.first + 1


class BufferStats(msgspec.Struct, frozen=True):
    """What is in the buffer now, and what it has seen since its epoch began."""

    batches: int
    events: int
    bytes: int
    oldest: int | None
    """Time of the oldest event."""
    next: int
    """Sequence number of the next event."""
    expired: int
    """Left unsent, for age or size; by type in the two below."""
    aged: dict[str, int] = {}
    overflowed: dict[str, int] = {}
