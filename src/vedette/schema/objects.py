"""Objects in Storage: files that were put there to be scanned, and results of tasks."""

from msgspec import Struct

from vedette.schema.fields import Micros


class ObjectFinding(Struct, frozen=True, kw_only=True):
    """A rule that an object matches."""

    rule: str
    category: str
    because: dict[str, str] = {}


class StoredObject(Struct, frozen=True, kw_only=True):
    """An object and what was said of it when it was scanned last.

    `status`: detected, clean, not_scanned (`reason` says why), or empty = not looked at yet.
    """

    tenant: str
    sha256: str
    md5: str
    name: str
    size: int
    source: str
    """upload, task, ..."""
    host: str
    added_by: str
    added: Micros
    status: str
    reason: str
    findings: list[ObjectFinding]
    rules: str
    """Version of the rule set it was scanned with."""
    scanned: Micros | None
