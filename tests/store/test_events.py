"""The event store's client: values in, values out, and errors as sentences with their number."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

from vedette.schema.dictionary import EVENT_ID, FIELDS, Field, Kind
from vedette.schema.identity import event_id
from vedette.store.columns import arrow_table, ipc_stream
from vedette.store.events import EventStore, EventStoreError
from vedette.wire.batch import BatchHeader, RawBatch, RawColumns
from vedette.wire.merge import Arrival, merge
from vedette.wire.values import EARLIEST, LATEST

if TYPE_CHECKING:
    from tests.store.conftest import StoreProcess

HOST, EPOCH, TIME = "a" * 32, "e" * 16, 1_790_000_000_123_456


@pytest.fixture
def store(event_store: tuple[EventStore, StoreProcess]) -> EventStore:
    return event_store[0]


def inserted(store: EventStore, columns: dict[str, Any], count: int, token: str) -> None:
    header = BatchHeader(agent=HOST, epoch=EPOCH, first=1, last=count, count=count, sent=TIME)
    batch = RawBatch(header, {"process_start": RawColumns(count, columns)})
    made = Arrival(batch=batch, host=HOST, tenant=token, epoch=EPOCH, received=TIME)
    store.insert(ipc_stream(arrow_table(merge([made]))), token=token)


def columns(**more: Any) -> dict[str, Any]:
    return {"event.sequence": ([1, 2], b"\0\1"), "event.time": ([TIME], b"\0\0"), **more}


def test_the_table_has_every_field(store: EventStore) -> None:
    assert set(store.columns()) == {*FIELDS, EVENT_ID.name}


def test_values_come_back_as_they_went_in(store: EventStore) -> None:
    given: dict[str, tuple[Any, Any]] = {
        "process.pid": (4_294_967_295, None),
        "process.exit_code": (-1, None),
        "file.size": (2**63 - 1, 0),
        "process.command_line": ("Ünï \x00 'quoted' \\", None),
        "process.args": (("a", ""), ()),
        "process.env": ({"A": "1", "B": ""}, {}),
        "process.args_truncated": (True, False),
        "winlog.data": ({"KeyLength": "128"}, {}),
        "winlog.data.LogonType": ("3", None),
        "event.extra": ({"new.field": "7", "file.md5": "too long" * 10}, {}),
    }
    sent = columns(**{
        "process.pid": ([4_294_967_295, None], b"\0\1"),
        "process.exit_code": ([-1, None], b"\0\1"),
        "file.size": ([2**63 - 1, 0], b"\0\1"),
        "process.command_line": (["Ünï \x00 'quoted' \\", None], b"\0\1"),
        "process.args": ([["a", ""], None], b"\0\1"),
        "process.env": ([{"A": "1", "B": ""}, None], b"\0\1"),
        "process.args_truncated": ([True, False], b"\0\1"),
        "winlog.data.KeyLength": (["128", None], b"\0\1"),
        "winlog.data.LogonType": (["3", None], b"\0\1"),
        "new.field": ([7, None], b"\0\1"),
        "file.md5": (["too long" * 10, None], b"\0\1"),
    })  # fmt: skip
    inserted(store, sent, 2, "values")
    names = ", ".join(f"`{name}`" for name in given)
    found = store.query(f"SELECT {names} FROM event WHERE tenant = 'values' ORDER BY `event.sequence`")
    wanted = [tuple(value[row] for value in given.values()) for row in range(2)]
    assert [tuple(tuple(v) if isinstance(v, list) else v for v in row) for row in found] == wanted


def edges(field: Field) -> list[Any]:
    """Values at the bounds of a field, and the unknown one."""
    match field.kind:
        case Kind.TEXT:
            return ["", "x", "\x00\n'\\", "Ünï\U0001f600", "é" * min(field.maximum, 5000), None]
        case Kind.INTEGER:
            return [field.minimum, field.maximum, None, 0]
        case Kind.TIME:
            return [EARLIEST, LATEST, 0, -1, None]
        case Kind.BOOLEAN:
            return [True, False, None]
        case Kind.LIST:
            return [["", "a", "Ünï"], ["x"] * 4000, []]
        case Kind.MAP:
            return [{"": "", "a b": "Ünï"}, {str(n): str(n) for n in range(1000)}, {}]


def test_every_column_holds_the_edges_of_its_field(store: EventStore) -> None:
    rows = 6
    own = [field for field in FIELDS.values() if not (field.server or field.header or field.spread)]
    values = {field.name: [edges(field)[row % len(edges(field))] for row in range(rows)] for field in own}
    del values["event.time"]
    sent = {name: (column, bytes(range(rows))) for name, column in values.items()}
    sent |= {"event.sequence": (list(range(rows)), bytes(range(rows))), "event.time": ([TIME], bytes(rows))}
    inserted(store, sent, rows, "edges")
    what = [f"toUnixTimestamp64Micro(`{name}`)" if FIELDS[name].kind is Kind.TIME else f"`{name}`" for name in values]
    found = store.query(f"SELECT {', '.join(what)} FROM event WHERE tenant = 'edges' ORDER BY `event.sequence`")
    for (name, column), got in zip(values.items(), zip(*found, strict=True), strict=True):
        assert list(got) == column, name


def test_the_event_id_is_that_of_the_rest_of_the_product(store: EventStore) -> None:
    inserted(store, columns(), 2, "ids")
    statement = (
        "SELECT `event.id`, toUnixTimestamp64Micro(`event.time`) FROM event WHERE tenant = {t:String} ORDER BY 1"
    )
    found = store.query(statement, {"t": "ids"})
    assert found == sorted((event_id(HOST, EPOCH, number), TIME) for number in (1, 2))


def test_parts_tell_bytes_by_tenant_and_day(store: EventStore) -> None:
    inserted(store, columns(), 2, "parts")
    (found,) = [part for part in store.parts() if part.tenant == "parts"]
    assert (found.day, found.rows, found.parts) == ("2026-09-21", 2, 1)
    assert found.size > 0


def test_a_query_cannot_change_anything(store: EventStore) -> None:
    with pytest.raises(EventStoreError, match="readonly") as caught:
        store.query("INSERT INTO event (`event.sequence`) VALUES (1)")
    assert caught.value.code == 164


def test_limits_have_their_number_at_the_start_and_amid_a_result(store: EventStore) -> None:
    for statement, settings, code in (
        ("SELECT sum(sipHash64(number)) FROM numbers(100000000000)", {"max_execution_time": 0.1}, 159),
        ("SELECT number FROM numbers(2000000)", {"max_rows_to_read": 1000}, 158),
        ("SELECT number, throwIf(number = 1000000) FROM numbers(1000001)", {}, 395),
    ):
        with pytest.raises(EventStoreError) as caught:
            store.query(statement, settings=settings)
        assert caught.value.code == code


def test_a_stream_gives_rows_one_by_one(store: EventStore) -> None:
    rows = store.stream("SELECT number FROM numbers({n:UInt64})", {"n": 200_000})
    assert next(rows) == (0,)
    assert sum(row[0] for row in rows) == math.comb(200_000, 2)


def test_a_long_list_is_a_parameter_like_any_other(store: EventStore) -> None:
    digests = [f"{number:064x}" for number in range(20_000)]
    statement = "SELECT count() FROM numbers(10) WHERE has({list:Array(String)}, lower(leftPad(hex(number), 64, '0')))"
    assert store.query(statement, {"list": digests}) == [(10,)]


def test_several_threads_share_a_store(store: EventStore) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda n=n: found.append(store.query("SELECT {n:UInt8}", {"n": n})[0][0]))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(8))


def test_an_older_table_grows_at_the_next_start(store_at: Any, tmp_path: Any) -> None:
    process = store_at(tmp_path)
    store = process.start()
    store.command("ALTER TABLE event DROP INDEX index_file_path")
    store.command("ALTER TABLE event DROP COLUMN `file.path`")
    inserted(store, columns(), 2, "old")
    process.stop()
    store = process.start()
    assert set(store.columns()) == {*FIELDS, EVENT_ID.name}
    assert store.query("SELECT `file.path` FROM event") == [(None,), (None,)]


def test_a_store_that_is_away_is_an_error_without_a_number() -> None:
    with pytest.raises(EventStoreError, match="cannot be reached") as caught:
        EventStore("http://127.0.0.1:9", "x").insert(ipc_stream(pa.table({"a": [1]})), token="t")
    assert caught.value.code == 0
