"""Stream, SQL on a real store and the predicate find the same events, for rules and for lists of indicators."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from tests.query.conftest import store
from tests.query.ioc.test_events import criteria

from vedette.engines.ioc import rows
from vedette.engines.ioc.build import Builder
from vedette.engines.ioc.engine import Ioc
from vedette.engines.ioc.table import Source, Table
from vedette.query import sql
from vedette.query.ioc.events import compile_criteria
from vedette.query.ioc.file import IocFile, Rule, read
from vedette.query.predicate import compile_predicate
from vedette.query.statement import Window
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.dictionary import FIELDS
from vedette.store.columns import arrow_table, ipc_stream
from vedette.wire.batch import BatchHeader, RawBatch, RawColumns
from vedette.wire.merge import UNKNOWN, Arrival, Batch, merge

if TYPE_CHECKING:
    from tests.query.conftest import Store

    from vedette.query.ast import Node
    from vedette.query.ioc.criteria import Criteria

__all__ = ["store"]

TIME, TENANT = 1_795_000_000_000_000, "stream"
SCOPE = Scope(tenants=frozenset({TENANT}), rights=RIGHTS[Role.ADMINISTRATOR])
WINDOW = Window(TIME - 1_000_000, TIME + 1_000_000)
VALUES: dict[str, tuple[Any, ...]] = {
    "file.name": ("a.exe", "B.DLL", "note.txt", "ПРИВЕТ.txt", "", "\u212a.exe"),
    "file.path": ("C:\\Windows\\a.exe", "c:\\users\\x\\AppData\\Local\\svchost.exe", "/tmp/b"),
    "file.md5": ("a" * 32, "b" * 32),
    "file.size": (1, 6, 2**40),
    "process.file.name": ("A.EXE", "cmd.exe"),
    "process.command_line": ("curl http://evil.example/x/ -k", "cmd /c whoami", "", "GET https://evil.example/a?b"),
    "dns.query": ("Evil.example.", "www.evil.example", "fine.example", "bücher.example", "a.b.c"),
    "dns.answers": (["10.0.0.1", "evil.example"], ["192.168.7.7"], []),
    "socket.remote_ip": ("10.0.0.1", "::ffff:192.168.7.7", "2001:DB8::1", "x"),
    "socket.remote_host": ("evil.example", "other.example"),
    "registry.value_name": ("pidgin", "Other"),
    "registry.value_data": ("C:\\ProgramData\\ctfmon.exe", "1"),
    "registry.path": ("HKLM\\Software\\Microsoft\\Windows\\CurrentVersion\\Run\\pidgin", "HKCU\\x"),
}
TYPES = ("process_start", "file_create", "dns_query", "network_connect", "registry_change", "module_load")
EVERY = 120


def make_batch() -> Batch:
    draw = random.Random(5)
    types = {}
    for number, kind in enumerate(TYPES):
        columns: dict[str, Any] = {
            "event.sequence": ([number * EVERY + at for at in range(EVERY)], bytes(range(EVERY))),
            "event.time": ([TIME], bytes(EVERY)),
        }
        for name, values in VALUES.items():
            if kind in FIELDS[name].types:
                columns[name] = ([*values, None], bytes(draw.randrange(len(values) + 1) for _ in range(EVERY)))
        types[kind] = RawColumns(EVERY, columns)
    header = BatchHeader(
        agent="a" * 32, epoch="e" * 16, first=0, last=len(TYPES) * EVERY - 1, count=len(TYPES) * EVERY, sent=TIME
    )
    return merge([Arrival(batch=RawBatch(header, types), host="a" * 32, tenant=TENANT, epoch="e" * 16, received=TIME)])


def plain(batch: Batch) -> list[dict[str, Any]]:
    """Rows of a batch, the slow way."""
    found: list[dict[str, Any]] = [{} for _ in range(batch.rows)]
    for name, column in batch.dictionaries.items():
        for row, index in enumerate(column.indices.tolist()):
            found[row][name] = column.values[index]
    for name, numbers in batch.numbers.items():
        for row, number in enumerate(numbers.tolist()):
            found[row][name] = None if number == UNKNOWN else number
    return found


BATCH = make_batch()
ROWS = plain(BATCH)


@pytest.fixture(scope="module")
def batch(store: Store) -> Batch:
    made = make_batch()
    store.events.insert(ipc_stream(arrow_table(made)), token="ioc-stream")
    return made


def stored(store: Store, node: Node) -> set[int]:
    statement = sql.compile_events(node, SCOPE, WINDOW, limit=10_000, columns=("event.sequence",))
    at = statement.columns.index("event.sequence")
    return {row[at] for row in store.ask(statement)}


def sequences(batch: Batch, rows: set[int]) -> set[int]:
    return set(batch.numbers["event.sequence"][sorted(rows)].tolist())


def table_of(found: IocFile, path: Path) -> Table:
    builder = Builder()
    builder.add_source(Source(found.name, found.name))
    for one in found.indicators:
        builder.add(one)
    builder.write(path)
    return Table(path)


def check(store: Store, batch: Batch, found: IocFile, path: Path) -> set[int]:
    """Hold stream, SQL and predicate equal; gives the rows of the stream."""
    engine = Ioc(found.rules, [table_of(found, path)])
    streamed = {finding.row for finding in engine.inspect(batch)}
    nodes = list(found.nodes())
    holds = [compile_predicate(node) for node in nodes]
    naive = {number for number, row in enumerate(plain(batch)) if any(one(row) for one in holds)}
    assert streamed == naive
    assert sequences(batch, streamed) == set().union(*(stored(store, node) for node in nodes))
    return streamed


LISTS = [
    "evil.example", "host=evil.example", "bücher.example", "10.0.0.1", "192.168.0.0/16", "2001:db8::/32", "::/0",
    "http://evil.example/x", "https://evil.example/a?b", "a" * 32, "file_name=A.exe", "file_name=привет.txt",
    "file_name=k.exe", "file_path=c:\\windows\\A.EXE", "b.c",
]  # fmt: skip


@pytest.mark.parametrize("text", [*LISTS, "\n".join(LISTS)])
def test_lists_find_the_same_everywhere(store: Store, batch: Batch, tmp_path: Path, text: str) -> None:
    found = check(store, batch, read(text.encode(), "list"), tmp_path / "t")
    assert found or text == "file_name=k.exe"


PATTERNS = [
    "[file:name = 'a.exe' AND file:size > 5]",
    "[file:name != 'a.exe']",
    "[file:name LIKE '%.EXE']",
    "[file:name LIKE '%']",
    "[file:path MATCHES 'AppData.*svchost']",
    "[file:name NOT IN ('a.exe', 'b.dll')]",
    "[file:size IN (1, 6)]",
    "[file:size >= 6 AND file:size < 100]",
    "[NOT EXISTS file:name]",
    "[EXISTS file:name]",
    "[domain-name:value LIKE '%evil%' OR ipv4-addr:value ISSUBSET '10.0.0.0/8']",
    "[windows-registry-key:values[*].name = 'PIDGIN' AND windows-registry-key:values[*].data LIKE '%ctfmon.exe']",
    "[process:command_line LIKE '%whoami' AND file:name = 'x']",
    "[process:name = 'cmd.exe' AND file:name LIKE '%привет%']",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_rules_find_the_same_everywhere(store: Store, batch: Batch, tmp_path: Path, pattern: str) -> None:
    data = json.dumps({"type": "indicator", "id": "indicator--x", "pattern": pattern.replace("NOT EXISTS", "EXISTS")})
    check(store, batch, read(data.encode(), "rule"), tmp_path / "t")


@settings(max_examples=60, deadline=None)
@given(criteria)
def test_any_rule_finds_in_columns_what_the_predicate_finds_in_rows(asked: Criteria) -> None:
    node, _problems = compile_criteria(asked)
    engine = Ioc([Rule(id="r", title="r", criteria=asked, node=node)], [])
    found = sorted(one.row for one in engine.inspect(BATCH))
    holds = compile_predicate(node) if node is not None else lambda _row: False
    assert found == [number for number, row in enumerate(ROWS) if holds(row)]


def test_real_files_find_the_same_everywhere(store: Store, batch: Batch, tmp_path: Path, shared_data: Path) -> None:
    hits = 0
    for file in sorted((shared_data / "ioc").glob("openioc/*/*.ioc")):
        hits += len(check(store, batch, read(file.read_bytes(), file.name), tmp_path / "t"))
    assert hits


def test_a_finding_says_which_list_and_which_values(tmp_path: Path) -> None:
    found = read(b"evil.example\n" + b"a" * 32, "feed")
    engine = Ioc((), [table_of(found, tmp_path / "t")])
    made = make_batch()
    findings = list(engine.inspect(made))
    assert {one.rule for one in findings} == {"feed"}
    assert len({(one.rule, one.row) for one in findings}) == len(findings)
    seen_rows = plain(made)
    for one in findings:
        assert one.because
        assert all(str(seen_rows[one.row][name]) == seen or name == "dns.answers" for name, seen in one.because.items())
    assert engine.facts("feed").title == "feed"


def test_hostile_values_cost_no_more_than_their_length() -> None:
    rule = read(json.dumps({"type": "indicator", "pattern": "[process:command_line MATCHES '(a+)+$']"}).encode(), "r")
    lists = read(b"evil.example\nhttp://evil.example/x", "l")
    engine = Ioc([*rule.rules, *_rules(lists)], [])
    columns: dict[str, Any] = {
        "event.sequence": ([1], b"\0"),
        "process.command_line": (["a" * 60_000 + "b"], b"\0"),
        "dns.query": (["a." * 30_000], b"\0"),
    }
    header = BatchHeader(agent="a" * 32, epoch="e" * 16, first=1, last=1, count=1, sent=TIME)
    types = {"process_start": RawColumns(1, columns)}
    made = merge([Arrival(batch=RawBatch(header, types), host="a" * 32, tenant="t", epoch="e" * 16, received=TIME)])
    start = time.process_time()
    list(engine.inspect(made))
    assert time.process_time() - start < 2


def test_expressions_that_are_too_big_together_are_each_tried() -> None:
    small = rows._any_of(f"{n}[a-z]" for n in range(3))
    assert [small(text) for text in ("1x", "x1")] == [True, False]
    big = rows._any_of(f"{n}[a-z]{{1,999}}" for n in range(4_000))
    assert big("nothing of it")
    assert not rows._any_of([])("anything")


def _rules(found: IocFile) -> list[Rule]:
    criteria = read(b'{"type":"indicator","pattern":"[file:name LIKE \'x\']"}', "r").rules[0].criteria
    return [Rule(id=f"r{at}", title="", criteria=criteria, node=node) for at, node in enumerate(found.nodes())]
