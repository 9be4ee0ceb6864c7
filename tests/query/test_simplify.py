"""A simplified tree matches the same events, with fewer tests."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.query import ast, hunt
from vedette.query.explain import describe
from vedette.query.predicate import compile_predicate
from vedette.query.simplify import simplify

NOW = 1_795_000_000_000_000
TYPES = ("process_start", "module_load", "file_create", "script_run", "process_block", "os_log", "network_connect")

terms = st.sampled_from(
    "FileName:a DllName:a Md5:b module.file.path:a BlockedName:a CommandLine:a file.name:a a ProcessId:1 "
    "event.type:process event.type:filechange EventType:(module,applock) event.type!=module event.type:os_log".split()
)  # fmt: skip
queries = st.recursive(
    terms,
    lambda inner: st.one_of(
        inner.map(lambda query: f"not ({query})"),
        st.tuples(inner, st.sampled_from([" and ", " or "]), inner).map(lambda part: f"({''.join(part)})"),
    ),
    max_leaves=8,
)
values = st.sampled_from([None, "a", "b"])
rows = st.fixed_dictionaries(
    {"event.type": st.sampled_from(TYPES), "file.name": values, "file.path": values, "file.md5": values}
    | {"process.file.name": values, "process.file.md5": values, "process.command_line": values}
    | {"blocked.command_line": values, "process.pid": st.sampled_from([None, 1])}
)


@settings(max_examples=500, deadline=None)
@given(queries, st.lists(rows, min_size=5, max_size=20))
def test_it_matches_the_same_events(query: str, events: list[dict[str, object]]) -> None:
    node = hunt.parse(query, now=NOW)
    before, after = compile_predicate(node), compile_predicate(simplify(node))
    assert [before(event) for event in events] == [after(event) for event in events]


@pytest.mark.parametrize(
    ("query", "left"),
    [
        ("event.type:process FileName:x", ["event.type", "process.file.name"]),
        ("EventType=filechange (FileName:*x* or DllName:*x* or BlockedName:*x*)", ["event.type", "file.name"]),
        ("event.type:module not FileName:x", ["event.type", "file.name"]),
        ("event.type:dns_query DllName:x", []),
        ("event.type:process event.type:module", []),
        ("FileName:x or DllName:x", ["file.name", "process.file.name"]),
    ],
)
def test_what_the_types_decide_is_gone(query: str, left: list[str]) -> None:
    node = simplify(hunt.parse(query, now=NOW))
    assert [condition.field.name for condition in ast.conditions(node)] == left, describe(node)


def test_types_that_were_asked_for_are_not_asked_twice() -> None:
    node = simplify(hunt.parse("event.type:module DllName:x", now=NOW))
    assert [condition.types for condition in ast.conditions(node)] == [(), ()]
