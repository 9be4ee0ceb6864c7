"""What a hunt costs: reading and compiling the query, and the store's CPU for typical ones over a week of events.

python bench/hunt.py [--events 400000] [--hosts 40]

Realistic events (see vedette.fleet.endpoint) of a week; each hunt asks for the newest 100 of all seven days, with every
column, the engine's condition cache off; the best of five. The store process's CPU is counted, user and system.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import receive  # type: ignore[import-not-found] # beside this file
from vedette.fleet.endpoint import Endpoint
from vedette.query import hunt, sql
from vedette.query.search import Question, Search
from vedette.query.statement import Statement, Window
from vedette.query.tree import process_tree
from vedette.runtime.clock import DAY, now
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.entities import Host, Os
from vedette.store.columns import arrow_table, ipc_stream
from vedette.store.event_table import create_table
from vedette.store.events import EventStore, EventStoreError
from vedette.wire.batch import BatchHeader, Builder, decode, frame
from vedette.wire.merge import Arrival, merge

SCOPE = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])
DAYS = 7
SMALL = 'process.file.name:curl AND NOT user.name:root AND (process.pid:5..10 OR file.name in (a, b, "c*"))'


class Week:
    """A store process with a week of events."""

    def __init__(self, data: Path, process: "subprocess.Popen[bytes]", *, hosts: int, events: int) -> None:
        self.process = process
        self.store = connected(data / "run", process)
        self.until = now()
        self.window = Window(self.until - DAYS * DAY, self.until)
        self.hosts = [Endpoint(number) for number in range(hosts)]
        size = events // DAYS // hosts
        for day in range(DAYS):
            arrivals = [self._arrival(host, day, size) for host in self.hosts]
            for first in range(0, hosts, 20):
                table = arrow_table(merge(arrivals[first : first + 20]))
                self.store.insert(ipc_stream(table), token=f"{day}/{first}")

    def _arrival(self, host: Any, day: int, size: int) -> Arrival:
        host.time = self.until - (DAYS - day) * DAY + host.number * 1_000
        events = host.events(size)
        payload = Builder(events).encode(1 + day * size)
        header = BatchHeader(
            agent=host.id, epoch="0" * 16, first=1 + day * size, last=(day + 1) * size, count=size, sent=now(),
            host=Host(id=host.id, name=f"WS-{host.number:05d}"), os=Os(family="windows"),
        )  # fmt: skip
        return Arrival(decode(frame(header, payload)), host.id, "default", "0" * 16, self.until)

    def ask(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Run a statement without the cache that a first hunt does not have."""
        return self.store.query(
            statement.sql, statement.parameters, statement.settings | {"use_query_condition_cache": 0}
        )

    def search(self, query: str) -> int:
        """Give the number of rows of the first page."""
        question = Question(hunt.parse(query, now=self.until), SCOPE, self.window)
        return len(Search(self.ask, time.monotonic).events(question, limit=100).rows)

    def some(self, column: str, *, where: str = "process.entity_id:*") -> str:
        """Give one value of a column, from the middle of the week."""
        node = hunt.parse(where, now=self.until)
        window = Window(self.window.since, self.window.since + 4 * DAY)
        rows = self.ask(sql.compile_events(node, SCOPE, window, limit=1, columns=(column,)))
        return str(rows[0][-1])

    def cost(self, action: Callable[[], object]) -> dict[str, object]:
        """CPU of the store and wall time, ms: the best of five."""
        best, wall, answer = 1e9, 1e9, None
        for _ in range(5):
            start, spent = time.monotonic(), receive.cpu_seconds(self.process.pid)
            answer = action()
            wall = min(wall, time.monotonic() - start)
            best = min(best, receive.cpu_seconds(self.process.pid) - spent)
        return {"cpu_ms": round(best * 1000), "wall_ms": round(wall * 1000), "answer": answer}


@contextmanager
def week(*, hosts: int, events: int) -> Iterator[Week]:
    """Give a week of events in a store that ends with the block."""
    with tempfile.TemporaryDirectory(prefix="vedette-bench-") as folder:
        process = subprocess.Popen([sys.executable, "-m", "vedette.store.server", "--data", folder])
        try:
            yield Week(Path(folder), process, hosts=hosts, events=events)
        finally:
            process.terminate()
            process.wait(30)


def connected(run: Path, process: "subprocess.Popen[bytes]") -> EventStore:
    """Wait for the store and make its table."""
    while process.poll() is None:
        time.sleep(0.2)
        if (run / "store.ready").exists():
            port = int((run / "store.ready").read_bytes())
            store = EventStore(f"http://127.0.0.1:{port}", (run / "store-password").read_text())
            with suppress(EventStoreError):
                store.command(create_table())
                return store
    raise SystemExit("the store did not start")


def microseconds(action: Callable[[], object], times: int = 300) -> float:
    """CPU of one call."""
    action()
    start = time.process_time()
    for _ in range(times):
        action()
    return round((time.process_time() - start) / times * 1e6, 1)


def hunts(made: Week) -> dict[str, Callable[[], object]]:
    """Give the hunts that are measured, by name."""
    digest = made.some("file.sha256", where="file.sha256:*")
    entity = made.some("process.entity_id", where="event.type:process_start")
    return {
        "digest": lambda: made.search(f"file.sha256:{digest}"),
        "absent_digest": lambda: made.search("f" * 64),
        "thousand_digests": lambda: made.search(f"file.sha256 in ({', '.join(f'{n:064x}' for n in range(1000))})"),
        "rare_text": lambda: made.search("process.command_line:*no-such-text-anywhere*"),
        "rare_expression": lambda: made.search("process.command_line:/no-such-text \\d+ anywhere/"),
        "common_text": lambda: made.search("process.command_line:*powershell*"),
        "program": lambda: made.search("process.file.name:powershell.exe event.type:process_start"),
        "word": lambda: made.search("mimikatz"),
        "newest": lambda: made.search("*"),
        "one_host": lambda: made.search(f"host.id:{made.hosts[3].id}"),
        "tree": lambda: len(process_tree(made.ask, entity, SCOPE).processes),
    }


def main() -> None:
    """Run and print JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=400_000)
    parser.add_argument("--hosts", type=int, default=40)
    given = parser.parse_args()
    at = now()
    node = hunt.parse(SMALL, now=at)
    window = Window(at - DAY, at)
    read = microseconds(lambda: hunt.parse(SMALL, now=at))
    compiled = microseconds(lambda: sql.compile_events(node, SCOPE, window, limit=100))
    _print("hunt_parse", read, "us to read a query of five conditions", {})
    _print("hunt_compile", compiled, "us to compile it to SQL", {})
    with week(hosts=given.hosts, events=given.events) as made:
        rows = made.store.query("SELECT count() FROM event")[0][0]
        for name, action in hunts(made).items():
            cost = made.cost(action)
            _print(f"hunt_{name}", cost["cpu_ms"], f"ms of store CPU, {rows:,} events of {DAYS} days", cost)


def _print(name: str, value: object, unit: str, more: dict[str, object]) -> None:
    line = {"name": name, "value": value, "unit": unit, "target": None, "peer": None, "peer_value": None}
    print(json.dumps(line | {"how": "bench/hunt.py"} | more))


if __name__ == "__main__":
    main()
