"""What is known of one row of a batch, read only for the few rows in which something was found."""

from vedette.schema.identity import event_id
from vedette.wire.merge import UNKNOWN, Batch


class Row:
    """One event of a batch."""

    def __init__(self, batch: Batch, number: int) -> None:
        self._batch, self.number = batch, number

    def text(self, column: str) -> str:
        """Give a text; "" where it is not known."""
        dictionary = self._batch.dictionaries.get(column)
        value = None if dictionary is None else dictionary.values[int(dictionary.indices[self.number])]
        return "" if value is None else str(value)

    def integer(self, column: str) -> int | None:
        """Give an integer or a time; None where it is not known."""
        numbers = self._batch.numbers.get(column)
        value = UNKNOWN if numbers is None else int(numbers[self.number])
        return None if value == UNKNOWN else value

    @property
    def event(self) -> str:
        """The event's id."""
        return event_id(self.text("host.id"), self.text("event.epoch"), self.integer("event.sequence") or 0)

    @property
    def time(self) -> int:
        """When it happened."""
        return self.integer("event.time") or 0

    @property
    def users(self) -> tuple[str, ...]:
        """The accounts that the event names."""
        names = (self.text(column) for column in ("user.name", "session.user"))
        return tuple(dict.fromkeys(name for name in names if name))
