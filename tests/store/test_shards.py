"""Three stores as one: the same answers as one store that has everything; one of them away; nothing lost or doubled."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import until
from tests.query.conftest import HOUR, NOW, arrow, make_rows

from vedette.query import hunt, sql
from vedette.query.search import Answer, Ask, Question, Search
from vedette.query.statement import Limits, Statement, Window
from vedette.query.tree import process_tree
from vedette.runtime.errors import NotFoundError
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.store.columns import ipc_stream
from vedette.store.events import EventStore, EventStoreError, Numbers
from vedette.store.shards import Shards, shard_of, split

if TYPE_CHECKING:
    from tests.store.conftest import StoreProcess

EVERYBODY = Scope(tenants=frozenset({"default", "other"}), rights=RIGHTS[Role.ADMINISTRATOR])
PERIOD = Window(NOW - 40 * HOUR, NOW + HOUR)
EVERYTHING = Question(hunt.parse("event.type:*", now=NOW), EVERYBODY, PERIOD)
NAMES = ["a", "b", "c"]
HOSTS = 40


def rows_of(count: int, seed: int) -> list[dict[str, Any]]:
    rows = make_rows(count, seed)
    for number, row in enumerate(rows):
        row["host.id"] = f"{number * 7 % HOSTS:032x}"
        row["process.entity_id"] = f"{number % 200:032x}"
        row["process.parent.entity_id"] = f"{number % 200 // 2:032x}"
    return rows


def asking(store: EventStore) -> Ask:
    def ask(statement: Statement) -> list[tuple[Any, ...]]:
        asked = statement.sql, statement.parameters, statement.settings
        return store.query(*asked, merge=statement.merge, partial=statement.partial)

    return ask


def search(store: EventStore) -> Search:
    return Search(asking(store), time.monotonic, Limits(seconds=60))


class Cluster:
    """Three stores as shards, and one that has the rows of all."""

    def __init__(self, folder: Path, store_at: Callable[[Path], StoreProcess]) -> None:
        self.processes = {name: store_at(folder / name) for name in (*NAMES, "whole")}
        (folder / "password").write_text("only-on-loopback")
        for process in self.processes.values():
            process.options = ("--password-file", str(folder / "password"))
        with ThreadPoolExecutor() as pool:
            begun = {name: pool.submit(process.start) for name, process in self.processes.items()}
            started = {name: one.result() for name, one in begun.items()}
        self.whole = started.pop("whole")
        self.shards = Shards(started)

    def insert(self, rows: list[dict[str, Any]], token: str) -> None:
        data = ipc_stream(arrow(rows))
        self.whole.insert(data, token=token)
        self.shards.insert(data, token=token)

    def node(self, name: str) -> EventStore:
        return EventStore(self.processes[name].url, "only-on-loopback")

    def kill(self, name: str) -> None:
        process = self.processes[name]
        process.options = (*process.options[:2], "--port", process.url.rpartition(":")[2])
        process.stop(signal.SIGKILL)

    def bring_back(self, name: str) -> None:
        self.processes[name].start()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory, stores: Callable[[Path], StoreProcess]) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("shards"), stores)
    made.insert(rows_of(3_000, 7), "1/0")
    yield made
    made.shards.close()


def same(cluster: Cluster, ask: Callable[[Search], Answer]) -> Answer:
    """Ask the shards what the one store is asked, and see that they say the same."""
    expected, found = ask(search(cluster.whole)), ask(search(cluster.shards))
    assert found == expected
    return found


@pytest.mark.parametrize("query", ["event.type:*", "NOT host.name:WS-1"])
def test_answers_are_those_of_one_store(cluster: Cluster, query: str) -> None:
    question = Question(hunt.parse(query, now=NOW), EVERYBODY, PERIOD)
    columns = ("process.pid", "process.args")
    first = same(cluster, lambda s: s.events(question, limit=77, columns=columns))
    second = same(cluster, lambda s: s.events(question, limit=77, columns=columns, cursor=first.cursor))
    count = same(cluster, lambda s: s.count(question)).rows[0]
    assert count[0] > len(first.rows) + len(second.rows) == 154
    assert same(cluster, lambda s: s.histogram(question, bucket=HOUR)).rows
    for field in ("process.command_line", "host.id", "process.args"):
        assert same(cluster, partial(Search.top, question=question, name=field, limit=5)).rows


def test_completions_trees_and_sums_are_those_of_one_store(cluster: Cluster) -> None:
    statement = sql.compile_values("process.command_line", "c", EVERYBODY, PERIOD, limit=3)
    assert asking(cluster.shards)(statement) == asking(cluster.whole)(statement)
    for number in (5, 150):
        identity = f"{number:032x}"
        found = process_tree(asking(cluster.shards), identity, EVERYBODY)
        assert found == process_tree(asking(cluster.whole), identity, EVERYBODY)
    hosts = [f"{number:032x}" for number in range(HOSTS)]
    whole, shards = cluster.whole, cluster.shards
    for since in (PERIOD.since, NOW - HOUR):
        ranges = {"since": since, "until": PERIOD.until}
        assert sorted(shards.held("default", hosts, **ranges)) == sorted(whole.held("default", hosts, **ranges))
        numbers = Numbers("default", hosts[7], f"{1:016x}", 0, 3_000)
        assert shards.runs(numbers, **ranges) == whole.runs(numbers, **ranges)
    sums = [[(one.tenant, one.day, one.rows) for one in store.parts()] for store in (shards, whole)]
    assert sums[0] == sums[1]
    assert set(shards.columns()) == set(whole.columns())


def test_each_host_is_on_one_shard_and_each_shard_has_some(cluster: Cluster) -> None:
    for place, name in enumerate(NAMES):
        found = cluster.node(name).query("SELECT DISTINCT `host.id` FROM event")
        assert {shard_of(host, 3) for (host,) in found} == {place}


def test_a_segment_that_comes_again_is_stored_once(cluster: Cluster) -> None:
    before = same(cluster, lambda s: s.count(EVERYTHING))
    cluster.insert(rows_of(3_000, 7), "1/0")
    after = same(cluster, lambda s: s.count(EVERYTHING))
    assert before == after


def test_what_all_refuse_is_a_refusal_and_what_one_refuses_is_tried_again(cluster: Cluster) -> None:
    rows = [row | {"event.epoch": "e" * 16} for row in rows_of(100, 1)]
    wrong = arrow(rows).drop_columns(["event.sequence"]).append_column("event.sequence", pa.array(["x"] * 100))
    with pytest.raises(EventStoreError) as refused:
        cluster.shards.insert(ipc_stream(wrong), token="2/0")
    assert refused.value.code
    cluster.node("b").command("ALTER TABLE event ADD CONSTRAINT nothing CHECK 0")
    with pytest.raises(EventStoreError, match="do not agree") as divided:
        cluster.shards.insert(ipc_stream(arrow(rows)), token="2/1")
    assert divided.value.code == 0
    cluster.node("b").command("ALTER TABLE event DROP CONSTRAINT nothing")
    cluster.insert(rows, "2/1")
    same(cluster, lambda s: s.count(EVERYTHING))


def test_one_of_three_is_killed_and_comes_back(cluster: Cluster) -> None:
    rows = [row | {"event.epoch": "f" * 16} for row in rows_of(600, 23)]
    data = ipc_stream(arrow(rows))
    before = {name: counted(cluster.node(name)) for name in NAMES}
    lacking = sum(shard_of(row["host.id"], 3) != 1 for row in rows)
    cluster.kill("b")
    for _ in range(2):
        with pytest.raises(EventStoreError, match="on b cannot be reached") as failed:
            cluster.shards.insert(data, token="3/0")
        assert failed.value.code == 0
    with pytest.raises(EventStoreError, match="on b cannot be reached"):
        cluster.shards.parts()
    with pytest.raises(EventStoreError, match="on b cannot be reached"):
        cluster.shards.drop_day("default", "2020-01-01")

    asked = search(cluster.shards)
    for found in (asked.count(EVERYTHING), asked.events(EVERYTHING, limit=10), asked.top(EVERYTHING, name="host.id")):
        assert (found.complete, found.missing, found.reason) == (False, ("b",), "")
    assert counted(cluster.shards) == before["a"] + before["c"] + lacking
    with pytest.raises(NotFoundError, match="b did not answer"):
        process_tree(asking(cluster.shards), "e" * 32, EVERYBODY)

    cluster.bring_back("b")
    cluster.insert(rows, "3/0")
    until(lambda: not search(cluster.shards).count(EVERYTHING).missing, seconds=20, what="b", alive=lambda: None)
    assert counted(cluster.shards) == sum(before.values()) + 600
    same(cluster, lambda s: s.count(EVERYTHING))


def test_one_that_hangs_costs_little_more_than_the_time_of_the_search(cluster: Cluster) -> None:
    same(cluster, lambda s: s.count(EVERYTHING))
    process = cluster.processes["c"].process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        found = Search(asking(cluster.shards), time.monotonic, Limits(seconds=4)).count(EVERYTHING)
        assert found.missing == ("c",)
        assert time.monotonic() - began < 30
    finally:
        process.send_signal(signal.SIGCONT)
    until(lambda: not search(cluster.shards).count(EVERYTHING).missing, seconds=20, what="c", alive=lambda: None)


def counted(store: EventStore) -> int:
    return int(search(store).count(EVERYTHING).rows[0][0])


def test_when_nobody_answers_there_is_no_partial_answer() -> None:
    shards = Shards({name: EventStore("http://127.0.0.1:1", "x") for name in NAMES})
    with pytest.raises(EventStoreError, match="on a, b, c cannot be reached"):
        search(shards).count(EVERYTHING)
    shards.close()


def test_a_statement_that_cannot_be_merged_is_a_mistake_in_the_program() -> None:
    shards = Shards({"a": EventStore("http://127.0.0.1:1", "x")})
    with pytest.raises(ValueError, match="one answer"):
        shards.query("SELECT 1")
    shards.close()


@settings(deadline=None)  # the first conversion loads pandas
@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.sampled_from(["dictionary", "plain"]))
def test_a_segment_is_cut_without_loss(hosts: list[int], form: str) -> None:
    names = pa.array([f"{host:032x}" for host in hosts])
    table = pa.table(
        {"host.id": names.dictionary_encode() if form == "dictionary" else names, "n": pa.array(range(len(hosts)))}
    )
    cut = split(ipc_stream(table), NAMES)
    parts: dict[str, Any] = {name: pa.ipc.open_stream(data).read_all().to_pydict() for name, data in cut.items()}
    for name, part in parts.items():
        assert {shard_of(host, 3) for host in part["host.id"]} == {NAMES.index(name)}
        assert part["n"] == sorted(part["n"])
    assert sorted(n for part in parts.values() for n in part["n"]) == list(range(len(hosts)))
