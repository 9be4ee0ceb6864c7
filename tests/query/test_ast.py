"""The syntax tree is a value: it travels, compares and stays flat."""

from __future__ import annotations

import msgspec
import pytest

from vedette.query import ast, hunt
from vedette.query.ast import EVERYTHING, NOTHING, And, Between, Not, Or

NOW = 1_795_000_000_000_000
A = hunt.parse("process.pid:1", now=NOW)
B = hunt.parse("user.name in (a, b)", now=NOW)
C = hunt.parse("curl", now=NOW)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "process.pid in (1, 2) or user.name in (a, b)",
        "not (curl and process.args_truncated:true)",
        "file.path:*x* file.size:1..5 /a+b/ socket.remote_ip:10.0.0.0/8 file.name:* FileName:a winlog.data.Foo:b",
    ],
)
def test_a_tree_travels_between_servers(query: str) -> None:
    node = hunt.parse(query, now=NOW)
    sent = msgspec.msgpack.encode(node)
    assert msgspec.msgpack.decode(sent, type=ast.Node) == node


def test_joining_flattens_and_drops_what_is_said_twice() -> None:
    assert ast.all_of(A, ast.all_of(B, C)) == And((A, B, C))
    assert ast.any_of(ast.any_of(A, B), A) == Or((A, B))
    assert ast.any_of(A, A) == A
    assert ast.all_of() == EVERYTHING
    assert ast.any_of() == NOTHING


def test_conditions_are_found_at_every_depth() -> None:
    names = [condition.field.name for condition in ast.conditions(Not(And((A, Or((B, Not(A)))))))]
    assert names == ["process.pid", "user.name", "process.pid"]


@pytest.mark.parametrize(
    ("query", "bounds"),
    [
        ("event.time>=2026-11-18 curl", Between(1_794_960_000_000_000, None)),
        ("last 1h last 2h", Between(NOW - 3_600_000_000, None)),
        ("last 1h or curl", Between()),
        ("not last 1h", Between()),
        ("event.time<now event.time>now-1h", Between(NOW - 3_600_000_000 + 1, NOW - 1)),
        ("file.created>now", Between()),
    ],
)
def test_time_bounds_are_those_of_conditions_that_must_hold(query: str, bounds: Between) -> None:
    assert ast.time_bounds(hunt.parse(query, now=NOW)) == bounds
