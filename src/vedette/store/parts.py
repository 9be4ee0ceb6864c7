"""What the event table is made of on the disk: one partition for each day of a tenant."""

import msgspec


class Parts(msgspec.Struct, frozen=True):
    """What is on the disk of one day of a tenant."""

    tenant: str
    day: str
    rows: int
    size: int
    """Bytes, with indexes."""
    parts: int
