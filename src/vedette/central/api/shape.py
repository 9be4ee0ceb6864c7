"""Events as the API shows them: one flat object, canonical names as they are for the event's type.

Times are integer microseconds UTC. What is unknown is absent. `winlog.data.*` and `event.extra.*` are members
of their own; `process.env` is an object.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vedette.central.api.problems import ProblemError
from vedette.query.position import error_at
from vedette.query.sql import ENVIRONMENT
from vedette.schema.access import Right, Scope
from vedette.schema.dictionary import EVENT_ID, FIELDS, Kind, UnknownFieldError, resolve, shown
from vedette.schema.identity import event_id

Event = dict[str, Any]

ALWAYS = ("event.id", "event.time", "event.type")
"""Members of every event, whatever columns were asked for."""
_NEEDED = ("event.type", "event.time", "host.id", "event.epoch", "event.sequence")
_KEYED = tuple(name for name, field in FIELDS.items() if field.kind is Kind.MAP and name != ENVIRONMENT)
_BOOLEANS = frozenset(name for name, field in FIELDS.items() if field.kind is Kind.BOOLEAN)
_MOST_COLUMNS = 100


class Wanted:
    """The members that a caller asked for by any of their names; none = every one that it may see."""

    def __init__(self, names: Sequence[str], scope: Scope) -> None:
        if len(names) > _MOST_COLUMNS:
            raise ProblemError("invalid", 422, f"at most {_MOST_COLUMNS} columns")
        self._members: set[tuple[str, str]] = set()
        self.asked = tuple(names)
        """The names as they were given."""
        for name in names:
            self._add(name, scope)

    def _add(self, name: str, scope: Scope) -> None:
        try:
            meanings = resolve(name)
        except UnknownFieldError as error:
            raise error_at(name, 0, f"there is no field “{name}”", error.suggestions) from error
        for meaning in meanings:
            field = meaning.field
            if field.column == ENVIRONMENT and not scope.allows(Right.ENVIRONMENT_READ):
                raise ProblemError("denied", 403, "you have no right to see environment variables")
            self._members.add((field.column or field.name, field.key))

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns to read; empty = all."""
        if not self._members:
            return ()
        found = {column for column, _key in self._members if column != EVENT_ID.name}
        return tuple(sorted(found | set(_NEEDED)))

    def has(self, column: str, key: str = "") -> bool:
        """Whether a member is wanted."""
        if not self._members or column in ALWAYS:
            return True
        return (column, "") in self._members or (column, key) in self._members

    def has_part(self, column: str) -> bool:
        """Whether a column is wanted, or a key in it."""
        return self.has(column) or any(name == column for name, _key in self._members)


def event_of(columns: Sequence[str], row: Sequence[Any], wanted: Wanted) -> Event:
    """Give one row as an event."""
    values = dict(zip(columns, row, strict=True))
    kind = values["event.type"]
    event = {"event.id": event_id(values["host.id"], values["event.epoch"], values["event.sequence"])}
    for name, value in _members(values, wanted):
        event[shown(kind, name)] = value
    return event


def _members(values: Mapping[str, Any], wanted: Wanted) -> Iterator[tuple[str, Any]]:
    for name, value in values.items():
        if value is None or value in ([], {}, ()):
            continue
        if name in _KEYED:
            for key, entry in value.items():
                if wanted.has(name, key):
                    yield f"{name}.{key}", entry
        elif not wanted.has(name):
            if isinstance(value, dict) and (part := {k: v for k, v in value.items() if wanted.has(name, k)}):
                yield name, part
        else:
            yield name, bool(value) if name in _BOOLEANS else value
