"""A store process, a state, and what removes old events from them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.query.conftest import arrow
from tests.store.conftest import StoreProcess, small_disk, store_at

from vedette.runtime.clock import DAY
from vedette.store.columns import ipc_stream
from vedette.store.events import EventStore
from vedette.store.state import State, audit, migrate, open_state, sqlite_url

__all__ = ["small_disk", "store_at"]

NOW = 20_000 * DAY + DAY // 2
KEY = b"audit key of the test"


class Kept:
    """A store and a state in one folder."""

    def __init__(self, folder: Path, process: StoreProcess) -> None:
        self.process = process
        self.store: EventStore = process.start()
        migrate(sqlite_url(folder / "state.sqlite"))
        self.state: State = open_state(sqlite_url(folder / "state.sqlite"))
        self.inserts = 0

    def do(self, work: Callable[[EventStore], Any]) -> Any:
        return work(self.store)

    def insert(self, tenant: str, *, back: int, rows: int = 10, host: str = "a" * 32, first: int = 1) -> None:
        """Store events of `back` days ago."""
        self.inserts += 1
        time = NOW - back * DAY
        events = [
            {
                "tenant": tenant, "host.id": host, "event.time": time + n, "event.sequence": first + n,
                "event.received": NOW, "event.epoch": "e" * 16, "event.type": "process_start",
            }
            for n in range(rows)
        ]  # fmt: skip
        self.store.insert(ipc_stream(arrow(events)), token=f"insert {self.inserts}")

    def days(self) -> dict[tuple[str, int], int]:
        """Give the rows by tenant and days ago."""
        sql = "SELECT tenant, toInt64(20000 - toRelativeDayNum(`event.time`)), count() FROM event GROUP BY 1, 2"
        return {(tenant, back): rows for tenant, back, rows in self.store.query(sql)}

    def audited(self) -> list[tuple[str, str, str, str]]:
        """Give (action, tenant, target, reason) of the audit log, which is whole."""
        with self.state.read() as db:
            found = audit.verify(db, KEY)
            assert found.whole or not found.entries
            entries = [audit.get(db, number) for number in range(1, found.entries + 1)]
        return [(one.action, one.tenant, one.target, one.detail["reason"]) for one in entries]


@pytest.fixture
def kept(tmp_path: Path, store_at: Callable[[Path], StoreProcess]) -> Iterator[Kept]:
    made = Kept(tmp_path, store_at(tmp_path))
    yield made
    made.state.close()
