"""Statements: what callers may see, paging, limits, and that the store uses its indexes for them."""

from __future__ import annotations

from typing import Any

import pytest

from vedette.query import ast, hunt, sql
from vedette.query.statement import LIMIT_CODES, Cursor, Limits, Statement, Window, decode_cursor, encode_cursor, within
from vedette.runtime.errors import AccessDenied, QueryError
from vedette.schema.access import RIGHTS, Right, Role, Scope
from vedette.store.events import EventStoreError

NOW = 1_795_000_000_000_000
HOUR = 3_600_000_000
WINDOW = Window(NOW - 72 * HOUR, NOW + HOUR)
OFFICER = Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.OFFICER])
Asked = "Callable[[Statement], list[Mapping[str, Any]]]"


def test_no_value_is_ever_part_of_the_text(scope: Scope) -> None:
    node = hunt.parse('process.file.name:"x\' OR 1=1 --" and process.env.`:y and process.args in ("`", \'}\')', now=NOW)
    statement = sql.compile_events(node, scope, WINDOW, limit=5)
    assert "1=1" not in statement.sql
    assert "x' or 1=1 --" in statement.parameters.values()
    assert statement.sql.count("{p") == len(statement.parameters)


def test_only_the_tenants_of_the_scope_are_searched(store: Any, asked: Any, scope: Scope) -> None:
    statement = sql.compile_events(ast.EVERYTHING, scope, WINDOW, limit=1000, columns=("tenant",))
    assert {row["tenant"] for row in asked(statement)} == {"default"}
    both = Scope(tenants=frozenset({"default", "other"}), rights=scope.rights)
    assert len(asked(sql.compile_events(ast.EVERYTHING, both, WINDOW, limit=1000, columns=("tenant",)))) == len(
        store.rows
    )


@pytest.mark.parametrize(
    "scope",
    [
        Scope(tenants=frozenset(), rights=frozenset(Right)),
        Scope(tenants=frozenset({"default"}), rights=frozenset(Right) - {Right.EVENTS_READ}),
    ],
)
def test_without_the_right_or_a_tenant_nothing_is_compiled(scope: Scope) -> None:
    with pytest.raises(AccessDenied):
        sql.compile_events(ast.EVERYTHING, scope, WINDOW, limit=1)


@pytest.mark.parametrize("query", ["process.env.TOKEN:a*", "not process.env:x", "a or EnvironmentVariables:*b*"])
def test_the_environment_cannot_be_guessed_by_searching(query: str) -> None:
    with pytest.raises(AccessDenied, match="environment"):
        sql.compile_events(hunt.parse(query, now=NOW), OFFICER, WINDOW, limit=1)


def test_the_environment_is_not_shown_without_its_right(asked: Any, scope: Scope) -> None:
    assert "process.env" not in sql.compile_events(ast.EVERYTHING, OFFICER, WINDOW, limit=1).columns
    assert "process.env" in asked(sql.compile_events(ast.EVERYTHING, scope, WINDOW, limit=1))[0]
    with pytest.raises(AccessDenied):
        sql.compile_events(ast.EVERYTHING, OFFICER, WINDOW, limit=1, columns=("process.env",))
    with pytest.raises(AccessDenied):
        sql.compile_top(ast.EVERYTHING, OFFICER, WINDOW, name="process.env.TOKEN")


def test_a_column_that_the_dictionary_does_not_know_is_refused(scope: Scope) -> None:
    with pytest.raises(AccessDenied):
        sql.compile_events(ast.EVERYTHING, scope, WINDOW, limit=1, columns=("`; DROP TABLE event",))


def test_rows_come_as_they_were_stored(store: Any, asked: Any, scope: Scope) -> None:
    rows = {row["event.sequence"]: row for row in store.rows}
    for found in asked(sql.compile_events(ast.EVERYTHING, scope, WINDOW, limit=50)):
        stored: dict[str, Any] = rows[found["event.sequence"]]
        for name, stored_value in stored.items():
            got, value = found[name], stored_value
            if name in {"process.args", "host.ip", "process.env", "winlog.data"}:
                got, value = got or None, value or None  # an unknown list or map is stored as an empty one
            assert got == (list(value) if isinstance(value, tuple) else value)


def test_pages_give_every_row_once_newest_first(store: Any, asked: Any, scope: Scope) -> None:
    expected = sorted(
        (tuple(row[name] for name in sql.KEY) for row in store.rows if row["tenant"] == "default"), reverse=True
    )
    seen: list[tuple[Any, ...]] = []
    after = None
    while True:
        page = asked(sql.compile_events(ast.EVERYTHING, scope, WINDOW, limit=37, after=after, columns=("event.type",)))
        if not page:
            break
        seen += [tuple(row[name] for name in sql.KEY) for row in page]
        after = Cursor(*seen[-1])
    assert seen == expected


def test_the_window_includes_its_start_and_not_its_end(store: Any, asked: Any, scope: Scope) -> None:
    times = sorted(row["event.time"] for row in store.rows if row["tenant"] == "default")
    found = asked(sql.compile_count(ast.EVERYTHING, scope, Window(times[10], times[50])))
    assert found[0]["count"] == sum(times[10] <= time < times[50] for time in times)


def test_counts_histograms_and_top_values_agree_with_the_rows(store: Any, asked: Any, scope: Scope) -> None:
    rows = [row for row in store.rows if row["tenant"] == "default" and row["process.pid"] == 443]
    node = hunt.parse("process.pid:443", now=NOW)
    counted = asked(sql.compile_count(node, scope, WINDOW))[0]
    assert counted["count"] == len(rows)
    assert set(counted["hosts"]) == {row["host.id"] for row in rows}
    buckets = {row["bucket"]: row["count"] for row in asked(sql.compile_histogram(node, scope, WINDOW, bucket=HOUR))}
    assert sum(buckets.values()) == len(rows)
    assert all(start % HOUR == 0 for start in buckets)
    top = asked(sql.compile_top(node, scope, WINDOW, name="user.name"))
    expected = {
        name: sum(row["user.name"] == name for row in rows) for name in {row["user.name"] for row in rows} - {None}
    }
    assert {row["value"]: row["count"] for row in top} == expected
    assert [row["count"] for row in top] == sorted(expected.values(), reverse=True)


@pytest.mark.parametrize(
    "name",
    [
        "process.args",
        "winlog.data.foo",
        "winlog.data.LogonType",
        "FileName",
        "process.pid",
        "event.time",
        "host.ip",
        "process.args_truncated",
        "event.type",
        "winlog.data",
        "CommandLine",
        "event.id",
    ],
)
def test_every_kind_of_field_has_top_values(asked: Any, scope: Scope, name: str) -> None:
    found = asked(sql.compile_top(ast.EVERYTHING, scope, WINDOW, name=name, limit=3))
    assert 0 < len(found) <= 3
    assert all(isinstance(row["value"], str) and row["count"] > 0 for row in found)


def test_values_are_completed_whatever_their_case(asked: Any, scope: Scope) -> None:
    found = asked(sql.compile_values("process.file.name", "cm", scope, WINDOW))
    assert [row["value"] for row in found] == ["CMD.EXE"]


def test_an_unknown_field_of_a_group_has_suggestions(scope: Scope) -> None:
    with pytest.raises(QueryError, match="there is no field") as caught:
        sql.compile_top(ast.EVERYTHING, scope, WINDOW, name="user.nam")
    assert "user.name" in caught.value.suggestions


def test_a_field_that_is_not_searchable_cannot_be_grouped_either(scope: Scope) -> None:
    with pytest.raises(QueryError, match="stored, not searchable"):
        sql.compile_top(ast.EVERYTHING, scope, WINDOW, name="blocked.hash_type")


@pytest.mark.parametrize("limit", [0, -1, 10_002])
def test_limits_have_limits(scope: Scope, limit: int) -> None:
    with pytest.raises(QueryError):
        sql.compile_events(ast.EVERYTHING, scope, WINDOW, limit=limit)


def test_a_histogram_has_bounded_buckets(scope: Scope) -> None:
    with pytest.raises(QueryError, match="buckets"):
        sql.compile_histogram(ast.EVERYTHING, scope, WINDOW, bucket=1_000)


def test_cursors_are_opaque_and_checked() -> None:
    cursor = Cursor(NOW, "a" * 32, "b" * 16, 7)
    assert decode_cursor(encode_cursor(cursor)) == cursor
    for text in (
        "",
        "x",
        "é",
        "AAAA",
        encode_cursor(cursor)[:-3],
        "====",
        encode_cursor(cursor) + "A",
        encode_cursor(Cursor(2**63, "", "", 0)),
    ):
        with pytest.raises(QueryError, match="cursor"):
            decode_cursor(text)


def test_a_statement_over_its_limit_fails_with_a_code_that_says_so(store: Any, scope: Scope) -> None:
    statement = sql.compile_events(ast.EVERYTHING, scope, WINDOW, limit=10)
    with pytest.raises(EventStoreError) as caught:
        store.ask(within(statement, Limits(rows=3)))
    assert LIMIT_CODES[caught.value.code] == "rows"


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("process.command_line:*no-such-text*", "index_process_command_line"),
        ("process.command_line:/no-such-text \\d+/", "index_process_command_line"),
        ("file.path:*no-such-text*", "index_file_path"),
        ("file.path:/no/such/file", "index_file_path"),
        (f"process.file.sha256:{'b' * 64}", "index_process_file_sha256"),
        (f"process.file.sha256 in ({'b' * 64}, {'c' * 64})", "index_process_file_sha256"),
        (f"process.entity_id:{'b' * 32}", "index_process_entity_id"),
        ("dns.query:No.Such.Name", "index_dns_query"),
        ("socket.remote_ip:203.0.113.9", "index_socket_remote_ip"),
        (f"user.name:root and not process.pid:4 and file.md5:{'b' * 32}", "index_file_md5"),
        (f"event.type:process (process.pid:1 or process.pid:2) process.file.md5:{'b' * 32}", "index_process_file_md5"),
    ],
)
def test_the_store_skips_what_an_index_rules_out(store: Any, scope: Scope, query: str, index: str) -> None:
    node = hunt.parse(query, now=NOW)
    plan = [row[0].strip() for row in store.ask(sql.explain(sql.compile_count(node, scope, WINDOW)))]
    assert f"Name: {index}" in plan, plan
    after = plan[plan.index(f"Name: {index}") :]
    assert next(line for line in after if line.startswith("Granules:")).startswith("Granules: 0/"), plan


def test_the_window_and_the_host_narrow_what_is_read(store: Any, scope: Scope) -> None:
    node = hunt.parse(f"host.id:{'0' * 32}", now=NOW)
    narrow = Window(NOW - HOUR, NOW)
    plan = "\n".join(row[0] for row in store.ask(sql.explain(sql.compile_count(node, scope, narrow))))
    assert "PrimaryKey" in plan
    assert "Partition" in plan


def test_the_largest_query_runs(store: Any, scope: Scope) -> None:
    words = " or ".join(f"FileName:*{number}x*" for number in range(400))
    node = hunt.parse(words, now=NOW)
    assert store.ask(sql.compile_count(node, scope, WINDOW))[0][0] == 0
    digests = ", ".join(f"{number:063x}e" for number in range(5_000))
    node = hunt.parse(f"process.file.sha256 in ({digests}) or file.sha256 in ({digests})", now=NOW)
    assert store.ask(sql.compile_count(node, scope, WINDOW))[0][0] == 0


def test_the_deepest_query_runs(store: Any, scope: Scope) -> None:
    text = "process.pid:1"
    for number in range(ast.MAX_DEPTH):
        text = f"not ({text} or process.pid:{number})"
    assert store.ask(sql.compile_count(hunt.parse(text, now=NOW), scope, WINDOW))[0][0] >= 0


def test_time_and_memory_limits_fail_with_their_codes(store: Any) -> None:
    slow = Statement("SELECT sum(sleepEachRow(0.05)) FROM event", {}, {"max_block_size": 10}, ("x",))
    with pytest.raises(EventStoreError) as caught:
        store.ask(within(slow, Limits(seconds=0.2)))
    assert LIMIT_CODES[caught.value.code] == "time"
    large = Statement("SELECT groupArray(repeat(toString(number), 1000)) FROM numbers(1000000)", {}, {}, ("x",))
    with pytest.raises(EventStoreError) as caught:
        store.ask(within(large, Limits(memory=20_000_000)))
    assert LIMIT_CODES[caught.value.code] == "memory"
