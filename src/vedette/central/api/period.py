"""The time of a search: given as moments or spans, by default the last day."""

from vedette.central.api.problems import ProblemError
from vedette.query.moments import moment, span
from vedette.query.statement import Window
from vedette.runtime.clock import DAY, MINUTE

AHEAD = 6 * MINUTE
"""Clocks of hosts may be ahead; up to 5 minutes their times are believed."""

When = int | str | None
"""Microseconds UTC; or text: `2026-11-24T10:00:00Z`, `today`, `now-2h`, or a span back from now, `24h`."""


def window(since: When, until: When, *, now: int) -> Window:
    """Give the window [since, until). Raises ProblemError 422 when it cannot be read or is empty."""
    end = _moment("until", until, now, end=True) if until not in (None, "") else now + AHEAD
    start = _moment("since", since, now, end=False) if since not in (None, "") else min(end, now) - DAY
    if start >= end:
        raise ProblemError("invalid", 422, "since must be before until")
    return Window(start, end)


def _moment(name: str, value: When, now: int, *, end: bool) -> int:
    if isinstance(value, int):
        return value
    text = (value or "").strip()
    back = span(text)
    if back is not None:
        return now - back
    found = moment(text, now)
    if found is None:
        raise ProblemError("invalid", 422, f"{name}: {text!r} is no time; write 24h, now-2h, or 2026-11-24T10:00:00Z")
    return found.last + 1 if end and found.whole_day else found.start
