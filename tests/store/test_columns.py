"""A merged batch as Arrow: what is known is there, what is not is left out."""

from typing import Any

import pyarrow as pa
import pytest

from vedette.schema.dictionary import FIELDS
from vedette.store.columns import arrow_table, ipc_stream, reference_arrow
from vedette.wire.batch import BatchHeader, RawBatch, RawColumns
from vedette.wire.merge import Arrival, Batch, merge


def batch(columns: dict[str, Any], rows: int = 2, kind: str = "process_start") -> Batch:
    header = BatchHeader(agent="a" * 32, epoch="e" * 16, first=1, last=rows, count=rows, sent=1)
    raw = RawBatch(header, {kind: RawColumns(rows, columns)})
    return merge([Arrival(batch=raw, host="a" * 32, tenant="default", epoch="e" * 16, received=5)])


def column(columns: dict[str, Any], name: str) -> list[Any]:
    return list(arrow_table(batch(columns)).column(name).to_pylist())


@pytest.mark.parametrize(
    ("name", "values", "found"),
    [
        ("process.pid", [7, None], [7, None]),
        ("process.command_line", ["", None], ["", None]),
        ("process.args", [["a"], None], [["a"], None]),
        ("process.args_truncated", [True, None], [True, None]),
        ("process.env", [{"A": "1"}, None], [[("A", "1")], None]),
    ],
)
def test_values_of_every_kind_stand_in_their_rows(name: str, values: list[Any], found: list[Any]) -> None:
    assert column({name: (values, b"\0\1")}, name) == found


def test_keys_without_a_column_make_a_map() -> None:
    columns = {"winlog.data.B": (["x"], b"\0\0"), "winlog.data.A": ([None, "y"], b"\0\1")}
    assert column(columns, "winlog.data") == [[("B", "x")], [("B", "x"), ("A", "y")]]


def test_what_is_refused_and_what_is_unknown_meet_in_the_extras() -> None:
    columns = {"new": ([1, None], b"\0\1"), "process.pid": (["many", 3], b"\0\1")}
    assert column(columns, "event.extra") == [[("new", "1"), ("process.pid", "many")], []]


def test_a_column_in_which_nothing_is_known_is_left_out() -> None:
    names = arrow_table(batch({"process.pid": ([None], b"\0\0"), "file.path": ([None], b"\0\0")})).column_names
    assert "process.pid" not in names
    assert "file.path" not in names
    assert {"event.type", "event.received", "host.id", "tenant"} <= set(names)


def test_the_narrowest_integers_travel() -> None:
    table = arrow_table(batch({"socket.local_port": ([80], b"\0\0")}, kind="port_listen"))
    assert table.schema.field("socket.local_port").type == pa.uint16()
    assert table.schema.field("tenant").type.index_type == pa.uint8()


def test_a_stream_is_read_back_whole() -> None:
    table = arrow_table(batch({"process.pid": ([7], b"\0\0")}))
    assert pa.ipc.open_stream(ipc_stream(table)).read_all().equals(table)


def test_the_reference_names_every_column() -> None:
    assert [line.partition(":")[0] for line in reference_arrow().splitlines()] == list(FIELDS)
