"""Pages of events as JSON lines, CSV or Parquet: bytes, with how many rows each piece brings."""

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from vedette.central.api.shape import ALWAYS, Wanted, event_of
from vedette.query.search import Answer
from vedette.schema.dictionary import EVENT_ID, FIELDS, Kind, resolve
from vedette.schema.identity import event_id
from vedette.store.parquet import ParquetRows

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - spreadsheets take them too
_IDENTITY = ("host.id", "event.epoch", "event.sequence")

Pieces = Iterator[tuple[bytes, int]]


class Format(NamedTuple):
    """A way to write an export."""

    media: str
    write: Callable[[Iterator[Answer], Wanted], Pieces]


def as_json_lines(pages: Iterator[Answer], wanted: Wanted) -> Pieces:
    """Write one event a line, as a search gives it."""
    encode = msgspec.json.Encoder().encode_lines
    for page in pages:
        yield encode([event_of(page.columns, row, wanted) for row in page.rows]), len(page.rows)


def as_csv(pages: Iterator[Answer], wanted: Wanted) -> Pieces:
    """Write a heading and one event a line; cells that a spreadsheet would run as a formula are quoted."""
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    cells: _Cells | None = None
    for page in pages:
        if cells is None:
            cells = _Cells(page.columns, wanted)
            writer.writerow(cells.names)
        writer.writerows(map(cells.of, page.rows))
        yield buffer.getvalue().encode(errors="backslashreplace"), len(page.rows)
        buffer.seek(0)
        buffer.truncate()


def as_parquet(pages: Iterator[Answer], wanted: Wanted) -> Pieces:
    """Write the columns of the event table, and the event's id; the footer comes last."""
    file: ParquetRows | None = None
    for page in pages:
        names = [name for name in page.columns if wanted.has_part(name)]
        if file is None:
            file = ParquetRows([EVENT_ID.name, *names])
        if page.rows:
            columns = dict(zip(page.columns, zip(*page.rows, strict=True), strict=True))
            ids = list(map(event_id, *(columns[name] for name in _IDENTITY)))
            file.add([ids, *(_part(name, columns[name], wanted) for name in names)])
        yield file.taken(), len(page.rows)
    if file is not None:
        file.finish()
        yield file.taken(), 0


FORMATS = {
    "jsonl": Format("application/x-ndjson", as_json_lines),
    "csv": Format("text/csv; charset=utf-8", as_csv),
    "parquet": Format("application/vnd.apache.parquet", as_parquet),
}


def safe(value: Any) -> str:
    """Write a cell so that no spreadsheet takes it for a formula (ASVS 1.2.10)."""
    if value is None or value in ([], {}, ()):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


class _Cells:
    """The cells of a row of CSV: for each name the values that it may mean, by type of event."""

    def __init__(self, columns: Sequence[str], wanted: Wanted) -> None:
        self._place = {name: position for position, name in enumerate(columns)}
        self._identity = [self._place[name] for name in _IDENTITY]
        self.names = list(dict.fromkeys((*ALWAYS, *(wanted.asked or columns))))
        self._known: dict[str, list[list[tuple[int, str]]]] = {}

    def of(self, row: Sequence[Any]) -> list[str]:
        """Give the texts of a row in the order of `names`; the first is the event's id."""
        kind = row[self._place["event.type"]]
        if kind not in self._known:
            self._known[kind] = [self._meanings(name, kind) for name in self.names[1:]]
        identity = event_id(*(row[position] for position in self._identity))
        return [identity, *(safe(_first(row, places)) for places in self._known[kind])]

    def _meanings(self, name: str, kind: str) -> list[tuple[int, str]]:
        """Give where the value may stand: position of the column, and key in a map."""
        return [
            (self._place[meaning.field.column or meaning.field.name], meaning.field.key)
            for meaning in resolve(name)
            if not meaning.types or kind in meaning.types
        ]


def _first(row: Sequence[Any], places: list[tuple[int, str]]) -> Any:
    for position, key in places:
        value = row[position]
        if key:
            value = value.get(key) if value else None
        if value is not None:
            return value
    return None


def _part(name: str, values: Sequence[Any], wanted: Wanted) -> Sequence[Any]:
    """Leave out the keys of a map that were not asked for."""
    if FIELDS[name].kind is not Kind.MAP or wanted.has(name):
        return values
    return [{key: entry for key, entry in value.items() if wanted.has(name, key)} for value in values]
