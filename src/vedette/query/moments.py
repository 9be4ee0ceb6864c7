"""Moments and spans of time as people write them. Without a zone a time is UTC; nothing reads a clock."""

import re
from datetime import UTC, datetime, timedelta

from msgspec import Struct

SECOND = 1_000_000
"""Microseconds."""
DAY = 86_400 * SECOND
_UNITS = {"s": SECOND, "m": 60 * SECOND, "h": 3_600 * SECOND, "d": DAY, "w": 7 * DAY}
_UNIT_NAMES = {"sec": "s", "second": "s", "min": "m", "minute": "m", "hour": "h", "day": "d", "week": "w"}
_SPAN = re.compile(r"(\d{1,6})\s*([a-z]+)", re.ASCII)
_RELATIVE = re.compile(r"now(?:\s*([+-])\s*(.+))?", re.ASCII)
_ABSOLUTE = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d:?\d\d)?)?", re.ASCII
)
_COUNTED = {10: SECOND, 13: 1_000, 16: 1}
"""Digits of a count since 1970 -> microseconds of its unit."""
EXPECTED = "a time such as 2026-11-24, 2026-11-24T10:00, 2026-11-24T10:00:00Z, today or now-24h"


class Moment(Struct, frozen=True):
    """What a written time covers: microseconds UTC in [start, end); `whole_day` if only a date was given."""

    start: int
    end: int
    whole_day: bool = False

    @property
    def last(self) -> int:
        """The last microsecond that "until this moment" includes: a date's whole day, a time's first instant."""
        return self.end - 1 if self.whole_day else self.start


def span(text: str) -> int | None:
    """Microseconds of `24h`, `7d`, `15 minutes`; None if it is no span."""
    found = _SPAN.fullmatch(text.strip().lower())
    if not found:
        return None
    unit = found[2] if found[2] in _UNITS else _UNIT_NAMES.get(found[2].removesuffix("s"))
    return int(found[1]) * _UNITS[unit] if unit else None


def moment(text: str, now: int) -> Moment | None:
    """Moment that `text` writes; None if it is none."""
    text = text.strip()
    lower = text.lower()
    if lower in {"today", "yesterday"}:
        start = now - now % DAY - (DAY if lower == "yesterday" else 0)
        return Moment(start, start + DAY, whole_day=True)
    if found := _RELATIVE.fullmatch(lower):
        length = span(found[2]) if found[2] else 0
        if length is None:
            return None
        at = now - length if found[1] == "-" else now + length
        return Moment(at, at + 1)
    if text.isascii() and text.isdigit() and len(text) in _COUNTED:
        unit = _COUNTED[len(text)]
        return Moment(int(text) * unit, (int(text) + 1) * unit)
    found = _ABSOLUTE.fullmatch(text.upper())
    return _absolute(found) if found else None


def _absolute(found: re.Match[str]) -> Moment | None:
    day, clock, seconds, fraction, zone = found.groups()
    zone = "+00:00" if zone in {None, "Z"} else zone
    micros = (fraction or "").ljust(6, "0")[:6]
    try:
        at = datetime.fromisoformat(f"{day}T{clock or '00:00'}:{seconds or '00'}.{micros}{zone}")
    except ValueError:
        return None
    start = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    if not clock:
        return Moment(start, start + DAY, whole_day=True)
    if not seconds:
        return Moment(start, start + 60 * SECOND)
    return Moment(start, start + (10 ** (6 - min(len(fraction), 6)) if fraction else SECOND))


def written(at: int) -> str:
    """Moment in ISO 8601, for people."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    except OverflowError:
        return f"{at} µs"
    text = moment.isoformat(timespec="microseconds")
    return text.replace("+00:00", "Z").replace(".000000", "")
