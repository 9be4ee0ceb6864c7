"""Exclusions: findings that nobody wants to hear of."""

from msgspec import Struct

from vedette.schema.fields import Micros


class Wanted(Struct, frozen=True, kw_only=True):
    """What an exclusion covers: everything that is named must fit; at least one is named."""

    rule: str = ""
    """Id of a rule."""
    host: str = ""
    """Agent id."""
    user: str = ""
    """Account name."""
    sha256: str = ""
    """Of the event's file, or of its process's."""
    path: str = ""
    """Mask with * and ?, whatever the case, of the same."""
    note: str = ""
    expires: Micros | None = None


class Exclusion(Wanted, frozen=True, kw_only=True):
    """An exclusion and what it has kept from people."""

    id: str
    tenant: str
    created: Micros
    created_by: str
    hits: int
    last_hit: Micros | None
