"""Alerts: what somebody should look at, why, and what was done about it."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from vedette.schema.fields import Micros

Reason = Annotated[dict[str, str], Meta(max_length=100, description="Each matched field or fact -> its value")]


class Technology(StrEnum):
    """What found it."""

    AM = "am"
    SB = "sb"
    YARA = "yara"
    URL_REPUTATION = "url_reputation"
    IDS = "ids"
    TAA = "taa"
    IOC = "ioc"
    HEALTH = "health"
    """The deployment itself: a host fell silent, and the like."""


class Severity(StrEnum):
    """How urgent it is."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class AlertStatus(StrEnum):
    """Where people are with it; an alert that is not closed is open."""

    NEW = "new"
    IN_PROGRESS = "in_progress"
    CLOSED = "closed"


class Resolution(StrEnum):
    """Why an alert was closed."""

    RESOLVED = "resolved"
    """It was true, and is dealt with."""
    FALSE_POSITIVE = "false_positive"
    EXPECTED = "expected"
    """It was true and allowed: a test, an administrator at work."""
    DUPLICATE = "duplicate"
    OVER = "over"
    """Its reason is gone: Vedette closed it by itself."""


class NewAlert(Struct, frozen=True, kw_only=True):
    """What a finder has to say; it joins the open alert of the same tenant, technology, rule, host and chain."""

    tenant: str
    technology: Technology
    rule: str
    title: str
    """One sentence for people."""
    severity: Severity
    host: str = ""
    """Agent id; empty = not about one host."""
    chain: str = ""
    """Entity id of the root process of the chain; empty = not about a process."""
    why: Reason = {}
    first: Micros
    last: Micros
    count: int = 1


class NewFinding(Struct, frozen=True, kw_only=True):
    """What was found in one event; findings of the same rule, host and chain become one alert.

    The same rule (of one technology) finds something in one event once, however often it is told.
    """

    tenant: str
    technology: Technology
    rule: str
    title: str
    severity: Severity
    host: str
    chain: str = ""
    event: str
    """Id of the event."""
    time: Micros
    because: Reason = {}
    users: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    """Ids of MITRE ATT&CK: T1059.004."""
    advice: str = ""


class Finding(Struct, frozen=True, kw_only=True):
    """A finding as it is kept with its alert."""

    event: str
    host: str
    time: Micros
    because: Reason


class Alert(Struct, frozen=True, kw_only=True):
    """An alert as it stands. `first`, `last`: when it happened; `raised`, `changed`: when it was told here."""

    id: str
    tenant: str
    technology: Technology
    rule: str
    title: str
    severity: Severity
    status: AlertStatus
    host: str
    hostname: str
    chain: str
    why: Reason
    first: Micros
    last: Micros
    count: int
    raised: Micros
    changed: Micros
    assignee: str = ""
    """Name of the account that looks at it."""
    resolution: str = ""
    """Why it was closed: a word of `Resolution`; empty while it is open."""
    vip: bool = False
    """Only for those with the right `alerts.vip.read`."""
    tactics: list[str] = []
    techniques: list[str] = []
    users: list[str] = []
    """Accounts of the events, the first few."""
    advice: str = ""
    """What to do about it."""


class AlertStep(Struct, frozen=True, kw_only=True):
    """One thing that was done about an alert; `actor` is empty when Vedette did it by itself."""

    number: int
    time: Micros
    actor: str
    status: AlertStatus
    note: str
