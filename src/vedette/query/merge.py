"""How the rows that several shards of the event store give become the rows of one answer. Pure.

A statement that runs on every shard says with its `Merge` what to do with their rows; the event store of one node has
no use for it. A host's events are on one shard, so that counts of hosts add up.
"""

from collections.abc import Callable, Mapping, Sequence
from operator import add, itemgetter
from typing import Any, Literal

from msgspec import Struct

Row = tuple[Any, ...]
Fold = Literal["key", "sum", "min", "max", "union", "first"]


class Merge(Struct, frozen=True, kw_only=True):
    """Rows are put together in the order of the shards, folded, ordered and cut."""

    fold: tuple[Fold, ...] = ()
    """For each column; rows whose `key` columns are equal become one. Empty: all rows stay."""
    prefer: tuple[int, str] | None = None
    """Rows with this value in this column come first, before `order`."""
    order: tuple[tuple[int, bool], ...] = ()
    """Columns to order by, and whether descending."""
    limit: int = 0
    """Rows that stay; 0 = all."""
    widened: tuple[str, int] | None = None
    """Parameter that cuts the rows of a shard, and what to set it to, since its first rows alone would not do."""


class Rows(list[Row]):
    """Rows of an answer that may lack something."""

    def __init__(self, rows: Sequence[Row] = (), *, missing: tuple[str, ...] = (), cut: bool = False) -> None:
        super().__init__(rows)
        self.missing = missing
        """Shards that did not answer."""
        self.cut = cut
        """A shard had more rows than it gave, so what was added up may lack some."""


class Noting:
    """Asks the event store, and notes which shards did not answer."""

    def __init__(self, ask: Callable[[Any], list[Row]]) -> None:
        self._ask = ask
        self._missing: set[str] = set()
        self.cut = False
        """An answer may lack something of what was added up."""

    def __call__(self, statement: Any) -> list[Row]:
        """Run a statement."""
        rows = self._ask(statement)
        if isinstance(rows, Rows):
            self._missing.update(rows.missing)
            self.cut = self.cut or rows.cut
        return rows

    @property
    def missing(self) -> tuple[str, ...]:
        """Shards that did not answer, by name."""
        return tuple(sorted(self._missing))


def merged(found: Sequence[Sequence[Row]], merge: Merge) -> list[Row]:
    """Give the rows of one answer."""
    rows = [row for shard in found for row in shard]
    if merge.fold:
        rows = _folded(rows, merge.fold)
    for place, descending in reversed(merge.order):  # sorting keeps what was sorted before
        rows.sort(key=itemgetter(place), reverse=descending)
    if merge.prefer:
        place, value = merge.prefer
        rows.sort(key=lambda row: bool(row[place] != value))
    return rows[: merge.limit] if merge.limit else rows


def _folded(rows: list[Row], fold: tuple[Fold, ...]) -> list[Row]:
    keys = [place for place, how in enumerate(fold) if how == "key"]
    folds = [_FOLDS[how] for how in fold]
    groups: dict[Row, Row] = {}
    for row in rows:
        key = tuple(row[place] for place in keys)
        held = groups.get(key)
        groups[key] = row if held is None else tuple(join(*pair) for join, *pair in zip(folds, held, row, strict=True))
    return list(groups.values())


def _first(held: Any, _more: Any) -> Any:
    return held


_FOLDS: Mapping[Fold, Callable[[Any, Any], Any]] = {
    "key": _first,
    "first": _first,
    "sum": add,
    "min": min,
    "max": max,
    "union": lambda held, more: list(dict.fromkeys((*held, *more))),
}
