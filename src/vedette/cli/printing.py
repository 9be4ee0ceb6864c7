"""Tables for people, JSON lines for programs. Text from hosts is shown with control characters escaped."""

import datetime as dt
import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click
import msgspec

_WIDE = 1_000_000
"""Columns when the output is no terminal: nothing is folded then."""
_NARROWEST = 30


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


def size(count: int) -> str:
    """Show bytes in the unit that leaves up to four digits."""
    value, unit = float(count), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"


def visible(text: str) -> str:
    """Escape what would move the cursor or turn the text around (control and bidirectional characters)."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def table(columns: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> None:
    """Print rows as a table; `columns` is key -> heading. Nothing is cut: a digest must survive copying.

    On a terminal the last column folds at blanks to what room there is.
    """
    texts = [[visible(cell(row.get(key))) for key in columns] for row in rows]
    headings = list(columns.values())
    widths = [max(map(len, column)) for column in zip(headings, *texts, strict=True)]
    right = [bool(rows) and all(isinstance(row.get(key), int) for row in rows) for key in columns]
    room = max(_NARROWEST, terminal_width() - sum(widths[:-1]) - 2 * (len(widths) - 1))
    click.secho(_aligned(headings, widths, right), bold=True)
    for row in texts:
        first, *more = textwrap.wrap(row[-1], room, break_on_hyphens=False, break_long_words=False) or [""]
        click.echo(_aligned([*row[:-1], first], widths, right))
        for part in more:
            click.echo(" " * (sum(widths[:-1]) + 2 * (len(widths) - 1)) + part)


def _aligned(texts: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    cells = (
        text.rjust(width) if to_right else text.ljust(width)
        for text, width, to_right in zip(texts, widths, right, strict=True)
    )
    return "  ".join(cells).rstrip()


def terminal_width() -> int:
    """Give the terminal's width; a pipe or a file gets whole lines."""
    return shutil.get_terminal_size((120, 24)).columns if sys.stdout.isatty() else _WIDE


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
