"""What `vedette bench fleet` prints: a line a second, and the report at the end."""

from typing import TYPE_CHECKING

import click
import msgspec

from vedette.cli.printing import table

if TYPE_CHECKING:
    from vedette.fleet.run import Fleet, Load, Seen
    from vedette.fleet.search import Searcher
    from vedette.fleet.tally import Spread


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The result. Durations in milliseconds (`_ms`) or seconds (`_s`); null when nothing was measured."""

    agents: int
    seconds: float
    target_rate: float
    """Events a second that were to be sent; 0 = as fast as receipts allow."""
    rate: float
    """Events a second with a receipt."""
    events: int
    batches: int
    bytes_an_event: float
    receipt_ms: dict[str, float | None]
    searchable_s: dict[str, float | None]
    searched: int
    not_found: int
    late_ms: dict[str, float | None]
    """How long after its time a batch was sent first."""
    drain_s: dict[str, float | None]
    """From an agent's return to its last receipt: the tenth that was done first, half of them, the last."""
    drained: int
    """Agents that have sent their whole backlog."""
    busy_in_a_row: int
    """Answers 503 to one batch, at most."""
    busy: int
    """Answers 503, each obeyed."""
    busy_waited_s: float
    paced: int
    """Receipts that named a send rate."""
    lost_contact: int
    refused: int
    problem: str
    generator_us: float
    """CPU of this command, microseconds an event."""
    ledger: dict[str, int]
    lost: int
    """Events with a receipt that the ledger does not show as stored."""

    @property
    def whole(self) -> bool:
        """Whether sent = received = stored, each once."""
        told = self.ledger
        return told["acknowledged"] == told["stored"] and told["stored"] == told["received"] and not self.refused


def report_of(
    fleet: "Fleet", searcher: "Searcher", load: "Load", *, spent: dict[str, float], balance: dict[str, int]
) -> Report:
    """Draw up the result."""
    seen, searchable, drains = fleet.seen(), searcher.spread(), fleet.drains()
    return Report(
        agents=len(fleet.members),
        seconds=round(spent["seconds"], 1),
        target_rate=load.rate * len(fleet.members) if load.interval_wanted else 0.0,
        rate=round(seen.events / spent["seconds"], 1),
        events=seen.events,
        batches=seen.batches,
        bytes_an_event=round(seen.bytes / max(1, seen.events), 1),
        receipt_ms=_percentiles(seen.receipts, 1000),
        searchable_s=_percentiles(searchable, 1),
        searched=searchable.count,
        not_found=searcher.not_found,
        late_ms=_percentiles(seen.late, 1000),
        drain_s={name: _rounded(getattr(drains, name)) for name in ("first", "half", "last")},
        drained=drains.done,
        busy_in_a_row=drains.busy_in_a_row,
        busy=seen.busy,
        busy_waited_s=seen.busy_seconds,
        paced=seen.paced,
        lost_contact=seen.lost_contact,
        refused=seen.refused,
        problem=seen.problem or searcher.problem,
        generator_us=round(spent["cpu"] / max(1, seen.events) * 1e6, 1),
        ledger=balance,
        lost=max(0, balance["acknowledged"] - balance["stored"] - balance["dead_lettered"]),
    )


def line_of_progress(elapsed: float, seen: "Seen", events: int, searcher: "Searcher") -> str:
    """Say in one line how it goes."""
    found = searcher.spread().p95
    return (
        f"{elapsed:4.0f} s  {events:>7,} events/s  receipt p95 {_shown(seen.receipts.p95, 1000, 'ms')}  "
        f"searchable p95 {_shown(found, 1, 's')}  waiting {seen.waiting}  503s {seen.busy}  "
        f"lost contact {seen.lost_contact}"
    )


def show(report: Report) -> None:
    """Print the result for people."""
    click.echo()
    click.echo(
        f"{report.agents:,} agents, {report.events:,} events in {report.seconds} s: {report.rate:,.0f} events/s"
        + (f" of {report.target_rate:,.0f} asked for" if report.target_rate else "")
        + f", {report.bytes_an_event} bytes an event, {report.generator_us} us of CPU an event here"
    )
    rows = [
        {"what": what, **{name: "-" if value is None else f"{value:,.{digits}f}" for name, value in times.items()}}
        for what, times, digits in (
            ("receipt, ms", report.receipt_ms, 1),
            ("searchable, s", report.searchable_s, 2),
            ("sent late, ms", report.late_ms, 1),
        )
    ]
    table({"what": "", "p50": "p50", "p95": "p95", "p99": "p99", "highest": "HIGHEST"}, rows)
    if report.drain_s["last"] is not None:
        told = ", ".join(f"{value or 0:,.1f}" for value in report.drain_s.values())
        click.echo(f"backlogs: {report.drained:,} agents have sent theirs; a tenth, half, all after {told} s")
    click.echo(
        f"503s {report.busy:,} (waited {report.busy_waited_s:,.0f} s, at most {report.busy_in_a_row} in a row), "
        f"receipts with a send rate {report.paced:,}, "
        f"lost contact {report.lost_contact:,}, refused {report.refused:,}, not found in time {report.not_found:,}"
    )
    if report.problem:
        click.echo(f"last problem: {report.problem}")
    click.echo("ledger: " + ", ".join(f"{name} {count:,}" for name, count in report.ledger.items()))
    click.secho(
        "nothing lost" if report.whole else f"{report.lost:,} events lost", fg="green" if report.whole else "red"
    )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _percentiles(spread: "Spread", factor: float) -> dict[str, float | None]:
    return {
        name: None if (value := getattr(spread, name)) is None else round(value * factor, 2)
        for name in ("p50", "p95", "p99", "highest")
    }


def _shown(seconds: float | None, factor: float, unit: str) -> str:
    return "-" if seconds is None else f"{seconds * factor:.{0 if factor > 1 else 1}f} {unit}"
