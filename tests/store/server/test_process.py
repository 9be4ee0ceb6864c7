"""The store process as its callers meet it: real HTTP, an unmodified ClickHouse client, crashes and full disks."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import clickhouse_connect
import pyarrow as pa
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, StreamFailureError

from vedette.store.columns import ipc_stream
from vedette.store.events import EventStore, EventStoreError

if TYPE_CHECKING:
    from tests.store.conftest import StoreProcess

Running = tuple[EventStore, "StoreProcess"]
ENDLESS = "SELECT count() FROM numbers(100000000000) WHERE sipHash64(number) = 1"


@pytest.fixture(scope="module")
def client(event_store: Running) -> Any:
    """Give the ClickHouse client with its own defaults."""
    address = urlsplit(event_store[1].url)
    return clickhouse_connect.get_client(
        host=str(address.hostname), port=int(address.port or 0), username="x", password=event_store[1].password
    )


def table(first: int, count: int) -> bytes:
    numbers = list(range(first, first + count))
    return ipc_stream(pa.table({"a": pa.array(numbers, pa.uint64()), "b": pa.array([f"row {n}" for n in numbers])}))


def rows_of(store: EventStore, name: str) -> tuple[Any, ...]:
    return store.query(f"SELECT count(), uniqExact(a) FROM {name}")[0]


def make(store: EventStore, name: str, settings: str = "non_replicated_deduplication_window = 100") -> None:
    store.command(f"CREATE TABLE {name} (a UInt64, b String) ENGINE = MergeTree ORDER BY a SETTINGS {settings}")


def test_an_unmodified_client_asks_inserts_and_streams(client: Any) -> None:
    client.command("CREATE TABLE plain (a UInt64, `b.c` LowCardinality(String)) ENGINE = MergeTree ORDER BY a")
    client.insert("plain", [[1, "x"], [2, "it's"]], column_names=["a", "b.c"])
    asked = client.query("SELECT * FROM plain WHERE `b.c` = {text:String}", parameters={"text": "it's"})
    assert asked.result_rows == [(2, "it's")]
    assert client.query_arrow("SELECT a FROM plain ORDER BY a").to_pydict() == {"a": [1, 2]}
    with client.query_row_block_stream("SELECT number FROM numbers(200000)") as blocks:
        assert sum(len(block) for block in blocks) == 200_000
    assert client.query("SELECT 1 WHERE 0").result_rows == []
    assert client.query("SELECT a FROM plain LIMIT 0").column_names == ("a",)


def test_errors_carry_their_code(client: Any) -> None:
    for statement, code in (
        ("SELECT nothing_of_this_name", 47),
        ("SELEC 1", 497),
        ("SELECT * FROM absent", 60),
        ("INSERT INTO absent FORMAT DataFrame", 73),
        ("SELECT * FROM file('/etc/passwd')", 497),
        (ENDLESS + " SETTINGS max_execution_time = 0.2", 159),
    ):
        with pytest.raises(DatabaseError) as caught:
            client.query(statement)
        assert caught.value.code == code, statement


def test_an_error_amid_a_result_is_not_a_short_result(client: Any) -> None:
    with pytest.raises(StreamFailureError, match="throwIf"):
        _ = client.query("SELECT number, throwIf(number = 1000000) FROM numbers(1000001)").result_rows


def test_without_the_password_nothing_is_answered(event_store: Running) -> None:
    with pytest.raises(EventStoreError, match="password") as caught:
        EventStore(event_store[1].url, "guess").query("SELECT 1")
    assert caught.value.code == 516
    assert (event_store[1].data / "run" / "store-password").stat().st_mode & 0o777 == 0o600


def test_a_ping_needs_no_password(event_store: Running) -> None:
    connection = http.client.HTTPConnection(str(urlsplit(event_store[1].url).netloc))
    connection.request("GET", "/ping")
    assert connection.getresponse().read() == b"Ok.\n"
    connection.close()


def test_a_body_beyond_the_limit_is_refused_unread(event_store: Running) -> None:
    connection = http.client.HTTPConnection(str(urlsplit(event_store[1].url).netloc))
    connection.putrequest("POST", "/")
    connection.putheader("X-ClickHouse-Key", event_store[1].password)
    connection.putheader("Content-Length", str(2**40))
    connection.endheaders()
    assert connection.getresponse().status == 413
    connection.close()


def test_it_listens_on_loopback_only(event_store: Running) -> None:
    port = int(urlsplit(event_store[1].url).port or 0)
    listening = subprocess.run(["ss", "-Hltn", f"sport = :{port}"], capture_output=True, text=True, check=True).stdout
    assert f"127.0.0.1:{port}" in listening
    assert len(listening.strip().splitlines()) == 1


def running(store: EventStore) -> int:
    return int(store.query("SELECT count() FROM system.processes WHERE query LIKE '%sipHash64%'")[0][0]) - 1


def wait_until(good: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not good():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_query_ends_when_its_caller_goes_away(event_store: Running) -> None:
    store, process = event_store
    address = urlsplit(process.url)
    caller = socket.create_connection((str(address.hostname), int(address.port or 0)))
    head = (
        f"POST / HTTP/1.1\r\nHost: x\r\nX-ClickHouse-Key: {process.password}\r\nContent-Length: {len(ENDLESS)}\r\n\r\n"
    )
    caller.sendall((head + ENDLESS).encode())
    wait_until(lambda: running(store) == 1)
    caller.close()
    wait_until(lambda: running(store) == 0)


def test_the_same_token_stores_once(event_store: Running) -> None:
    store, _ = event_store
    make(store, "tokens")
    for token in ("1", "1", "2"):
        store.insert(table(0, 1000), token=token, table="tokens")
    assert rows_of(store, "tokens") == (2000, 1000)


def test_a_directory_in_use_is_refused_with_a_sentence(event_store: Running) -> None:
    command = [sys.executable, "-m", "vedette.store.server", "--data", str(event_store[1].data)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert second.returncode == 1
    assert "is in use by another process" in second.stderr
    assert "Traceback" not in second.stderr


def test_kill_amid_inserts_keeps_what_was_answered_and_replay_stores_once(
    store_at: Callable[[Path], StoreProcess], tmp_path: Path
) -> None:
    process = store_at(tmp_path)
    store = process.start()
    make(store, "k", "non_replicated_deduplication_window = 100, fsync_after_insert = 1, fsync_part_directory = 1")
    answered: list[int] = []
    segments = {number: table(number * 20_000, 20_000) for number in range(40)}
    killer = threading.Timer(0.4, process.stop, [signal.SIGKILL])
    killer.start()
    try:
        for number, data in segments.items():
            store.insert(data, token=str(number), table="k")
            answered.append(number)
    except EventStoreError:
        pass
    killer.join()
    store = process.start()
    whole, distinct = rows_of(store, "k")
    assert whole == distinct
    assert whole % 20_000 == 0
    assert whole >= len(answered) * 20_000
    for number, data in segments.items():
        store.insert(data, token=str(number), table="k")
    assert rows_of(store, "k") == (800_000, 800_000)


def test_it_stops_within_seconds_while_a_query_runs(store_at: Callable[[Path], StoreProcess], tmp_path: Path) -> None:
    process = store_at(tmp_path)
    store = process.start()
    endings: list[str] = []

    def ask() -> None:
        with pytest.raises(EventStoreError) as caught:
            store.query(ENDLESS)
        endings.append(str(caught.value))

    asking = threading.Thread(target=ask)
    asking.start()
    other = EventStore(process.url, process.password)
    wait_until(lambda: running(other) == 1)
    began = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - began < 6
    asking.join()
    assert endings


@pytest.fixture
def tight_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 80 MiB (needs root)."""
    folder = tmp_path / "tight"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=80m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.root
def test_an_insert_on_a_full_disk_is_an_error_and_not_a_lie(
    store_at: Callable[[Path], StoreProcess], tight_disk: Path
) -> None:
    """The engine's send_insert reports success here: this is why it must never be used."""
    process = store_at(tight_disk)
    store = process.start()
    make(store, "f")
    noise = pa.array([random_text(number) for number in range(20_000)])
    answered, refused = 0, set()
    for number in range(60):
        numbers = pa.array(range(number * 20_000, number * 20_000 + 20_000), pa.uint64())
        try:
            store.insert(ipc_stream(pa.table({"a": numbers, "b": noise})), token=str(number), table="f")
            answered += 1
        except EventStoreError as error:
            refused.add(error.code)
    assert answered
    assert refused == {243}
    assert rows_of(store, "f") == (answered * 20_000, answered * 20_000)


def random_text(number: int) -> str:
    import hashlib

    return hashlib.sha512(b"%d" % number).hexdigest()
