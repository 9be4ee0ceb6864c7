"""Counts the rows of `rows.toml` whose test passed in this run, and prints the table at the end."""

from __future__ import annotations

import tomllib
from collections.abc import Generator
from pathlib import Path

import pytest

ROWS: dict[str, dict[str, str]] = tomllib.loads((Path(__file__).parent / "rows.toml").read_text(encoding="utf-8"))
KNOWN = {row for group in ROWS.values() for row in group}

_tested: set[str] = set()
_failed: set[str] = set()


def rows_of(item: pytest.Item) -> set[str]:
    """Give the rows that a test proves; a parametrized test names its row by its parameter `row`."""
    marker = item.get_closest_marker("acceptance")
    if marker is None:
        return set()
    named = set(marker.args)
    callspec = getattr(item, "callspec", None)
    if callspec is not None and "row" in callspec.params:
        named.add(callspec.params["row"])
    if unknown := named - KNOWN:
        raise pytest.UsageError(f"{item.nodeid}: no such acceptance row: {', '.join(sorted(unknown))}")
    return named


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    rows = rows_of(item)
    if report.when == "call":
        _tested.update(rows)
    if not report.passed:
        _failed.update(rows)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One line a group, the rows without a test, and last the sum."""
    proven = _tested - _failed
    write = terminalreporter.write_line
    write("")
    for group, rows in ROWS.items():
        write(f"{group} {len(proven & set(rows))}/{len(rows)}")
    if failed := sorted(_failed):
        write(f"failed: {' '.join(failed)}")
    write(f"rows without a test: {' '.join(row for row in sorted(KNOWN) if row not in _tested | _failed)}")
    write(f"proven {len(proven)}/{len(KNOWN)}")
