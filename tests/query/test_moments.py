"""Moments and spans as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.query.moments import DAY, SECOND, moment, span, written

NOW = 1_795_000_000_000_000
"""2026-11-18T11:06:40Z."""
MIDNIGHT = 1_794_960_000_000_000


@pytest.mark.parametrize(
    ("text", "start", "length"),
    [
        ("2026-11-18", MIDNIGHT, DAY),
        ("2026-11-18T11:06", NOW - 40 * SECOND, 60 * SECOND),
        ("2026-11-18 11:06", NOW - 40 * SECOND, 60 * SECOND),
        ("2026-11-18T11:06:40", NOW, SECOND),
        ("2026-11-18t11:06:40z", NOW, SECOND),
        ("2026-11-18T11:06:40.5Z", NOW + 500_000, 100_000),
        ("2026-11-18T11:06:40.123456789Z", NOW + 123_456, 1),
        ("2026-11-18T14:06:40+03:00", NOW, SECOND),
        ("2026-11-18T06:06:40-0500", NOW, SECOND),
        ("1795000000", NOW, SECOND),
        ("1795000000000", NOW, 1_000),
        ("1795000000000000", NOW, 1),
        ("now", NOW, 1),
        ("now-24h", NOW - DAY, 1),
        ("now + 2 days", NOW + 2 * DAY, 1),
        ("today", MIDNIGHT, DAY),
        ("Yesterday", MIDNIGHT - DAY, DAY),
        ("1969-12-31", -DAY, DAY),
    ],
)
def test_a_moment_covers_what_was_written(text: str, start: int, length: int) -> None:
    found = moment(text, NOW)
    assert found
    assert (found.start, found.end - found.start) == (start, length)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "2026-13-01",
        "2026-02-30",
        "2026-11-18T25:00",
        "24h",
        "now-",
        "now-5x",
        "12345",
        "20261118",
        "\u0662\u0660\u0662\u0666-\u0661\u0661-\u0661\u0668",
    ],
)
def test_other_text_is_no_moment(text: str) -> None:
    assert moment(text, NOW) is None


@pytest.mark.parametrize(
    ("text", "length"),
    [("30s", 30), ("15m", 900), ("24 h", 86_400), ("7d", 604_800), ("2W", 1_209_600), ("5 minutes", 300)],
)
def test_spans(text: str, length: int) -> None:
    assert span(text) == length * SECOND


@pytest.mark.parametrize("text", ["", "5", "h", "-5h", "5 parsecs", "99999999999h", "1.5h"])
def test_other_text_is_no_span(text: str) -> None:
    assert span(text) is None


@given(st.integers(-(2**55), 2**55))
def test_a_written_moment_is_read_back(at: int) -> None:
    found = moment(written(at), NOW)
    assert found is None or found.start == at


@given(st.text(max_size=30))
def test_no_text_breaks_it(text: str) -> None:
    moment(text, NOW)
    span(text)


def test_what_no_calendar_holds_is_still_written() -> None:
    assert written(2**62) == f"{2**62} µs"
