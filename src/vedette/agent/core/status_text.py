"""The agent's status for people: pairs of label and text."""

from datetime import UTC, datetime

from vedette.agent.core.budget import HIGHEST
from vedette.agent.core.governor import Gauge
from vedette.agent.core.source import SourceState
from vedette.agent.core.status import SourceReport, Status


def lines(status: Status, *, alive: bool) -> list[tuple[str, str]]:
    """Give the status line by line."""
    link, buffer = status.link, status.buffer
    problem = f": {link.last_problem}" if link.last_problem else ""
    pairs = [
        ("agent", f"{status.agent} (tenant {status.tenant}, group {status.group}), version {status.version}"),
        ("state", f"{'running' if alive else 'not running'}, pid {status.pid}, since {moment(status.started)}"),
        ("server", f"{status.server} {link.state} since {moment(link.since)}{problem}"),
        ("certificate", f"until {moment(status.certificate_expires)}"),
        ("sent", f"{link.events} events in {link.batches} batches, {link.bytes} bytes"),
        ("buffer", f"{buffer.events} events, {buffer.bytes} bytes, oldest {moment(buffer.oldest)}"),
        ("lost", _losses(status)),
        ("throttled", _counts(status.throttled) or "nothing"),
        ("budget", budget(status)),
        ("settings", f"version {status.settings_version} {status.settings_problem}".rstrip()),
        ("cost", f"{status.cpu_seconds:.1f} s CPU, {status.rss_bytes >> 20} MiB"),
    ]
    if status.failures:
        pairs.append(("failures", f"{status.failures}, last {status.last_failure}"))
    for report in status.sources:
        pairs.append(("source", _source(report)))
        refused = report.details.get("refused")
        if isinstance(refused, dict):
            pairs += [("refused", f"{report.loop.name}/{what}: {why}") for what, why in refused.items()]
    return pairs


def moment(micros: int | None) -> str:
    """Give a time as people read it, UTC."""
    if micros is None:
        return "-"
    return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def budget(status: Status) -> str:
    """Say which level is in force and why, and what of each limit is used."""
    report = status.budget
    used = ", ".join(f"{name} {shown(name, gauge)}" for name, gauge in report.limits.items())
    if not report.level:
        return f"kept: {used}"
    spenders = ", ".join(list(status.activity.types)[:3]) or "nothing that is told"
    exceeded = f"; exceeded: {', '.join(report.exceeded)}, by {spenders}" if report.exceeded else ""
    why = f"level {report.level} of {HIGHEST} since {moment(report.since)} because of {report.because}"
    return f"{why}{exceeded}; {used}"


def shown(name: str, gauge: Gauge) -> str:
    """Give what is used of one limit, in its unit."""
    if name == "cpu":
        return f"{gauge.used:.1f} of {gauge.limit:g} %"
    mebi = 1 << 20
    unit = "MiB" if name == "rss" else "MiB/day"
    return f"{gauge.used / mebi:.1f} of {gauge.limit / mebi:.0f} {unit}"


def _losses(status: Status) -> str:
    parts = [_counts(status.losses)] if status.losses else []
    if status.buffer.expired:
        overflowed = sum(status.buffer.overflowed.values())
        parts.append(f"{status.buffer.expired} unsent (of these {overflowed} for want of room)")
    if status.last_gap is not None:
        parts.append(f"last gap {status.last_gap.reason}")
    return ", ".join(parts) or "nothing"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())


def _source(report: SourceReport) -> str:
    state: SourceState = report.loop
    mode = report.details.get("mode")
    failures = f", {state.failures} failures" if state.failures else ""
    reason = f": {state.last_failure}" if state.last_failure else ""
    return f"{state.name} {state.state}{f' ({mode})' if mode else ''}{failures}{reason}"
