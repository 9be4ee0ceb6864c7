"""What IOCs cost: events through the engine beside 10 million indicators, and the table's making, opening, replacing.

python bench/ioc.py [--indicators 10000000] [--events 200000]

Events are those of the fleet (see vedette.fleet.endpoint), in merged segments of 20,000, as the pipeline has them; the
clock is CPU time of this process. Indicators: 60 % SHA-256, 20 % MD5, 10 % domains, 10 % addresses; 200 boolean IOCs
beside them. "Unique" gives every event a digest, a domain, an address and a command line that no other has.
"""

import argparse
import gc
import json
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from vedette.engines.ioc.build import Builder
from vedette.engines.ioc.engine import Ioc
from vedette.engines.ioc.table import Source, Table
from vedette.fleet.endpoint import Endpoint
from vedette.query.ioc.file import read
from vedette.query.ioc.indicators import Indicator, Kind
from vedette.query.ioc.lists import read_lines
from vedette.runtime.clock import now
from vedette.schema.entities import Host, Os
from vedette.wire.batch import BatchHeader, RawBatch, RawColumns, decode, frame
from vedette.wire.batch import Builder as Batches
from vedette.wire.merge import Arrival, Batch, merge

SEGMENT, HOSTS, RULES = 20_000, 20, 200
MEGA = 1_000_000


def line(name: str, value: float, unit: str, *, target: float | None = None, how: str = "") -> None:
    """Print one number."""
    print(json.dumps({
        "name": name, "value": round(value, 2), "unit": unit, "target": target, "peer": None, "peer_value": None,
        "how": how or "bench/ioc.py",
    }), flush=True)  # fmt: skip


def ordinary(events: int) -> list[Batch]:
    """Give merged segments of ordinary events of 20 hosts."""
    hosts = [Endpoint(number, start=now()) for number in range(HOSTS)]
    size = SEGMENT // HOSTS
    return [merge([_arrival(host, part, size) for host in hosts]) for part in range(events // SEGMENT)]


def _arrival(host: Endpoint, part: int, size: int) -> Arrival:
    payload = Batches(host.events(size)).encode(1 + part * size)
    header = BatchHeader(
        agent=host.id, epoch="0" * 16, first=1 + part * size, last=(part + 1) * size, count=size, sent=now(),
        host=Host(id=host.id, name="h"), os=Os(family="windows"),
    )  # fmt: skip
    return Arrival(decode(frame(header, payload)), host.id, "default", "0" * 16, now())


def unique(segments: int) -> list[Batch]:
    """Give segments in which no value comes twice."""
    draw = random.Random(2)
    index = b"".join(number.to_bytes(2, "little") for number in range(SEGMENT))
    made = []
    for _ in range(segments):
        columns: dict[str, Any] = {
            "event.sequence": (list(range(SEGMENT)), index),
            "file.sha256": ([draw.randbytes(32).hex() for _ in range(SEGMENT)], index),
            "dns.query": (
                [f"{draw.randbytes(6).hex()}.cdn.example{draw.randrange(999)}.com" for _ in range(SEGMENT)],
                index,
            ),
            "socket.remote_ip": ([".".join(map(str, draw.randbytes(4))) for _ in range(SEGMENT)], index),
            "process.command_line": (
                [f"C:\\x\\tool.exe --id {draw.randbytes(20).hex()}" for _ in range(SEGMENT)],
                index,
            ),
        }
        header = BatchHeader(agent="a" * 32, epoch="0" * 16, first=0, last=SEGMENT - 1, count=SEGMENT, sent=now())
        raw = RawBatch(header, {"network_connect": RawColumns(SEGMENT, columns)})
        made.append(merge([Arrival(raw, "a" * 32, "default", "0" * 16, now())]))
    return made


def indicators(count: int) -> Iterator[Indicator]:
    """Give random indicators."""
    draw = random.Random(1)
    for number in range(count):
        kind = number % 10
        if kind < 6:
            yield Indicator(Kind.SHA256, (draw.randbytes(32).hex(),))
        elif kind < 8:
            yield Indicator(Kind.MD5, (draw.randbytes(16).hex(),))
        elif kind == 8:
            yield Indicator(Kind.DOMAIN, (f"{draw.randbytes(6).hex()}.example{number % 999}.com",))
        else:
            yield Indicator(Kind.ADDRESS, (".".join(map(str, draw.randbytes(4))),))


def rules() -> str:
    """Give boolean IOCs as a STIX bundle: names, paths and command lines that the events do not have."""
    patterns = [
        f"[file:name = 'bad{n}.exe' AND file:size > {n}] OR [process:command_line LIKE '%--evil{n}%']"
        for n in range(RULES)
    ]
    return json.dumps({"type": "bundle", "objects": [
        {"type": "indicator", "id": f"indicator--{n}", "pattern": pattern} for n, pattern in enumerate(patterns)
    ]})  # fmt: skip


def resident() -> dict[str, float]:
    """Give megabytes of this process: its own, and mapped from files."""
    facts = dict(row.split(":", 1) for row in Path("/proc/self/status").read_text().splitlines())
    return {name: int(facts[name].split()[0]) / 1024 for name in ("RssAnon", "RssFile")}


def rate(engine: Ioc, batches: Sequence[Batch]) -> tuple[float, int]:
    """Events a second of CPU, and findings."""
    start = time.process_time()
    found = sum(1 for batch in batches for _ in engine.inspect(batch))
    return sum(batch.rows for batch in batches) / (time.process_time() - start), found


def build(path: Path, count: int) -> None:
    """Write a table and say what it cost."""
    builder = Builder()
    builder.add_source(Source("feed", "Feed"))
    made = indicators(count)
    start = time.process_time()
    spent = 0.0
    while part := [one for one, _ in zip(made, range(MEGA), strict=False)]:
        begun = time.process_time()
        for one in part:
            builder.add(one)
        spent += time.process_time() - begun
    start = time.process_time()
    builder.write(path)
    line("ioc_add", spent / count * 1e6, "us/indicator", how="Builder.add")
    line("ioc_write", time.process_time() - start, "s", how=f"Builder.write of {count:,}: sort, digest, fsync, rename")
    line("ioc_file", path.stat().st_size / MEGA, "MB")


def parse(count: int) -> None:
    """Say what reading a flat list costs."""
    texts = [one.text for one in indicators(count)]
    start = time.process_time()
    found = sum(isinstance(one, Indicator) for one in read_lines(texts))
    line("ioc_read_list", (time.process_time() - start) / count * 1e6, "us/line", how=f"{found:,} of {count:,} lines")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--indicators", type=int, default=10 * MEGA)
    parser.add_argument("--events", type=int, default=200_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder:
        path = Path(folder) / "table"
        parse(100_000)
        build(path, asked.indicators)
        gc.collect()
        before = resident()
        start = time.process_time()
        table = Table(path)
        line("ioc_open", time.process_time() - start, "s", target=1, how="map and check the whole file, CPU")
        after = resident()
        line("ioc_memory_own", after["RssAnon"] - before["RssAnon"], "MB", how="anonymous memory of the open table")
        line(
            "ioc_memory_mapped",
            after["RssFile"] - before["RssFile"],
            "MB",
            how="pages of the file, which the kernel may drop",
        )
        Path(folder, "again").write_bytes(path.read_bytes())
        start = time.monotonic()
        Path(folder, "again").replace(path)
        table = Table(path)
        line("ioc_replace", time.monotonic() - start, "s", how="the new file is checked and in force, wall")
        measure(table, asked.events)


def measure(table: Table, events: int) -> None:
    """Say what events cost beside a table."""
    some, others = ordinary(events), unique(max(1, events // SEGMENT // 4))
    found = read(rules().encode(), "rules")
    many = f"beside {table.header.count:,} indicators"
    for name, batches in (("ordinary", some), ("unique", others)):
        engine = Ioc(found.rules, [table])
        cold, hits = rate(engine, batches)
        line(f"ioc_{name}", cold, "events/s", target=200_000 if name == "ordinary" else 10_000,
             how=f"{many} and {RULES} rules, first look; {hits} findings")  # fmt: skip
        line(f"ioc_{name}_sets", rate(Ioc((), [table]), batches)[0], "events/s", how=f"{many} alone")
        line(f"ioc_{name}_rules", rate(Ioc(found.rules, []), batches)[0], "events/s", how=f"{RULES} rules alone")


if __name__ == "__main__":
    main()
