"""Hunts over many events, beside DuckDB on the same rows: `python bench/at_scale.py [--events 50000000] [--hosts 400]`.

Events of realistic endpoints (vedette.fleet.endpoint) over thirty days. They are made once for a portion and inserted
again and again with other times, numbers, process ids and, for a third, other digests. Both engines get the very same
Arrow tables. What is asked: see `questions`. Milliseconds of wall time, best of three, with the engine's CPU time
beside it; the pages of the files may be in the system's cache, the condition cache is off. Fifty million take about
half an hour on two cores, and 25 GB of disk.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from hunt import SCOPE, connected  # type: ignore[import-not-found] # beside this file
from receive import cpu_seconds, resident_mb  # type: ignore[import-not-found] # beside this file
from vedette.fleet.endpoint import Endpoint
from vedette.query import hunt, sql
from vedette.query.search import Question, Search
from vedette.query.statement import Statement, Window
from vedette.query.tree import process_tree
from vedette.runtime.clock import DAY, now
from vedette.schema.entities import Host, Os
from vedette.store.columns import arrow_table, ipc_stream
from vedette.store.events import EventStore
from vedette.wire.batch import BatchHeader, Builder, decode, frame
from vedette.wire.merge import Arrival, merge

DAYS = 30
PORTION = 40_000
"""Rows of one insert: a full segment."""
IDS = ("process.entity_id", "process.parent.entity_id")
DIGESTS = ("file.sha256", "file.md5")
TARGETS = {"digest": 200, "rare_text": 500, "one_host": 150, "tree": 300, "hours": 1000}


class Answer(NamedTuple):
    """How long a question took: milliseconds of wall time and of CPU time, best of three; rows found."""

    wall: float
    cpu: float
    rows: int


def portions(events: int, hosts: int, until: int) -> Iterator[pa.Table]:
    """Give tables that are `events` rows together, oldest first, all hosts in each."""
    endpoints = [Endpoint(number) for number in range(hosts)]
    count = -(-events // PORTION)
    step = DAYS * DAY // count
    first = until - DAYS * DAY
    base = arrow_table(merge([_arrival(host, first, PORTION // hosts, until) for host in endpoints]))
    for number in range(count):
        yield _shifted(base, number, number * step, until) if number else base


def _arrival(host: Any, at: int, size: int, until: int) -> Arrival:
    host.time = at + host.number * 1_000
    header = BatchHeader(
        agent=host.id, epoch="0" * 16, first=1, last=size, count=size, sent=until,
        host=Host(id=host.id, name=f"WS-{host.number:05d}"), os=Os(family="windows"),
    )  # fmt: skip
    batch = decode(frame(header, Builder(host.events(size)).encode(1)))
    return Arrival(batch, host.id, "default", "0" * 16, until)


def _shifted(base: pa.Table, number: int, by: int, until: int) -> pa.Table:
    """Give the same rows at another time: `by` microseconds later, with ids and some digests of their own."""
    table = base
    moved = pc.min_element_wise(pc.add(table["event.time"].cast(pa.int64()), by), pa.scalar(until - 1, pa.int64()))
    table = _put(table, "event.time", moved.cast(table.schema.field("event.time").type))
    table = _put(table, "event.sequence", pc.add(table["event.sequence"], number * PORTION))
    for name in IDS:
        table = _renamed(table, name, f"{number:08x}", lambda _: True)
    for name in DIGESTS:
        table = _renamed(table, name, f"{number:06x}", lambda value: value[0] in "0123a")
    return table


def _put(table: pa.Table, name: str, column: Any) -> pa.Table:
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), column)


def _renamed(table: pa.Table, name: str, start: str, wanted: Callable[[str], bool]) -> pa.Table:
    """Let the distinct values of a dictionary column that are `wanted` begin with `start`."""
    column: Any = table[name]
    chunks: list[Any] = []
    for chunk in column.chunks:
        values: list[Any] = chunk.dictionary.to_pylist()
        changed = [start + value[len(start) :] if wanted(value) else value for value in values]
        chunks.append(pa.DictionaryArray.from_arrays(chunk.indices, pa.array(changed, chunk.dictionary.type)))
    return _put(table, name, pa.chunked_array(chunks, column.type))


def decoded(table: pa.Table) -> pa.Table:
    """Give the table without dictionaries, which DuckDB would make an enumeration of."""
    fields = [
        field.with_type(field.type.value_type) if pa.types.is_dictionary(field.type) else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


class Ours:
    """The event store, in its process."""

    def __init__(self, data: Path, process: "subprocess.Popen[bytes]", until: int) -> None:
        self._pid = process.pid
        self.store: EventStore = connected(data / "run", process)
        self.until, self.window = until, Window(until - DAYS * DAY, until)

    def ask(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Run a statement without the cache that a first hunt does not have."""
        return self.store.query(
            statement.sql, statement.parameters, statement.settings | {"use_query_condition_cache": 0}
        )

    def search(self, query: str, window: Window | None = None) -> int:
        """Give the rows of the first page."""
        question = Question(hunt.parse(query, now=self.until), SCOPE, window or self.window)
        return len(Search(self.ask, time.monotonic).events(question, limit=100).rows)

    def some(self, column: str, query: str) -> str:
        """Give one value of a column, from the middle of the time."""
        middle = Window(self.window.since, self.window.since + DAYS * DAY // 2)
        statement = sql.compile_events(hunt.parse(query, now=self.until), SCOPE, middle, limit=1, columns=(column,))
        return str(self.ask(statement)[0][-1])

    def hours(self) -> int:
        """Count by hour and type over all, from the table of hours."""
        return len(self.store.query("SELECT hour, `event.type`, sum(events) FROM event_hour GROUP BY 1, 2"))

    def cost(self, action: Callable[[], int]) -> Answer:
        """Ask three times."""
        best = Answer(1e9, 1e9, 0)
        for _ in range(3):
            began, spent = time.monotonic(), cpu_seconds(self._pid)
            rows = action()
            wall, cpu = time.monotonic() - began, cpu_seconds(self._pid) - spent
            best = Answer(min(best.wall, wall * 1000), min(best.cpu, cpu * 1000), rows)
        return best

    def resident(self) -> int:
        """Peak MiB of the store process."""
        return int(resident_mb(self._pid))


class Peer:
    """DuckDB in this process."""

    def __init__(self, path: Path) -> None:
        self._db = duckdb.connect(str(path))
        self._made = False

    def insert(self, table: pa.Table) -> None:
        """Add rows."""
        rows = decoded(table)
        self._db.register("rows", rows)
        self._db.execute("INSERT INTO event SELECT * FROM rows" if self._made else "CREATE TABLE event AS FROM rows")
        self._db.unregister("rows")
        self._made = True

    def cost(self, statement: str, parameters: list[Any]) -> Answer:
        """Ask three times."""
        best = Answer(1e9, 1e9, 0)
        for _ in range(3):
            began, spent = time.monotonic(), time.process_time()
            rows = self._db.sql(statement, params=parameters).to_arrow_table().num_rows
            wall, cpu = time.monotonic() - began, time.process_time() - spent
            best = Answer(min(best.wall, wall * 1000), min(best.cpu, cpu * 1000), rows)
        return best


NEWEST = 'ORDER BY "event.time" DESC LIMIT 100'
TREE = """
WITH RECURSIVE tree(id, depth) AS (
    SELECT ?::VARCHAR, 0 UNION
    SELECT e."process.entity_id", depth + 1 FROM event e JOIN tree t ON e."process.parent.entity_id" = t.id
    WHERE e."event.type" = 'process_start' AND depth < 4
) SELECT * FROM tree LIMIT 500"""


def questions(ours: Ours) -> dict[str, tuple[Callable[[], int], str, list[Any]]]:
    """Give by name: our question, and DuckDB's words for it with their values."""
    digest = ours.some("file.sha256", "file.sha256:*")
    parent = ours.some("process.parent.entity_id", "event.type:process_start process.parent.entity_id:*")
    host = ours.some("host.id", "event.type:process_start")
    day = Window(ours.until - 10 * DAY, ours.until - 9 * DAY)
    text = "no-such-text-anywhere"
    since, until = (f"make_timestamp({moment})" for moment in (day.since, day.until))
    at = f'"event.time" >= {since} AND "event.time" < {until}'
    return {
        "digest": (
            lambda: ours.search(f"file.sha256:{digest}"),
            f'SELECT * FROM event WHERE "file.sha256" = ? {NEWEST}', [digest],
        ),
        "rare_text": (
            lambda: ours.search(f"process.command_line:*{text}*"),
            f'SELECT * FROM event WHERE "process.command_line" ILIKE ? {NEWEST}', [f"%{text}%"],
        ),
        "one_host": (
            lambda: ours.search(f"host.id:{host}", day),
            f'SELECT * FROM event WHERE "host.id" = ? AND {at} {NEWEST}', [host],
        ),
        "tree": (lambda: len(process_tree(ours.ask, parent, SCOPE).processes), TREE, [parent]),
        "hours": (
            ours.hours,
            "SELECT date_trunc('hour', \"event.time\") AS hour, \"event.type\", count(*) FROM event GROUP BY 1, 2", [],
        ),
    }  # fmt: skip


def main() -> None:
    """Fill both, ask both, print JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000_000)
    parser.add_argument("--hosts", type=int, default=400)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="vedette-bench-", dir="/var/tmp") as folder:
        process = subprocess.Popen([sys.executable, "-m", "vedette.store.server", "--data", folder])
        try:
            until = now() // DAY * DAY
            measure(Ours(Path(folder), process, until), Peer(Path(folder) / "duckdb"), given.events, given.hosts)
        finally:
            process.terminate()
            process.wait(60)


def measure(ours: Ours, peer: Peer, events: int, hosts: int) -> None:
    """Fill and ask."""
    for number, table in enumerate(portions(events, hosts, ours.until)):
        ours.store.insert(ipc_stream(table), token=f"portion/{number}")
        peer.insert(table)
        if number % 100 == 0:
            print(f"{number * PORTION:,} events", file=sys.stderr)
    rows = ours.store.query("SELECT count() FROM event")[0][0]
    about = f"{rows:,} events of {hosts} hosts and {DAYS} days"
    for name, (action, statement, values) in questions(ours).items():
        mine, theirs = ours.cost(action), peer.cost(statement, values)
        line: dict[str, Any] = {"value": round(mine.wall), "unit": "ms", "target": TARGETS[name]}
        line |= {"peer": "DuckDB 2", "peer_value": round(theirs.wall)}
        how = f"best of 3; CPU {mine.cpu:.0f} ms, peer's {theirs.cpu:.0f}; {mine.rows} rows, peer's {theirs.rows}"
        print(json.dumps({"name": f"at scale: {name}"} | line | {"how": f"{about}; wall time, {how}"}), flush=True)
    memory = {"name": "at scale: memory of the store", "value": ours.resident(), "unit": "MiB at most", "target": 2500}
    print(json.dumps(memory | {"peer": None, "peer_value": None, "how": about}), flush=True)


if __name__ == "__main__":
    main()
