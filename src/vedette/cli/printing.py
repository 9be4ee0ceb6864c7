"""Tables for people, JSON lines for programs. Text from hosts is shown with control characters escaped."""

import datetime as dt
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import msgspec

_WIDE = 200
"""Columns of text when the output is no terminal: nothing is cut then."""


def json_line(value: object) -> None:
    """Print one JSON line."""
    click.echo(msgspec.json.encode(value).decode())


def json_lines(values: Iterable[object]) -> None:
    """Print each value as a JSON line."""
    for value in values:
        json_line(value)


def when(micros: int | None, *, now: int | None = None) -> str:
    """Show microseconds UTC; with `now` how long ago it was."""
    if micros is None:
        return "never"
    if now is not None:
        return f"{span(max(0, now - micros))} ago"
    moment = dt.datetime.fromtimestamp(micros // 1_000_000, dt.UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{micros // 1000 % 1000:03d}Z"


def span(micros: int) -> str:
    """Show a length of time in its two largest units."""
    seconds = micros // 1_000_000
    for unit, size, smaller, part in (("d", 86_400, "h", 3600), ("h", 3600, "m", 60), ("m", 60, "s", 1)):
        if seconds >= size:
            return f"{seconds // size}{unit} {seconds % size // part}{smaller}"
    return f"{seconds}s"


def visible(text: str) -> str:
    """Escape what would move the cursor or turn the text around (control and bidirectional characters)."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]], *, last: str = "") -> None:
    """Print rows as a table; `columns` is key -> heading. Only the column `last` may wrap."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    width = None if sys.stdout.isatty() else _width(columns, rows)
    console = Console(width=width, highlight=False, soft_wrap=False, emoji=False, markup=False)
    grid = Table(box=None, pad_edge=False, header_style="bold", show_edge=False)
    for key, heading in columns.items():
        wraps = key == last
        number = bool(rows) and all(isinstance(row.get(key), int) for row in rows)
        grid.add_column(
            heading,
            no_wrap=not wraps,
            overflow="fold",
            justify="right" if number else "left",
            ratio=1 if wraps else None,
        )
    for row in rows:
        grid.add_row(*(Text(visible(cell(row.get(key)))) for key in columns))
    console.print(grid)


def cell(value: Any) -> str:
    """Show one value; unknown is a dash, so that it differs from an empty text."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(cell(one) for one in value)
    if isinstance(value, dict):
        return ", ".join(f"{key}={cell(one)}" for key, one in value.items())
    return str(value)


def _width(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> int:
    """Give a width in which nothing wraps, for pipes and files."""
    widest = [
        max([len(heading), *(len(visible(cell(row.get(key)))) for row in rows)]) for key, heading in columns.items()
    ]
    return max(_WIDE, sum(widest) + 3 * len(widest))
