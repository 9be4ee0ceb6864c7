"""What an engine that looks at events takes and gives: a batch of columns in, findings out."""

from collections.abc import Iterator
from typing import Protocol

from msgspec import Struct

from vedette.schema.alerts import Technology
from vedette.schema.fields import Micros
from vedette.schema.rule_facts import RuleFacts
from vedette.wire.merge import Batch

__all__ = ["EventEngine", "Finding", "RuleFacts", "StatefulEngine"]


class Finding(Struct, frozen=True, kw_only=True):
    """A rule matches the event in `row` of the batch. Its identity is (rule, event): the same again is no news."""

    rule: str
    row: int
    because: dict[str, str] = {}
    """Each field that the rule asked for and found -> its value, shortened to 1,024 characters."""
    events: tuple[str, ...] = ()
    """Ids of the events of a correlation, oldest first; empty when the event in `row` alone matches."""


class EventEngine(Protocol):
    """Looks at events. No clock, no disk, no network; used by one thread."""

    @property
    def technology(self) -> Technology:
        """Whose findings these are."""
        ...

    def inspect(self, batch: Batch) -> Iterator[Finding]:
        """Give the findings in a batch; never raises for what is in it."""
        ...

    def facts(self, rule: str) -> RuleFacts:
        """Say what a rule is about. Raises KeyError for an id that no finding had."""
        ...


class StatefulEngine(EventEngine, Protocol):
    """An engine that remembers earlier batches: correlations over time, by event time."""

    def state(self, since: Micros) -> bytes:
        """Give what it remembers of events from `since` on, bounded, to be kept with the batch's number."""
        ...

    def restore(self, state: bytes) -> None:
        """Go on from what `state` gave. Raises WireError for bytes that it did not give."""
        ...
