"""`vedette doctor sizing`: the machines that so many hosts need. Asks no server."""

import click
import msgspec

from vedette.cli.printing import json_line, size, table


@click.command("sizing")
@click.option("--hosts", type=click.IntRange(1, 100_000_000), required=True)
@click.option("--events-per-host-hour", type=click.FloatRange(0.1, 1e7), default=833.0, show_default=True,
              help="On average, day and night: `vedette hunt --count --since 24h` / hosts / 24.")  # fmt: skip
@click.option("--days", type=click.IntRange(1, 3_650), default=30, show_default=True, help="That events stay.")
@click.option("--peak", type=click.FloatRange(1, 100), default=5.0, show_default=True,
              help="The busiest minutes over the average.")  # fmt: skip
@click.option("--send-interval", type=click.FloatRange(1, 30), default=2.0, show_default=True,
              help="Seconds that agents gather before they send (a setting of groups).")  # fmt: skip
@click.option("--rules", is_flag=True, help="Behaviour rules look at each event.")
@click.option("--json", "as_json", is_flag=True, help="A JSON line instead of a table.")
def sizing(*, as_json: bool, **given: float) -> None:
    """Reckon cores, memory, disk, network and machines for a fleet, from what was measured (docs/scaling.md)."""
    from vedette.central.sizing import Costs, Load, hosts_until
    from vedette.central.sizing import size as reckon

    load = msgspec.convert(given, Load)
    made, until = reckon(load), hosts_until(load)
    if as_json:
        json_line(msgspec.structs.asdict(made) | {"cores": made.cores, "single_node_until": until})
        return
    shares = f"ingest {made.ingest_cores:,.1f}, pipeline {made.pipeline_cores:,.1f}, store {made.store_cores:,.1f}"
    too_much = "" if made.writer <= Costs().busy else ", TOO MUCH: let agents send later, or make several deployments"
    rows = [
        ("events a second", f"{made.events:,.0f} on average, {made.events_peak:,.0f} at the peak"),
        ("batches a second", f"{made.batches_peak:,.0f} at the peak"),
        ("cores", f"{made.cores:,}: {shares}"),
        ("processes", f"{made.ingests} ingest, {made.pipelines} pipeline, {made.shards} store"),
        ("machines", "1" if made.nodes == 1 else f"{made.nodes}, and three small ones for NATS and PostgreSQL"),
        ("memory", size(round(made.memory))),
        ("disk", f"{size(round(made.disk))}: {size(round(made.day))} a day, replicas not counted"),
        ("network", f"{made.network / 1e6:,.1f} Mbit/s from agents at the peak"),
        ("state database", f"its writer is busy {made.writer:.0%} of the time{too_much}"),
        ("a day's outage", f"is stored after {made.drain / 60:,.0f} minutes"),
    ]  # fmt: skip
    table({"what": "", "needs": "NEEDS"}, [{"what": what, "needs": needs} for what, needs in rows])
    click.echo(
        "One node reaches its limits at: " + ", ".join(f"{hosts:,} hosts ({what})" for what, hosts in until.items())
    )
