"""Lines of a syslog file."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from vedette.normalise.syslog import parse

NOW = int(datetime(2026, 1, 2, tzinfo=UTC).timestamp()) * 1_000_000


def micros(*moment: int) -> int:
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


def test_an_old_line_has_the_year_that_fits() -> None:
    said = parse("Jan  1 23:59:58 web sshd[77]: Failed password for root from 10.0.0.9 port 4 ssh2\n", NOW, UTC)
    assert said is not None
    assert said.time == micros(2026, 1, 1, 23, 59, 58)
    assert (said.pid, said.oslog.type, said.oslog.result, said.oslog.source) == (77, "sshd", "failure", "syslog")
    assert said.remote == "10.0.0.9"
    before = parse("Dec 31 23:59:58 web su: (to root) joe on pts/0", NOW, UTC)
    assert before is not None
    assert before.time == micros(2025, 12, 31, 23, 59, 58)


def test_a_line_with_a_whole_time_is_exact() -> None:
    said = parse("2026-01-01T12:00:00.250000+02:00 web sudo[9]: joe : TTY=pts/0 ; COMMAND=/bin/ls", NOW)
    assert said is not None
    assert said.time == micros(2026, 1, 1, 10) + 250_000
    assert (said.account, said.oslog.result) == ("joe", "success")


def test_a_line_without_head_or_with_an_impossible_time_is_none() -> None:
    for line in ("", "x", "Jan 41 23:59:58 web sshd: x", "2026-99-01T12:00:00Z web sshd: x", "--- web sshd: x"):
        assert parse(line, NOW, UTC) is None


@given(st.text(max_size=120))
def test_any_line_is_read_without_error(line: str) -> None:
    parse(line, NOW, UTC)
    parse(f"Jan  1 23:59:58 web {line}", NOW, UTC)
    parse(f"2026-01-01T{line} web x: y", NOW)
