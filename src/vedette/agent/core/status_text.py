"""The agent's status for people: pairs of label and text."""

from datetime import UTC, datetime

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
        ("settings", f"version {status.settings_version} {status.settings_problem}".rstrip()),
        ("cost", f"{status.cpu_seconds:.1f} s CPU, {status.rss_bytes >> 20} MiB"),
    ]
    if status.failures:
        pairs.append(("failures", f"{status.failures}, last {status.last_failure}"))
    return pairs + [("source", _source(report)) for report in status.sources]


def moment(micros: int | None) -> str:
    """Give a time as people read it, UTC."""
    if micros is None:
        return "-"
    return datetime.fromtimestamp(micros / 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _losses(status: Status) -> str:
    parts = [f"{count} {event_type}" for event_type, count in status.losses.items()]
    if status.buffer.expired:
        overflowed = sum(status.buffer.overflowed.values())
        parts.append(f"{status.buffer.expired} unsent (of these {overflowed} for want of room)")
    if status.last_gap is not None:
        parts.append(f"last gap {status.last_gap.reason}")
    return ", ".join(parts) or "nothing"


def _source(report: SourceReport) -> str:
    state: SourceState = report.loop
    mode = report.details.get("mode")
    failures = f", {state.failures} failures" if state.failures else ""
    reason = f": {state.last_failure}" if state.last_failure else ""
    return f"{state.name} {state.state}{f' ({mode})' if mode else ''}{failures}{reason}"
