"""Exports: all matching events as a stream, page by page, in JSON lines or CSV."""

import csv
import io
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from vedette.central.api.hunting import events_of, searching
from vedette.central.api.shape import ALWAYS, Event, Wanted
from vedette.central.api.work import Work
from vedette.query.search import Question
from vedette.runtime.errors import StoreError
from vedette.schema.dictionary import resolve, shown

PAGE = 2_000
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def pages(work: Work, question: Question, wanted: Wanted) -> Iterator[list[Event]]:
    """Give all events, a page at a time; each page may take as long as one search.

    Raises StoreError when a limit ends it early: the receiver sees a stream that was cut.
    """
    cursor, rows = None, 0
    while True:
        with searching(work) as search:
            answer = search.events(question, limit=PAGE, cursor=cursor, columns=wanted.columns)
            if answer.missing:
                raise StoreError(f"the export lacks the events of {', '.join(answer.missing)}, which did not answer")
            events = events_of(work, answer, wanted)
        yield events  # a slow reader keeps no place from other searches
        rows += len(answer.rows)
        if answer.reason and not answer.rows:
            raise StoreError(f"the export met the limit of {answer.reason} after {rows} events")
        if answer.cursor is None:
            return
        if rows >= work.parts.limits.export_rows:
            raise StoreError(f"the export has more than {work.parts.limits.export_rows} events")
        cursor = answer.cursor


def as_json_lines(found: Iterator[list[Event]]) -> Iterator[bytes]:
    """Write one event a line."""
    encode = msgspec.json.Encoder().encode_lines
    for page in found:
        yield encode(page)


def as_csv(found: Iterator[list[Event]], columns: Sequence[str]) -> Iterator[bytes]:
    """Write a heading and one event a line; cells that a spreadsheet would run as a formula are quoted."""
    names = list(dict.fromkeys((*ALWAYS, *columns)))
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(names)
    for page in found:
        for event in page:
            writer.writerow([safe(_value(event, name)) for name in names])
        yield buffer.getvalue().encode()
        buffer.seek(0)
        buffer.truncate()


def safe(value: Any) -> str:
    """Write a cell so that no spreadsheet takes it for a formula (ASVS 1.2.10)."""
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


def _value(event: Event, name: str) -> Any:
    if name in event:
        return event[name]
    for meaning in resolve(name):
        value = event.get(shown(event["event.type"], meaning.field.name))
        if value is not None:
            return value
    return None
