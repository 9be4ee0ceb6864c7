"""Process trees: right, bounded, and not led in circles."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.query.tree import ENDS, Tree, compile_ends, process_tree
from vedette.runtime.errors import AccessDenied, NotFoundError, QueryError
from vedette.schema.access import RIGHTS, Role, Scope

NOW = 1_795_000_000_000_000
HOST = "f" * 32
SCOPE = Scope(tenants=frozenset({"trees"}), rights=RIGHTS[Role.OFFICER])


def uid(number: int) -> str:
    return f"{number:032x}"


def row(kind: str, number: int, parent: int | None, **more: Any) -> dict[str, Any]:
    parents = {} if parent is None else {"process.parent.entity_id": uid(parent), "process.parent.pid": parent}
    return {
        "tenant": "trees", "host.id": HOST, "event.type": kind, "event.time": NOW + number, "event.received": NOW,
        "event.epoch": "e" * 16, "event.sequence": number, "process.entity_id": uid(number), "process.pid": number,
        "process.file.path": f"/bin/p{number}", **parents, **more,
    }  # fmt: skip


@pytest.fixture(scope="module")
def forest(store: Any) -> Any:
    rows = [
        # 1 -> 2 -> 3 -> {4, 5}; 5 -> 6; 3 ran exec, so it has two start events
        row("process_start", 1, 900, **{"process.parent.file.path": "/sbin/init"}),
        row("process_start", 2, 1),
        row("process_start", 3, 2, **{"process.file.path": "/bin/before"}),
        row("process_start", 3, 2, **{"event.time": NOW + 5, "event.sequence": 500, "process.file.path": "/bin/after"}),
        row("process_start", 4, 3),
        row("process_start", 5, 3),
        row("process_start", 6, 5),
        row("process_stop", 4, 3, **{"event.time": NOW + 900, "process.exit_code": 7, "process.end_time": NOW + 899}),
        # a circle, forged
        row("process_start", 20, 21),
        row("process_start", 21, 22),
        row("process_start", 22, 20),
        row("process_start", 30, 30),
        # only another event tells of 40
        row("network_connect", 40, None),
        # the same id on another host and in another tenant
        row("process_start", 5000, 3, **{"host.id": "a" * 32}),
        row("process_start", 5001, 3, tenant="elsewhere"),
        # a wide and a deep family
        *[row("process_start", 1000 + number, 60) for number in range(100)],
        row("process_start", 60, None),
        *[row("process_start", 2000 + number, 1999 + number) for number in range(80)],
    ]  # fmt: skip
    store.insert(rows)
    return store


def shape(tree: Tree) -> list[tuple[int, int]]:
    """Give (depth, number) of each process."""
    return [(process.depth, int(process.entity_id, 16)) for process in tree.processes]


def test_ancestors_and_descendants_are_found_once_each(forest: Any) -> None:
    tree = process_tree(forest.ask, uid(3), SCOPE)
    assert shape(tree) == [(-3, 900), (-2, 1), (-1, 2), (0, 3), (1, 4), (1, 5), (2, 6)]
    assert tree.complete
    assert tree.host_id == HOST
    assert {process.entity_id: process.parent_id for process in tree.processes}[uid(6)] == uid(5)


def test_a_process_is_shown_as_its_last_exec_left_it_and_with_its_end(forest: Any) -> None:
    processes = {int(process.entity_id, 16): process for process in process_tree(forest.ask, uid(3), SCOPE).processes}
    assert processes[3].facts["process.file.path"] == "/bin/after"
    assert processes[4].facts["process.exit_code"] == 7
    assert processes[4].facts["process.end_time"] == NOW + 899
    assert "process.end_time" not in processes[5].facts


def test_a_parent_without_an_event_is_told_by_its_child(forest: Any) -> None:
    oldest = process_tree(forest.ask, uid(1), SCOPE).processes[0]
    assert (oldest.known, oldest.facts["process.file.path"], oldest.facts["process.pid"]) == (False, "/sbin/init", 900)


def test_circles_end(forest: Any) -> None:
    assert shape(process_tree(forest.ask, uid(20), SCOPE)) == [(-2, 22), (-1, 21), (0, 20)]
    assert shape(process_tree(forest.ask, uid(30), SCOPE)) == [(0, 30)]


def test_a_process_of_which_only_another_event_tells(forest: Any) -> None:
    tree = process_tree(forest.ask, uid(40), SCOPE)
    assert [process.known for process in tree.processes] == [False]


def test_width_is_bounded_and_said(forest: Any) -> None:
    tree = process_tree(forest.ask, uid(60), SCOPE, most=50)
    assert len(tree.processes) == 50
    assert not tree.complete
    assert process_tree(forest.ask, uid(60), SCOPE).complete


def test_depth_is_bounded_and_said(forest: Any) -> None:
    down = process_tree(forest.ask, uid(2000), SCOPE, down=5)
    assert (len([one for one in down.processes if one.depth > 0]), down.complete) == (5, False)
    up = process_tree(forest.ask, uid(2079), SCOPE, up=5)
    assert (len(up.processes), up.complete) == (6, False)
    with pytest.raises(QueryError):
        process_tree(forest.ask, uid(60), SCOPE, up=1_000)


def test_other_tenants_processes_do_not_exist(forest: Any) -> None:
    with pytest.raises(NotFoundError):
        process_tree(forest.ask, uid(3), Scope(tenants=frozenset({"elsewhere"}), rights=SCOPE.rights))
    with pytest.raises(AccessDenied):
        process_tree(forest.ask, uid(3), Scope(tenants=frozenset(), rights=SCOPE.rights))
    with pytest.raises(NotFoundError):
        process_tree(forest.ask, "no such", SCOPE)


def test_ids_are_written_in_any_case(forest: Any) -> None:
    assert process_tree(forest.ask, f" {uid(60).upper()}\n", SCOPE, down=0, up=0).entity_id == uid(60)


def test_ends_of_many_processes_come_in_one_statement(forest: Any) -> None:
    found = forest.ask(compile_ends((uid(4), uid(5)), SCOPE))
    assert [dict(zip(ENDS, one, strict=True)) for one in found] == [
        {
            "process.entity_id": uid(4),
            "process.end_time": NOW + 899,
            "process.exit_code": 7,
            "process.exit_signal": None,
        }
    ]


HOSTILE = "d" * 32
NODES = 120


@pytest.fixture(scope="module")
def thicket(store: Any) -> Any:
    """Give a host that lies: parents at random, so circles of every length, its own parents, crowds."""
    draw = random.Random(3)
    rows = []
    for number in range(NODES):
        parent = draw.choice((number, draw.randrange(NODES), draw.randrange(5), max(0, number - 1)))
        ids = {"process.entity_id": f"d{number:031x}", "process.parent.entity_id": f"d{parent:031x}"}
        rows.append(row("process_start", number, parent, **{"host.id": HOSTILE}) | ids)
    store.insert(rows)
    return store


@settings(max_examples=20, deadline=None)
@given(st.integers(0, NODES - 1), st.integers(0, 20), st.integers(0, 20), st.integers(1, 150), st.integers(1, 10))
def test_any_graph_gives_a_bounded_tree(thicket: Any, start: int, up: int, down: int, most: int, children: int) -> None:
    tree = process_tree(thicket.ask, f"d{start:031x}", SCOPE, up=up, down=down, most=most, children=children)
    ids = [process.entity_id for process in tree.processes]
    assert len(set(ids)) == len(ids) <= most
    assert all(-up <= process.depth <= down for process in tree.processes)
    below = Counter(process.parent_id for process in tree.processes if process.depth > 0)
    assert max(below.values(), default=0) <= children
    assert tree.truncated is bool(tree.reason) is (not tree.complete)
    assert set(tree.reason.split(", ")) <= {"", "depth", "processes", "children"}


def test_each_bound_is_named(forest: Any) -> None:
    assert process_tree(forest.ask, uid(60), SCOPE, children=30).reason == "children"
    assert process_tree(forest.ask, uid(60), SCOPE, most=50).reason == "processes"
    assert process_tree(forest.ask, uid(2000), SCOPE, down=5).reason == "depth"
