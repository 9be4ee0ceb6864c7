"""`vedette agent top`: what the running agent spends its time on."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vedette.cli.agent_data import data_option, running_status
from vedette.cli.printing import json_line, table

if TYPE_CHECKING:
    from vedette.agent.core.activity import Activity
    from vedette.agent.core.status import Status

_MOST_THREADS = 8


@click.command("top")
@data_option
@click.option("--once", is_flag=True, help="Print once and end.")
@click.option("--interval", type=click.FloatRange(1, 3600), default=5.0, show_default=True, help="Seconds between.")
@click.option("--json", "as_json", is_flag=True, help="One JSON line each time.")
def top(data: Path, once: bool, interval: float, as_json: bool) -> None:  # noqa: FBT001 - click passes options so
    """Show which event types and which programs spend the agent's budget, over the last minute.

    What the budget leaves out before it becomes an event is in no row: `vedette agent status` counts it.

    \b
    Examples:
      vedette agent top
      vedette agent top --once --json
    """  # noqa: D301 - click wants the backspace itself
    while True:
        status = running_status(data)
        if as_json:
            json_line(_facts(status))
        else:
            if not once:
                click.clear()
            _show(status)
        if once:
            return
        time.sleep(interval)


def _facts(status: "Status") -> dict[str, Any]:
    return {
        "updated": status.updated,
        "cpu_seconds": status.cpu_seconds,
        "rss_bytes": status.rss_bytes,
        "waiting": status.waiting,
        "budget": status.budget,
        "events_per_hour": status.events_per_hour,
        "throttled": status.throttled,
        "activity": status.activity,
    }


def _show(status: "Status") -> None:
    now = status.activity
    seconds = now.seconds or 1.0
    cpu = sum(now.cpu.values())
    each = f", {cpu / now.events * 1e6:.0f} us an event" if now.events else ""
    click.echo(
        f"last {now.seconds:.0f} s: {now.events / seconds:.1f} events/s, {now.bytes / seconds:.0f} bytes/s sent, "
        f"{100 * cpu / seconds:.2f} % of a core{each}, {status.rss_bytes >> 20} MiB"
    )
    click.echo()
    table({"name": "budget", "used": "used", "share": "share", "state": "state"}, _limits(status))
    click.echo()
    table({"type": "event type", "events": "events", "share": "share"}, _types(now))
    click.echo()
    table({"events": "events", "share": "share", "types": "types", "program": "program"}, _programs(now))
    click.echo()
    threads = [
        {"name": name, "ms": round(1000 * spent), "share": _percent(spent, cpu)}
        for name, spent in list(now.cpu.items())[:_MOST_THREADS]
    ]
    table({"name": "thread", "ms": "CPU ms", "share": "share"}, threads)


def _limits(status: "Status") -> list[dict[str, Any]]:
    from vedette.agent.core.status_text import shown

    report = status.budget
    rows = [
        {
            "name": name,
            "used": shown(name, gauge),
            "share": _percent(gauge.used, gauge.limit),
            "state": "exceeded" if name in report.exceeded else f"level {gauge.level}" if gauge.level else "kept",
        }
        for name, gauge in report.limits.items()
    ]
    return rows + [
        {
            "name": f"{name} an hour",
            "used": f"{one.limit:,} allowed",
            "share": "-",
            "state": "kept" if one.left else "throttled",
        }
        for name, one in status.events_per_hour.items()
    ]


def _types(now: "Activity") -> list[dict[str, Any]]:
    return [{"type": name, "events": count, "share": _percent(count, now.events)} for name, count in now.types.items()]


def _programs(now: "Activity") -> list[dict[str, Any]]:
    return [
        {
            "events": one.events,
            "share": _percent(one.events, now.events),
            "types": ", ".join(f"{name} {count}" for name, count in one.types.items()),
            "program": one.program,
        }
        for one in now.programs
    ]


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"
