"""Counts by hour equal the events, whatever is replayed, refused half-way or killed."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.query.conftest import arrow
from tests.store.conftest import StoreProcess

from vedette.runtime.clock import DAY
from vedette.store.columns import ipc_stream
from vedette.store.events import EventStore, EventStoreError
from vedette.store.hour_table import FEED, HOURS

START = 1_790_000_000_000_000
GROUPS = "tenant, toStartOfHour(`event.time`), `event.type`, `host.id`"


def segment(number: int, *, rows: int = 300, days: int = 3) -> bytes:
    """Give rows of several tenants, types, hosts and days."""
    return ipc_stream(
        arrow(
            [
                {
                    "tenant": f"t{n % 2}", "host.id": f"{n % 5:032x}", "event.type": ("os_log", "dns_query")[n % 2],
                    "event.time": START + n % days * DAY + n * 17_000_000, "event.received": START,
                    "event.epoch": "e" * 16, "event.sequence": number * rows + n,
                }
                for n in range(rows)
            ]
        )
    )  # fmt: skip


def equal(store: EventStore) -> int:
    """See that both tables tell the same; give the number of events."""
    events = store.query(f"SELECT {GROUPS}, count() FROM event GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4")
    hours = store.query(
        f"SELECT tenant, hour, `event.type`, `host.id`, sum(events) FROM {HOURS} "
        "GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4"
    )
    assert hours == events
    return sum(row[-1] for row in events)


def test_replays_count_once(tmp_path: Path, store_at: Callable[[Path], StoreProcess]) -> None:
    process = store_at(tmp_path)
    store = process.start()
    for number in (0, 1, 0, 2, 1, 2, 2):
        store.insert(segment(number), token=f"{number}/0")
    assert equal(store) == 900
    store.command(f"OPTIMIZE TABLE {HOURS} FINAL")
    assert equal(store) == 900
    process.stop(signal.SIGKILL)
    store = process.start()
    for number in range(4):
        store.insert(segment(number), token=f"{number}/0")
    assert equal(store) == 1200
    store.drop_day("t1", "2026-09-22")
    assert 0 < equal(store) < 1200


def test_what_got_only_into_the_event_table_counts_when_it_comes_again(
    tmp_path: Path, store_at: Callable[[Path], StoreProcess]
) -> None:
    store = store_at(tmp_path).start()
    store.insert(segment(0), token="0/0")
    store.command(f"ALTER TABLE {HOURS} ADD CONSTRAINT full CHECK `host.id` = ''")
    with pytest.raises(EventStoreError):
        store.insert(segment(1), token="1/0")
    assert store.query("SELECT count() FROM event") == [(600,)], "the event table has it, the hours have not"
    store.command(f"ALTER TABLE {HOURS} DROP CONSTRAINT full")
    for _ in range(2):
        store.insert(segment(1), token="1/0")
    assert equal(store) == 600


def test_a_store_without_hours_gets_them_at_its_next_start(
    tmp_path: Path, store_at: Callable[[Path], StoreProcess]
) -> None:
    process = store_at(tmp_path)
    store = process.start()
    store.command(f"DROP VIEW {FEED}")
    store.command(f"DROP TABLE {HOURS}")
    store.insert(segment(0), token="0/0")
    process.stop()
    store = process.start()
    assert equal(store) == 300
    store.insert(segment(1), token="1/0")
    assert equal(store) == 600
