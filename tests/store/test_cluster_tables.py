"""The tables of ClickHouse servers: read by the engine's own parser, and the same but for the engine."""

import re
import zlib

import pytest
from click.testing import CliRunner

from vedette.cli.main import cli
from vedette.runtime.errors import ConfigError
from vedette.schema.dictionary import FIELDS
from vedette.store.cluster_tables import PLACE, create_all, upgrade_all
from vedette.store.event_table import create_table
from vedette.store.events import EventStore, EventStoreError
from vedette.store.shards import shard_of


@pytest.fixture(scope="module")
def store(event_store: tuple[EventStore, object]) -> EventStore:
    return event_store[0]


@pytest.mark.parametrize("statement", [*create_all("c-1"), *upgrade_all("c-1")], ids=lambda text: text[:40])
def test_the_engine_reads_each_statement(store: EventStore, statement: str) -> None:
    assert store.query(f"EXPLAIN AST {statement}")
    assert "ON CLUSTER" in statement or statement.startswith("USE")


def test_what_is_wrong_is_seen(store: EventStore) -> None:

    with pytest.raises(EventStoreError):
        store.query(f"EXPLAIN AST {create_all('c')[2].replace('PARTITION BY', 'PARTITIONED')}")


def test_only_engine_cluster_and_memory_of_tokens_differ() -> None:
    made = create_all("c")[2]
    made = made.replace(" ON CLUSTER 'c'", "")
    made = re.sub(r"ReplicatedMergeTree\([^)]*\)", "MergeTree", made)
    made = re.sub(r"replicated_deduplication_window = 10000, [a-z_]+ = \d+", "tokens", made)
    assert made == create_table().replace("non_replicated_deduplication_window = 10000", "tokens")


def test_an_upgrade_adds_every_column_to_the_tables_and_to_what_shows_all() -> None:
    _, table, shown = upgrade_all("c")
    for statement in (table, shown):
        assert all(f"ADD COLUMN IF NOT EXISTS `{name}` " in statement for name in FIELDS)
    assert "INDEX" in table
    assert "INDEX" not in shown


def test_clickhouse_places_a_host_where_vedette_does(store: EventStore) -> None:
    hosts = [f"{number * 7919:032x}" for number in range(50)]
    for host in hosts:
        ((found,),) = store.query(f"SELECT {PLACE.replace('`host.id`', '{host:String}')}", {"host": host})
        assert found == zlib.crc32(host.encode())
    assert {shard_of(host, 3) for host in hosts} == {0, 1, 2}


@pytest.mark.parametrize("name", ["", "a'b", "c; DROP TABLE event", "x" * 101])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(ConfigError):
        create_all(name)


def test_the_command_prints_them_for_clickhouse_client() -> None:
    printed = CliRunner().invoke(cli, ["central", "tables", "--cluster", "c"]).output
    assert printed == "".join(f"{statement};\n\n" for statement in create_all("c"))
    assert CliRunner().invoke(cli, ["central", "tables", "--cluster", "c", "--upgrade"]).output.count(";\n") == 3
