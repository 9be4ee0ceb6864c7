"""`vedette bench`: load a Central Node of your own to see what it can take."""

import ipaddress
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click

from vedette.cli.bench_report import line_of_progress, report_of, show
from vedette.cli.client import Client
from vedette.cli.connection import connected
from vedette.cli.ledger import ledgers
from vedette.cli.printing import json_line
from vedette.runtime.clock import SECOND, now
from vedette.runtime.errors import VedetteError

if TYPE_CHECKING:
    from vedette.fleet.joining import Place
    from vedette.fleet.run import Fleet, Load
    from vedette.fleet.search import Searcher

SETTLE_SECONDS = 120.0
"""How long the ledger may take to show everything as stored."""


@click.group("bench")
def bench() -> None:
    """Load a Central Node of your own to see what it can take.

    \b
    Examples:
      vedette bench fleet --agents 200 --rate 50 --seconds 60
      vedette bench fleet --agents 1000 --backlog 5000 --seconds 600
      vedette bench fleet --agents 2000 --rate 2 --seconds 300 --keep ./fleet --json
    """  # noqa: D301 - click wants the backspace itself


@bench.command("fleet")
@click.option("--agents", type=click.IntRange(1, 100_000), default=200, show_default=True)
@click.option("--rate", type=click.FloatRange(0, 100_000), default=50.0, show_default=True,
              help="Events a second of each agent; 0 = as fast as the receipts allow.")  # fmt: skip
@click.option("--seconds", type=click.FloatRange(1, 86_400), default=60.0, show_default=True)
@click.option("--batch", type=click.IntRange(0, 5_000), default=0, help="Events of a batch.  [default: those of 2 s]")
@click.option("--backlog", type=click.IntRange(0, 10_000_000), default=0, metavar="EVENTS",
              help="Each agent returns from an outage with so many events and sends only them.")  # fmt: skip
@click.option("--calm", type=click.IntRange(0, 10_000), default=0, metavar="AGENTS",
              help="With --backlog: so many were not away; SEARCHABLE is then of their events.")  # fmt: skip
@click.option("--threads", type=click.IntRange(1, 512), default=16, show_default=True)
@click.option("--connections", type=click.IntRange(1, 100_000), default=2_000, show_default=True,
              help="Kept open at the same time; further agents connect for each batch.")  # fmt: skip
@click.option("--replay", type=click.Path(exists=True, dir_okay=False, path_type=Path),
              help="Send these events, over and over: JSON lines as `vedette hunt --json` prints them.")  # fmt: skip
@click.option("--keep", type=click.Path(file_okay=False, path_type=Path),
              help="Keep the agents' identities here and use them again.")  # fmt: skip
@click.option("--group", default="default", show_default=True, help="The group into which the agents come.")
@click.option("--server", default="", metavar="URL", help="Where agents connect.  [default: the API's host]")
@click.option("--i-own-this-server", "owned", is_flag=True, help="Load a server that is not on this host.")
@connected
def fleet(client: Client, *, as_json: bool, **options: Any) -> None:
    """Send the events of many synthetic agents and say how the Central Node bears it.

    The agents enrol as others do (hosts fleet-00000 and so on), send realistic Windows events over the real wire, obey
    503 and the send rate of receipts. At the end the ledger must show every event once; else the exit status is 1.
    RECEIPT is from sending a batch to its receipt, SEARCHABLE from sending to the first search that finds it.
    """
    from vedette.fleet.joining import Place
    from vedette.fleet.run import Fleet, Load
    from vedette.fleet.search import Searcher

    if options["calm"] and not options["calm"] < options["agents"] * bool(options["backlog"]):
        raise click.UsageError("--calm needs --backlog, and fewer agents than --agents")
    load = Load(
        replayed=_replayed(options["replay"]),
        **{name: options[name] for name in ("rate", "seconds", "batch", "backlog", "calm", "threads", "connections")},
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="vedette-fleet-") as folder:
        server, token = _entry(client, options)
        place = Place(options["keep"] or Path(folder), server)
        identities = _join(place, options["agents"], token, stop)
        sending = Fleet(identities, load, clock=now)
        searcher = Searcher(sending.newest, lambda *event: _found(client, *event))
        spent = _run(sending, searcher, load, stop)
    balance = _settled(client, sending, stop)
    report = report_of(sending, searcher, load, spent=spent, balance=balance)
    if as_json:
        json_line(report)
    else:
        show(report)
    if not report.whole:
        raise VedetteError("the ledger does not show every acknowledged event as stored once")


def _replayed(path: Path | None) -> tuple[Any, ...]:
    from vedette.fleet.replay import read_events

    return () if path is None else tuple(read_events(path))


def _entry(client: Client, options: dict[str, Any]) -> tuple[str, str]:
    """Give where the agents connect and a token for them; only for a server that the caller may load."""
    api = urlsplit(client.config.url).hostname or ""
    for host in (api, urlsplit(options["server"]).hostname or api):
        if not options["owned"] and not _is_loopback(host):
            raise VedetteError(
                f"{host} is not this host: a load like this can stop a server. Give --i-own-this-server if it is yours"
            )
    wanted = {"uses": options["agents"], "hours": 24, "group": options["group"], "note": "vedette bench fleet"}
    made = client.post("/enrolment-tokens", wanted)
    if not options["server"] and not made["port"]:
        raise VedetteError("the server takes no agents at the moment")
    host = f"[{api}]" if ":" in api else api
    return options["server"] or f"https://{host}:{made['port']}", made["secret"]


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _join(place: "Place", agents: int, token: str, stop: threading.Event) -> list[Any]:
    missing = place.missing(agents)
    began = time.monotonic()

    def progress(done: int) -> None:
        if missing and (done == agents or done % 100 == 0):
            click.echo(f"enrolled {done:,} of {agents:,} ({time.monotonic() - began:.0f} s)", err=True)

    identities = place.join(agents, token, stop=stop, progress=progress)
    if stop.is_set():
        raise click.Abort
    return identities


def _run(sending: "Fleet", searcher: "Searcher", load: "Load", stop: threading.Event) -> dict[str, float]:
    """Send until all is sent or told to stop; gives the seconds and the CPU seconds that it took."""
    began, cpu = time.monotonic(), time.process_time()
    sending.start()
    searcher.start()
    before = 0
    while sending.sending:
        if stop.wait(1.0) or time.monotonic() - began > load.seconds + SETTLE_SECONDS:
            sending.stop()
        seen = sending.seen(last=500)
        click.echo(line_of_progress(time.monotonic() - began, seen, seen.events - before, searcher), err=True)
        before = seen.events
    sending.join()
    spent = {"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}
    searcher.stop()
    return spent


def _found(client: Client, agent: str, epoch: str, sequence: int) -> bool:
    query = f"host.id:{agent} AND event.epoch:{epoch} AND event.sequence:{sequence}"
    asked = {"query": query, "since": now() - 3600 * SECOND, "limit": 1, "columns": ["event.sequence"]}
    return bool(client.post("/events/search", asked)["events"])


def _settled(client: Client, sending: "Fleet", stop: threading.Event) -> dict[str, int]:
    """Wait until the ledger shows all that has a receipt as stored; gives its sums over the fleet's streams."""
    epochs = {member.epoch for member in sending.members}
    acknowledged = sum(member.acknowledged for member in sending.members)
    deadline = time.monotonic() + SETTLE_SECONDS
    names = ("sent", "received", "stored", "in_flight", "missing", "dead_lettered", "duplicates")
    while True:
        streams = [one for host in ledgers(client) for one in host["streams"] if one["epoch"] in epochs]
        balance = {name: sum(int(one[name]) for one in streams) for name in names}
        done = balance["stored"] + balance["dead_lettered"] >= acknowledged
        if done or time.monotonic() > deadline or stop.wait(1.0):
            return balance | {"acknowledged": acknowledged}
