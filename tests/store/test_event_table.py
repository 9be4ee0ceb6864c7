"""The event table's definition follows the field dictionary."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.query.conftest import arrow
from tests.store.conftest import StoreProcess
from tests.store.test_hour_table import START, equal

from vedette.schema.dictionary import EVENT_ID, FIELDS, Field, Kind
from vedette.store.columns import ipc_stream
from vedette.store.event_table import (
    REQUIRED,
    TABLE,
    add_columns,
    column_type,
    create_table,
    integer_type,
    reference_ddl,
)
from vedette.store.hour_table import FEED, HOURS

RECORDED = Path(__file__).parent.parent.parent / "docs" / "reference" / "event.sql"


def test_the_definition_is_the_recorded_one() -> None:
    """`make gen` records it; its diff is read like code."""
    assert reference_ddl() == RECORDED.read_text()


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_a_column(name: str) -> None:
    lines = [line.strip().rstrip(",") for line in create_table().splitlines()]
    assert f"`{name}` {column_type(FIELDS[name])}" in lines


def test_the_event_id_is_computed_not_stored() -> None:
    assert f"`{EVENT_ID.name}` String ALIAS" in create_table()


def test_only_the_required_columns_are_always_known() -> None:
    always = {
        name
        for name, field in FIELDS.items()
        if "Nullable" not in column_type(field) and field.kind not in (Kind.LIST, Kind.MAP)
    }
    assert always == REQUIRED


def test_a_cluster_has_another_engine() -> None:
    assert ") ENGINE = ReplicatedMergeTree('/t/{shard}', '{replica}')\n" in create_table(
        "ReplicatedMergeTree('/t/{shard}', '{replica}')"
    )


@pytest.mark.parametrize(
    ("minimum", "maximum", "name"),
    [(0, 255, "UInt8"), (0, 256, "UInt16"), (-1, 5, "Int32"), (0, 2**32 - 1, "UInt32"), (0, 2**63 - 1, "Int64")],
)
def test_integers_take_the_smallest_type_that_holds_them(minimum: int, maximum: int, name: str) -> None:
    assert integer_type(Field(name="x", kind=Kind.INTEGER, minimum=minimum, maximum=maximum)) == name


def test_what_no_integer_type_holds_is_an_error() -> None:
    with pytest.raises(ValueError, match="no integer type"):
        integer_type(Field(name="x", kind=Kind.INTEGER, maximum=2**64))


def test_an_older_table_gets_what_it_lacks() -> None:
    changes = add_columns(set(FIELDS) - {"file.path", "process.pid"})
    assert "ADD COLUMN IF NOT EXISTS `file.path`" in changes
    assert "ADD INDEX IF NOT EXISTS index_file_path" in changes
    assert "ADD COLUMN IF NOT EXISTS `process.pid` Nullable(UInt32)" in changes
    assert add_columns(FIELDS) == ""


@pytest.mark.slow
def test_a_store_of_an_older_version_gets_its_columns_and_keeps_its_rows(
    tmp_path: Path, store_at: Callable[[Path], StoreProcess]
) -> None:
    """The first version's table is this one's without some columns, their indexes, and the counts by hour."""
    lacking = ("file.path", "process.pid", "dns.answers", "winlog.data")
    process = store_at(tmp_path)
    store = process.start()
    for statement in (f"DROP VIEW {FEED}", f"DROP TABLE {HOURS}", f"DROP TABLE {TABLE}", older_table(lacking)):
        store.command(statement)
    store.insert(ipc_stream(arrow([row(number) for number in range(50)])), token="0/0")
    process.stop()

    store = process.start()
    assert set(FIELDS) <= set(store.columns())
    assert store.query("SELECT count(), sum(`event.sequence`), countIf(`file.path` IS NULL) FROM event") == [
        (50, 1225, 50)
    ]
    new = row(50) | {"file.path": "/bin/x", "process.pid": 7, "dns.answers": ["a"], "winlog.data": {"k": "v"}}
    for _ in range(2):
        store.insert(ipc_stream(arrow([new])), token="1/0")
    columns = "`event.sequence`, `process.pid`, `dns.answers`, `winlog.data`"
    found = store.query(f"SELECT {columns} FROM event WHERE lower(`file.path`) = '/bin/x'")
    assert found == [(50, 7, ["a"], {"k": "v"})]
    assert equal(store) == 51
    process.stop()
    assert equal(process.start()) == 51


def row(number: int) -> dict[str, object]:
    return {
        "tenant": "t", "host.id": "a" * 32, "event.type": "os_log", "event.time": START + number,
        "event.received": START, "event.epoch": "e" * 16, "event.sequence": number,
    }  # fmt: skip


def older_table(lacking: tuple[str, ...]) -> str:
    lines = create_table().split("\n")
    return "\n".join(line for line in lines if not any(f"`{name}`" in line for name in lacking))
