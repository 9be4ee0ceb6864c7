"""Which sources deliver: compares what a self-test did with what the running agent says it observed."""

from collections.abc import Sequence
from typing import Final

import msgspec

from vedette.agent.core.status import SourceReport, Status

YES, NO, UNTRIED, ABSENT = "yes", "no", "not tried", "not here"
UPLINK: Final = "uplink"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a self-test does, and the event that must come of it."""

    act: str
    event: str
    source: str
    """The source that gives it where everything works; another one may do it instead."""
    only: bool = False
    """No other source counts, and a host that has no such source is not at fault."""


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the table; `delivered` is yes, no, not tried or not here (the host has no such thing)."""

    act: str
    event: str
    source: str
    delivered: str
    reason: str


def missing(checks: Sequence[Check], status: Status, marker: str) -> list[Check]:
    """Give the checks whose event the agent has not seen yet, though a source runs that could give it."""
    reports = {report.loop.name: report for report in status.sources}
    return [
        check
        for check in checks
        if not _sources(check, status, marker) and not (check.only and _is_silent(reports.get(check.source)))
    ]


def results(checks: Sequence[Check], status: Status, marker: str) -> list[Result]:
    """Give a line for each check, for each source that was not tried, and for the uplink."""
    reports = {report.loop.name: report for report in status.sources}
    lines = [_checked(check, _sources(check, status, marker), reports.get(check.source)) for check in checks]
    tried = {line.source for line in lines}
    lines += [_untried(report) for name, report in reports.items() if name not in tried]
    online = status.link.state == "online"
    reason = "" if online else f"{status.link.state}: {status.link.last_problem or 'no contact yet'}"
    sent = Result(act="send to the server", event="", source=UPLINK, delivered=YES if online else NO, reason=reason)
    return [*lines, sent]


def passed(lines: Sequence[Result]) -> bool:
    """Say whether nothing is missing."""
    return all(line.delivered != NO for line in lines)


def _checked(check: Check, sources: list[str], report: SourceReport | None) -> Result:
    line = Result(act=check.act, event=check.event, source=", ".join(sources), delivered=YES, reason="")
    if sources:
        return line
    delivered = ABSENT if check.only and _is_absent(report) else NO
    return msgspec.structs.replace(line, source=check.source, delivered=delivered, reason=_why_not(report))


def _sources(check: Check, status: Status, marker: str) -> list[str]:
    """Give the sources that delivered the event of `check`."""
    return [
        one.source
        for one in status.activity.marked
        if (one.marker, one.type) == (marker, check.event) and (not check.only or one.source == check.source)
    ]


def _is_silent(report: SourceReport | None) -> bool:
    """Say whether a source itself says that nothing will come."""
    return _is_absent(report) or bool(report is not None and report.details.get("note"))


def _is_absent(report: SourceReport | None) -> bool:
    return report is None or report.loop.state == "not_supported"


def _why_not(report: SourceReport | None) -> str:
    if report is None:
        return "this agent has no such source"
    state, details = report.loop, report.details
    if state.state == "not_supported":
        return state.last_failure
    if state.state != "running":
        return f"{state.state}: {state.last_failure}" if state.last_failure else state.state
    refused = details.get("refused")
    parts = [str(details.get(name) or "") for name in ("note", "problem")]
    if isinstance(refused, dict):
        parts += [f"{name} refused: {why}" for name, why in refused.items()]
    return "; ".join(filter(None, parts)) or "the source runs, but no event came in time"


def _untried(report: SourceReport) -> Result:
    name = report.loop.name
    if report.loop.state == "running":
        reason = "runs; its events cannot be provoked without harm"
        return Result(act="", event="", source=name, delivered=UNTRIED, reason=reason)
    delivered = ABSENT if _is_absent(report) else NO
    return Result(act="", event="", source=name, delivered=delivered, reason=_why_not(report))
