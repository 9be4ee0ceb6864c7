"""The part of an event that keeps the record itself."""

from vedette.normalise.windows.record import Record
from vedette.schema.entities import Winlog


def whole(record: Record) -> Winlog:
    """Header and every item."""
    return Winlog(system=record.system, data=record.data or None)


def rest(record: Record, moved: frozenset[str]) -> Winlog:
    """Header, and the items that have not become fields which answer to the same name."""
    data = {name: value for name, value in record.data.items() if name not in moved}
    return Winlog(system=record.system, data=data or None)
