"""What an engine that looks at objects (files, bytes) takes and gives.

What was not looked at is never clean: it is `not_scanned`, with a reason.
"""

from enum import StrEnum
from typing import Protocol

from msgspec import Struct

from vedette.schema.fields import Micros


class Status(StrEnum):
    """What an engine says of an object."""

    DETECTED = "detected"
    CLEAN = "clean"
    NOT_SCANNED = "not_scanned"


class Reason(StrEnum):
    """Why an object was not scanned."""

    TOO_LARGE = "too_large"
    TRUNCATED = "truncated"
    """Less of it is there than it should have: it shrank while it was read, or never arrived whole."""
    TIMED_OUT = "timed_out"
    ENCRYPTED = "encrypted"
    UNREADABLE = "unreadable"
    VANISHED = "vanished"
    CHANGED = "changed"
    """It is not what the event spoke of any more; a newer event speaks of what it is now."""
    BUSY = "busy"
    """Too much waited, or the budget was spent."""
    ENGINE_FAILED = "engine_failed"


class About(Struct, frozen=True, kw_only=True):
    """What is known of an object beside its bytes; rules may ask for it."""

    path: str = ""
    name: str = ""
    extension: str = ""
    """With its dot, as rules write it."""
    filetype: str = ""
    owner: str = ""


class Finding(Struct, frozen=True, kw_only=True):
    """A record of an engine's databases that an object matches; `because`: what matched -> where and what."""

    record_id: str
    category: str
    because: dict[str, str] = {}


class Verdict(Struct, frozen=True, kw_only=True):
    """What one engine says of one object. `db_time`: release time of the databases it used."""

    engine: str
    status: Status
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    """For `not_scanned`: a word of `Reason`, then perhaps a colon and details."""
    db_time: Micros | None = None


class ObjectEngine(Protocol):
    """Looks at the bytes of one object. Used by one thread."""

    @property
    def name(self) -> str:
        """Stable name, as in `detect.engine`."""
        ...

    def scan(self, data: bytes, about: About) -> Verdict:
        """Look at a whole object; never raises for what is in it."""
        ...


def not_scanned(engine: str, reason: Reason, detail: str = "", *, db_time: Micros | None = None) -> Verdict:
    """Give the verdict on an object that an engine did not look at."""
    text = f"{reason}: {detail}" if detail else str(reason)
    return Verdict(engine=engine, status=Status.NOT_SCANNED, reason=text, db_time=db_time)
