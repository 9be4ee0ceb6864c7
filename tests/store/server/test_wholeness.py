"""What the disk did not take is found before anything relies on it: parts of merges and of inserts."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.query.conftest import arrow
from tests.store.conftest import StoreProcess
from tests.store.test_hour_table import START, equal, segment

from vedette.store.columns import ipc_stream
from vedette.store.events import EventStore, EventStoreError
from vedette.store.server.new_parts import NewParts
from vedette.store.server.wholeness import (
    checksums_are_whole,
    columns_are_whole,
    forget,
    lack,
    substreams_are_whole,
)

COLUMNS = b"columns format version: 1\n2 columns:\n`a` String\n`b` String\n"
SUBSTREAMS = (
    b"columns substreams version: 1\n2 columns:\n1 substreams for column `a`:\n\ta\n2 substreams for column `b`:\n"
    b"\tb.dict\n\tb\n"
)
BLOCK = b"h" * 16 + b"\x90" + (14).to_bytes(4, "little") + b"size" + b"12345"
CHECKSUMS = b"checksums format version: 4\n" + BLOCK + BLOCK
LOG = b"1\tp_1_1_0\ttoken1\n1\tp_2_2_0\ttoken2\n"


@given(st.integers(0, 200))
def test_a_text_that_is_cut_is_not_whole(at: int) -> None:
    for data, is_whole in (
        (COLUMNS, columns_are_whole),
        (SUBSTREAMS, substreams_are_whole),
        (CHECKSUMS, checksums_are_whole),
    ):
        assert is_whole(data[:at]) is (at >= len(data) or (data is CHECKSUMS and at == len(data) - len(BLOCK)))


@given(st.binary(max_size=80))
def test_any_bytes_are_judged(data: bytes) -> None:
    for is_whole in (columns_are_whole, substreams_are_whole, checksums_are_whole):
        assert is_whole(data) in {True, False}


@pytest.fixture
def part(tmp_path: Path) -> Path:
    made = tmp_path / "p_1_1_0"
    made.mkdir()
    for name, data in {
        "data.bin": b"d" * 90,
        "count.txt": b"3",
        "columns.txt": COLUMNS,
        "checksums.txt": CHECKSUMS,
    }.items():
        (made / name).write_bytes(data)
    return made


def test_a_part_lacks_what_is_cut_or_gone(part: Path) -> None:
    assert lack(part, 91) == ""
    assert lack(part, 92) == "91 of 92 bytes are there"
    (part / "columns.txt").write_bytes(COLUMNS[:-1])
    assert lack(part, 91) == "columns.txt is cut off"
    assert "No such file" in lack(part / "gone", 91)


def test_only_a_part_that_is_still_active_ends_the_process(part: Path) -> None:
    active = [["event", part.name, f"{part}/", "91", "1"]]
    ended: list[int] = []
    parts = NewParts(lambda _: active, ended.append)
    parts.trust_present()
    parts.look_at_all()
    assert ended == []
    active.append(["event", "gone", f"{part}-gone/", "91", "2"])
    parts.look_at_all()
    assert ended == [1]
    answers = [active, active[:1]]  # merged and removed between the two questions
    NewParts(lambda _: answers.pop(0), ended.append).look_at_inserted()
    assert ended == [1]


def test_tokens_of_lost_inserts_are_taken_back(tmp_path: Path) -> None:
    log = tmp_path / "table" / "deduplication_logs" / "deduplication_log_2.txt"
    log.parent.mkdir(parents=True)
    log.write_bytes(LOG)
    (log.parent / "deduplication_log_1.txt").write_bytes(b"1\tp_0_0_0\ttoken0\n2\tp_9_9_0\ttoken9\n")
    aside = tmp_path / "table" / "detached"
    lost = [aside / f"broken-on-start_{name}" for name in ("p_2_2_0", "p_0_0_0_try3", "p_1_2_1")]
    for path in lost:
        path.mkdir(parents=True)
    assert forget(lost) == 2
    assert log.read_bytes() == LOG + b"2\tp_0_0_0\ttoken0\n2\tp_2_2_0\ttoken2\n"
    assert len(list(aside.glob("seen_*_broken-on-start_p_*"))) == 3, "the next part of that name is another"
    assert not any(path.exists() for path in lost)
    assert forget([]) == 0


@contextmanager
def files_up_to(process: StoreProcess, size: int) -> Iterator[None]:
    """Let the system refuse to make the store's files larger than `size` bytes, as a full disk would."""
    assert process.process is not None
    before = resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, (size, before[1]))
    yield
    if process.process.poll() is None:
        resource.prlimit(process.process.pid, resource.RLIMIT_FSIZE, before)


def ended(process: StoreProcess) -> bool:
    assert process.process is not None
    return process.process.poll() is not None


def restarted(process: StoreProcess) -> EventStore:
    """Start it as its supervisor would: again when it ends."""
    for _ in range(3):
        try:
            return process.start()
        except AssertionError:
            continue
    return process.start()


@pytest.mark.slow
def test_a_merge_that_the_disk_did_not_take_loses_nothing(
    tmp_path: Path, store_at: Callable[[Path], StoreProcess]
) -> None:
    process = store_at(tmp_path)
    store = process.start()
    for number in range(6):
        store.insert(segment(number, days=1), token=f"{number}/0")
    with files_up_to(process, 0):
        store.command("OPTIMIZE TABLE event FINAL")  # the engine says that it is done
    deadline = time.monotonic() + 60
    while not ended(process):
        assert time.monotonic() < deadline, "a part that is not whole was not found"
        time.sleep(0.1)
    store = restarted(process)
    assert equal(store) == 1800
    for number in range(6):
        store.insert(segment(number, days=1), token=f"{number}/0")
    assert equal(store) == 1800


@pytest.mark.slow
def test_an_insert_that_the_disk_did_not_take_is_not_acknowledged_and_comes_again(
    tmp_path: Path, store_at: Callable[[Path], StoreProcess]
) -> None:
    process = store_at(tmp_path)
    store = process.start()
    store.insert(segment(0, days=1), token="0/0")
    # One long value: little in the stream, much in the table.
    row = {
        "tenant": "t", "host.id": "a" * 32, "event.type": "os_log", "event.time": START, "event.received": START,
        "event.epoch": "e" * 16, "file.path": "x" * 60_000,
    }  # fmt: skip
    rows = arrow([row | {"event.sequence": number} for number in range(1000)])
    at = rows.column_names.index("file.path")
    large = ipc_stream(rows.set_column(at, "file.path", rows.column(at).combine_chunks().dictionary_encode()))
    assert len(large) < 180_000
    with files_up_to(process, 180_000), pytest.raises(EventStoreError):
        store.insert(large, token="1/0")
    store = restarted(process)
    assert store.query("SELECT count() FROM event") == [(300,)]
    for _ in range(2):
        store.insert(large, token="1/0")
        assert equal(store) == 1300
    process.stop()
    store = process.start()  # the whole part may have the name of the one that was not
    store.insert(large, token="1/0")
    assert equal(store) == 1300
