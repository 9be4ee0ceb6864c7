"""What a fleet needs of machines: one formula, from the load and from what was measured to cores, memory and nodes.

Pure. `vedette doctor sizing` prints it, `docs/reference/sizing.md` is made from it. Costs are CPU microseconds of one
core as bench/ measured them; where they come from stands beside each. Rates are per second, sizes in bytes.
"""

import math

import msgspec

from vedette.runtime.errors import ConfigError

GIB = 1 << 30


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What comes in."""

    hosts: int
    events_per_host_hour: float = 833.0
    """20,000 a day."""
    days: int = 30
    """That events stay."""
    peak: float = 5.0
    """The busiest minutes over the average: mornings, updates, builds."""
    send_interval: float = 2.0
    """Seconds that an agent gathers before it sends."""
    rules: bool = False
    """Whether behaviour rules look at each event."""


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What one event, batch or host costs."""

    receive_event: float = 0.25
    """bench/receive.py: 0.23 with batches of 1,000."""
    receive_batch: float = 290.0
    """bench/small_batches.py: 240 for the request and its sync, 42 for the ledger's row."""
    prepare_event: float = 6.5
    """bench/ingest.py: the pipeline's part of 16."""
    prepare_batch: float = 430.0
    """bench/small_batches.py: 410 to decode and join a batch, 18 to settle its stream."""
    detect_event: float = 20.0
    """3,006 Windows rules, all together: measured in a prototype at 17 to 19."""
    store_event: float = 9.5
    """bench/ingest.py: the store's part of 16, merges included."""
    claim_batch: float = 12.0
    """bench/small_batches.py; only with several ingest or pipeline nodes."""
    settle_batch: float = 18.0
    ledger_row: float = 42.0
    """Both are in the costs above; apart, because they are spent in the state's turn to write: there is one."""
    wire_event: float = 60.0
    """bench/wire.py: 58 in batches of 1,000."""
    wire_batch: float = 2_200.0
    """bench/small_batches.py: 1,900 for a batch of three, and HTTP and TLS around it."""
    stored_event: float = 60.0
    """bench/ingest.py: 47 of live hosts, 112 made, before merging; 60 made, merged."""
    heartbeat: float = 1 / 60
    """Signs of life of a host that has nothing to send."""
    busy: float = 0.7
    """Share of a core that is planned for: the rest is for searches, peaks within the peak, and the unforeseen."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one process or machine can be."""

    connections: int = 20_000
    """`connections` of one ingest; 33 KB each."""
    ledger_rows: float = 1_000.0
    """Rows of streams a second that one ingest writes: 500 every half second."""
    ledger_wait: float = 60.0
    """Seconds that the ledger may be behind."""
    node_cores: int = 16
    """A machine of ordinary size; more is a matter of price."""
    store_cores: int = 8
    """For one store: its parts are merged in the background on the same disk."""
    node_disk: float = 10e12


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """What the load needs. Cores are to buy, not busy ones."""

    events: float
    """A second, on average; at the peak `events_peak`, in `batches_peak` batches."""
    events_peak: float
    batches_peak: float
    ingest_cores: float
    pipeline_cores: float
    store_cores: float
    ingests: int
    """Ingest processes, each on a node of its own if there is more than one."""
    pipelines: int
    """Pipeline processes, on as many nodes as they need."""
    shards: int
    """Event stores."""
    nodes: int
    """Machines in all; with more than one also three for NATS and PostgreSQL, which may be small."""
    memory: float
    disk: float
    """Of events, with a quarter of room; replicas not counted."""
    day: float
    """Bytes that a day takes."""
    network: float
    """Bits a second from agents at the peak."""
    writer: float
    """Share of the time in which somebody has the state's turn to write. Above `busy` it cannot be: fewer batches, or
    several deployments."""
    drain: float
    """Seconds to store what a day's outage left, beside what is new."""

    @property
    def cores(self) -> int:
        """Cores in all."""
        return math.ceil(self.ingest_cores + self.pipeline_cores + self.store_cores)


def size(load: Load, costs: Costs | None = None, limits: Limits | None = None) -> Size:
    """Give what `load` needs. Raises ConfigError when it makes no sense."""
    _check(load)
    costs, limits = costs or Costs(), limits or Limits()
    average = load.hosts * load.events_per_host_hour / 3600
    peak = average * load.peak
    batches = load.hosts * batch_rate(load, costs)
    one = _cores(load, costs, events=peak, batches=batches, several=False)
    single = _fits(load, one, limits)
    cores = one if single else _cores(load, costs, events=peak, batches=batches, several=True)
    ingest, pipeline, store = (value / costs.busy for value in cores)
    day = average * 86_400 * costs.stored_event
    disk = day * load.days * 1.25
    ingests = max(math.ceil(ingest), math.ceil(load.hosts / limits.connections), _ledgers(load, limits))
    pipelines = max(1, math.ceil(pipeline))
    shards = max(math.ceil(store / limits.store_cores), math.ceil(disk / limits.node_disk))
    nodes = 1 if single and shards == 1 else ingests + math.ceil(pipelines / limits.node_cores) + shards + 1
    outage = average * 86_400
    per_event = (costs.receive_event + _pipeline_event(load, costs) + costs.store_event) / 1e6
    spare = max(1.0, ingest + pipeline + store) - average * per_event
    return Size(
        events=average,
        events_peak=peak,
        batches_peak=batches,
        ingest_cores=ingest,
        pipeline_cores=pipeline,
        store_cores=store,
        ingests=ingests,
        pipelines=pipelines,
        shards=shards,
        nodes=nodes,
        memory=load.hosts * 40e3 + ingests * 0.1 * GIB + pipelines * 0.8 * GIB + shards * 2 * GIB + day * 0.1,
        disk=disk,
        day=day,
        network=8 * (peak * costs.wire_event + batches * costs.wire_batch),
        writer=writer_share(batches, costs, limits, ingests=ingests, several=nodes > 1),
        drain=outage * per_event / spare,
    )


def batch_rate(load: Load, costs: Costs) -> float:
    """Give the batches a second of one host at the peak: one for what comes within the send interval of an event."""
    events = load.events_per_host_hour / 3600 * load.peak
    return events / (1 + events * load.send_interval) + costs.heartbeat


def writer_share(batches: float, costs: Costs, limits: Limits, *, ingests: int, several: bool) -> float:
    """Give how much of the state's one turn to write is used; each ingest writes so many ledger rows and no more."""
    segment = batches * (costs.settle_batch + (costs.claim_batch if several else 0.0))
    return (segment + min(batches, limits.ledger_rows * ingests) * costs.ledger_row) / 1e6


def hosts_until(load: Load, costs: Costs | None = None, limits: Limits | None = None) -> dict[str, int]:
    """Give the hosts at which each limit of a single node is met, with the load of `load` a host; fewest first."""
    costs, limits = costs or Costs(), limits or Limits()
    each = msgspec.structs.replace(load, hosts=1)
    events = load.events_per_host_hour / 3600
    peak, batches = events * load.peak, batch_rate(each, costs)
    ingest, pipeline, store = _cores(each, costs, events=peak, batches=batches, several=False)
    met = {
        "the one core of ingest": costs.busy / ingest,
        "connections of ingest": limits.connections,
        "the ledger is a minute behind": limits.ledger_rows * limits.ledger_wait,
        f"{limits.node_cores} cores": limits.node_cores * costs.busy / (ingest + pipeline + store),
        "the state's one writer": _batches_until(costs, limits) / batches,
        "10 TB of disk": limits.node_disk / (events * 86_400 * costs.stored_event * load.days * 1.25),
    }
    return {what: int(hosts) for what, hosts in sorted(met.items(), key=lambda one: one[1])}


def _batches_until(costs: Costs, limits: Limits) -> float:
    """Give the batches a second that the state's writer of one node bears."""
    room, ledger = costs.busy * 1e6, limits.ledger_rows * costs.ledger_row
    few = room / (costs.settle_batch + costs.ledger_row)
    return few if few <= limits.ledger_rows else (room - ledger) / costs.settle_batch


def _check(load: Load) -> None:
    for name in ("hosts", "events_per_host_hour", "days", "send_interval"):
        if getattr(load, name) <= 0:
            raise ConfigError(f"{name} must be more than 0, not {getattr(load, name)}")
    if load.peak < 1:
        raise ConfigError(f"the peak is at least the average: not {load.peak} times of it")


def _pipeline_event(load: Load, costs: Costs) -> float:
    return costs.prepare_event + (costs.detect_event if load.rules else 0.0)


def _cores(load: Load, costs: Costs, *, events: float, batches: float, several: bool) -> tuple[float, float, float]:
    """Give the busy cores of ingest, pipeline and store."""
    batch = costs.prepare_batch + (costs.claim_batch if several else 0.0)
    return (
        (events * costs.receive_event + batches * costs.receive_batch) / 1e6,
        (events * _pipeline_event(load, costs) + batches * batch) / 1e6,
        events * costs.store_event / 1e6,
    )


def _fits(load: Load, busy: tuple[float, float, float], limits: Limits) -> bool:
    """Whether one node is enough: one ingest process, and cores for all."""
    share = Costs().busy
    return load.hosts <= limits.connections and busy[0] <= share and sum(busy) <= limits.node_cores * share


def _ledgers(load: Load, limits: Limits) -> int:
    return math.ceil(load.hosts / (limits.ledger_rows * limits.ledger_wait))


SCALES = (1_000, 10_000, 100_000, 1_000_000)


def document() -> str:
    """Give docs/reference/sizing.md."""
    text = [
        "# Sizes",
        "",
        "Generated from `vedette/central/sizing.py` by `make gen`; `docs/scaling.md` explains it, and",
        "`vedette doctor sizing` reckons it for other numbers. 20,000 events a host and day, five times as many at the",
        "peak, kept for 30 days.",
    ]
    for interval, rules in ((2.0, False), (30.0, False), (30.0, True)):
        text += ["", f"## Agents send {interval:.0f} s after an event, {'with' if rules else 'no'} behaviour rules", ""]
        text += _table([Load(hosts=hosts, send_interval=interval, rules=rules) for hosts in SCALES])
        until = hosts_until(Load(hosts=1, send_interval=interval, rules=rules))
        text += ["", "A single node's limits, in hosts: " + ", ".join(f"{k} {v:,}" for k, v in until.items()) + "."]
    return "\n".join(text) + "\n"


def _table(loads: list[Load]) -> list[str]:
    names = (
        "hosts", "events/s average, peak", "batches/s peak", "cores: ingest, pipeline, store", "memory", "disk",
        "network", "ingest, pipeline, store processes", "machines", "the state's writer",
    )  # fmt: skip
    rows = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    for load in loads:
        made = size(load)
        cells = (
            f"{load.hosts:,}",
            f"{made.events:,.0f}, {made.events_peak:,.0f}",
            f"{made.batches_peak:,.0f}",
            f"{made.ingest_cores:,.1f}, {made.pipeline_cores:,.1f}, {made.store_cores:,.1f}",
            f"{made.memory / GIB:,.0f} GiB",
            f"{made.disk / 1e12:,.2f} TB",
            f"{made.network / 1e6:,.0f} Mbit/s",
            f"{made.ingests}, {made.pipelines}, {made.shards}",
            f"{made.nodes}",
            f"{made.writer:.0%}" + (" **too much**" if made.writer > Costs().busy else ""),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return rows
