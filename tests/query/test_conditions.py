"""The SQL and the predicate of a query agree on every row of a real table."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.query import hunt, sql
from vedette.query.predicate import compile_predicate
from vedette.query.statement import Window
from vedette.runtime.errors import QueryError
from vedette.schema.access import RIGHTS, Role, Scope

if TYPE_CHECKING:
    from typing import Any

NOW = 1_795_000_000_000_000
DAY = 86_400_000_000
SCOPE = Scope(tenants=frozenset({"default", "other"}), rights=RIGHTS[Role.ADMINISTRATOR])
WINDOW = Window(NOW - 3 * DAY, NOW + DAY)

TEXTS = (
    "process.command_line process.file.path process.file.name user.name host.name dns.query file.path "
    "socket.remote_ip process.args host.ip process.env process.env.PATH winlog.data.LogonType winlog.data.Foo "
    "winlog.data FileName Image Md5 Sha256 CommandLine module.file.path blocked.file.name process.file.sha256 host.id "
    "file.description process.parent.command_line"
).split()
NUMBERS = [
    "process.pid",
    "process.exit_code",
    "file.size",
    "socket.remote_port",
    "event.sequence",
    "process.parent.pid",
]
TIMES = ["event.time", "file.created", "process.start_time"]

pieces = st.sampled_from(
    [
        "curl",
        "CURL",
        "\\",
        "*",
        "?",
        "%",
        "_",
        ".",
        "System32",
        "sh",
        "Ü",
        "привет",
        "ΣΑς",
        "\u03c3",
        " ",
        "x",
        "é",
        "0" * 32,
        "a" * 64,
        "10",
        "3",
        "-5",
        "evil",
        "root",
        "10.0.0.1",
        "2001:DB8:0::1",
        "line two",
        "[*]",
        "[?]",
        "'",
        "PATH",
        ":",
        "/",
        "İ",
        "K",
        "echo",
        "%20_x",
    ]
)
texts = st.lists(pieces, max_size=3).map("".join)


def quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


text_tests = st.one_of(
    st.tuples(
        st.sampled_from(TEXTS), st.sampled_from([":", "!=", " contains ", " startswith ", " endswith "]), texts
    ).map(lambda part: f"{part[0]}{part[1]}{quoted(part[2])}"),
    st.tuples(st.sampled_from(TEXTS), st.lists(texts, min_size=1, max_size=5)).map(
        lambda part: f"{part[0]} in ({', '.join(map(quoted, part[1]))})"
    ),
    st.tuples(
        st.sampled_from(TEXTS),
        st.sampled_from(
            [
                "curl",
                "^c.*k",
                "(cmd|powershell)",
                "[^a-z]+$",
                "\\bsh\\b",
                "ПРИВЕТ",
                "a.c\\\\d$",
                "(?-i)WHO",
                "\\d{2,3}",
                "^$",
                "one.line",
                "[\\s\\S]x",
                "%20_",
                "\\x41?b",
            ]
        ),
    ).map(lambda part: f"{part[0]}:/{part[1]}/"),
    st.tuples(
        st.sampled_from(["socket.remote_ip", "host.ip"]),
        st.sampled_from(
            [
                "10.0.0.0/8",
                "::/0",
                "2001:db8::/32",
                "192.168.0.128/25",
                "10.0.0.1/32",
                "0.0.0.0/0",
                "::ffff:10.0.0.0/104",
            ]
        ),
    ).map(":".join),
    st.sampled_from(TEXTS).map(lambda name: f"{name}:*"),
    st.sampled_from(["winlog.data.LogonType", "process.env.A", "winlog.data.KeyLength"]).flatmap(
        lambda name: st.sampled_from([">2", "<=-5", ">=10", "<0"]).map(lambda rest: name + rest)
    ),
)
number_tests = st.tuples(
    st.sampled_from(NUMBERS),
    st.sampled_from([":", ">", ">=", "<", "<=", "!="]),
    st.sampled_from(["0", "1", "443", "-1", "0xffffffff", "10KB", "1TB"]),
).map("".join) | st.tuples(
    st.sampled_from(NUMBERS), st.sampled_from([":0..443", ":..1", ":443..", ":[0 TO 443}", ":*", " in (0, 1, 443)"])
).map("".join)
time_tests = st.tuples(
    st.sampled_from(TIMES),
    st.sampled_from([":", ">", ">=", "<", "<="]),
    st.sampled_from(
        [
            "2026-11-18",
            "2026-11-18T11:06",
            "2026-11-18T11:06:40Z",
            "now-1h",
            "1970-01-01",
            "9999-12-31",
            "yesterday",
            "0001-01-01",
        ]
    ),
).map("".join)
other_tests = st.sampled_from(
    [
        "process.args_truncated:true",
        "process.args_truncated:no",
        "event.type:process",
        "event.type:file*",
        "EventType != filechange",
        "curl",
        "10.0.0.0/8",
        "a" * 64,
        "*evil*",
        "last 2h",
        "tenant:other",
        "Image:*cmd*",
        "FileSize>5",
        "/curl|cmd/",
        "*",
        "process.env:*",
        "event.type in (module, driver)",
    ]
)
queries = st.recursive(
    text_tests | number_tests | time_tests | other_tests,
    lambda inner: st.one_of(
        inner.map(lambda query: f"NOT ({query})"),
        st.tuples(inner, st.sampled_from([" AND ", " OR ", " "]), inner).map(lambda part: f"({''.join(part)})"),
    ),
    max_leaves=6,
)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(query=queries)
def test_sql_and_predicate_choose_the_same_rows(store: Any, query: str) -> None:
    try:
        node = hunt.parse(query, now=NOW)
    except QueryError:
        return
    matches = compile_predicate(node)
    expected = {row["event.sequence"] for row in store.rows if matches(row)}
    statement = sql.compile_events(node, SCOPE, WINDOW, limit=1000, columns=("event.sequence",))
    found = {row[3] for row in store.ask(statement)}
    assert found == expected, f"{query}\nmissing {sorted(expected - found)[:5]}\nextra {sorted(found - expected)[:5]}"


@pytest.mark.parametrize(
    "query",
    [
        "process.file.path:C:\\a_b%\\x.exe",
        "process.command_line:*ünïcode*",
        "process.command_line:*ΣΑΣ*",
        "user.name:ελένης",
        "process.args:привет",
        "socket.remote_ip:10.0.0.0/8",
        "winlog.data.logontype:3",
        "winlog.data.KEYLENGTH:10",
        'process.command_line:""',
        "not process.pid:*",
        "process.env.secret:*",
    ],
)
def test_queries_that_must_find_something_do(store: Any, query: str) -> None:
    node = hunt.parse(query, now=NOW)
    found = store.ask(sql.compile_events(node, SCOPE, WINDOW, limit=1000, columns=("event.sequence",)))
    assert 0 < len(found) < len(store.rows)
    assert {row[3] for row in found} == {row["event.sequence"] for row in store.rows if compile_predicate(node)(row)}
