"""The tree of processes around one: ancestors up to the first known, descendants down to a depth.

One statement a level, on one host of one tenant, so that the primary key and the Bloom filters of the ids carry it.
Ids already seen are never followed again: a forged parent id cannot make it turn in circles.
"""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

from vedette.query.conditions import Parameters, column
from vedette.query.merge import Fold, Merge, Noting
from vedette.query.sql import TABLE, tenants
from vedette.query.statement import Limits, Statement, settings
from vedette.runtime.errors import NotFoundError, QueryError
from vedette.schema.access import Scope
from vedette.schema.dictionary import FIELDS, Kind

MAX_DEPTH = 64
MAX_PROCESSES = 2_000
COLUMNS = (
    "tenant", "host.id", "host.name", "event.type", "event.time", "event.epoch", "event.sequence", "user.name",
    "process.entity_id", "process.pid", "process.file.path", "process.file.name", "process.file.sha256",
    "process.file.md5", "process.command_line", "process.kind", "process.start_time", "process.exit_code",
    "process.parent.entity_id", "process.parent.pid", "process.parent.file.path", "process.parent.command_line",
)  # fmt: skip
"""What each process is shown with."""
_FROM_PARENT = {
    "process.parent.entity_id": "process.entity_id",
    "process.parent.pid": "process.pid",
    "process.parent.file.path": "process.file.path",
    "process.parent.command_line": "process.command_line",
}
ENDS = ("process.entity_id", "process.end_time", "process.exit_code", "process.exit_signal")

_ONCE = Merge(fold=("key", "first", "first", "first"))

Ask = Callable[[Statement], list[tuple[Any, ...]]]


class Process(Struct, frozen=True, kw_only=True):
    """One process of a tree."""

    entity_id: str
    parent_id: str | None
    depth: int
    """0 for the one that was asked for, below 0 for ancestors."""
    facts: dict[str, Any]
    """Column -> value of its newest start event; times are microseconds UTC."""
    known: bool = True
    """False if no start event is stored: then the facts are those that another event tells of it."""


class Tree(Struct, frozen=True, kw_only=True):
    """Processes from the oldest ancestor to the youngest descendants, parents before children."""

    entity_id: str
    host_id: str
    processes: tuple[Process, ...]
    complete: bool
    """False if the tree goes on beyond the depth or the number of processes asked for, or something is `missing`."""
    truncated: bool = False
    """True if the tree goes on beyond what was asked for."""
    reason: str = ""
    """Which bounds cut it, separated by commas: `depth`, `processes`, `children` (of one process)."""
    missing: tuple[str, ...] = ()
    """Nodes of the event store that did not answer."""


def compile_ends(entity_ids: tuple[str, ...], scope: Scope, *, host_id: str | None = None) -> Statement:
    """End of each process that has ended: rows of `ENDS`."""
    bind = Parameters()
    where = _where(scope, bind, host_id=host_id, types=("process_stop",))
    identity = column("process.entity_id")
    sql = (
        f"SELECT {', '.join(map(_read, ENDS))}\nFROM {TABLE}\n"
        f"WHERE {where}\n  AND {identity} IN {bind.texts(entity_ids)}\nLIMIT 1 BY {identity}"
    )
    return Statement(sql, bind.values, settings(Limits()), ENDS, _ONCE, partial=True)


def compile_process(entity_id: str, scope: Scope) -> Statement:
    """Give the newest start event of a process, or else the first event that it is named in."""
    bind = Parameters()
    where = _where(scope, bind)
    sql = (
        f"SELECT {', '.join(map(_read, COLUMNS))}\nFROM {TABLE}\n"
        f"WHERE {where}\n  AND {column('process.entity_id')} = {bind.text(entity_id)}\n"
        f"ORDER BY {column('event.type')} = {bind.text('process_start')} DESC, {column('event.time')} DESC\nLIMIT 1"
    )
    kind, time = COLUMNS.index("event.type"), COLUMNS.index("event.time")
    start = Merge(prefer=(kind, "process_start"), order=((time, True),), limit=1)
    return Statement(sql, bind.values, settings(Limits()), COLUMNS, start, partial=True)


def compile_level(ids: tuple[str, ...], scope: Scope, *, host_id: str, by: str, limit: int, each: int = 0) -> Statement:
    """Newest start event of each process of `host_id` whose column `by` is one of `ids`; oldest processes first.

    At most `each` of one parent, so that one with many leaves room for the others'; 0 = all.
    """
    bind = Parameters()
    where = _where(scope, bind, host_id=host_id, types=("process_start",))
    time, identity = column("event.time"), column("process.entity_id")
    names = ", ".join(column(name) for name in COLUMNS)
    inner = (
        f"SELECT {names} FROM {TABLE}\n  WHERE {where}\n  AND {column(by)} IN {bind.texts(ids)}\n"  # noqa: S608
        f"  ORDER BY {time} DESC LIMIT 1 BY {identity}"
    )
    sql = (
        f"SELECT {', '.join(map(_read, COLUMNS))}\nFROM ({inner})\n"
        f"ORDER BY {time}, {column('event.sequence')}\n"
        + (f"LIMIT {bind.count(each)} BY {column('process.parent.entity_id')}\n" if each else "")
        + f"LIMIT {bind.count(limit)}"
    )
    order = tuple((COLUMNS.index(name), False) for name in ("event.time", "event.sequence"))
    fold: tuple[Fold, ...] = tuple("key" if name == "process.entity_id" else "first" for name in COLUMNS)
    return Statement(
        sql, bind.values, settings(Limits()), COLUMNS, Merge(fold=fold, order=order, limit=limit), partial=True
    )


def process_tree(  # noqa: PLR0913 - the bounds of a tree
    ask: Ask,
    entity_id: str,
    scope: Scope,
    *,
    up: int = 16,
    down: int = 16,
    most: int = 500,
    children: int = MAX_PROCESSES,
) -> Tree:
    """Give the tree around `entity_id`: `up` ancestors, `down` levels below, `most` processes, `children` of each.

    Raises `NotFoundError` if no event in the scope names the process.
    """
    if not (0 <= up <= MAX_DEPTH and 0 <= down <= MAX_DEPTH and 1 <= most <= MAX_PROCESSES):
        raise QueryError(f"a tree has at most {MAX_DEPTH} levels each way and {MAX_PROCESSES:,} processes")
    entity_id = entity_id.strip().lower()
    asking = Noting(ask)
    rows = asking(compile_process(entity_id, scope))
    if not rows:
        but = f"; {', '.join(asking.missing)} did not answer" if asking.missing else ""
        raise NotFoundError(f"no event names the process {entity_id}{but}")
    root = _process(rows[0], depth=0)
    walk = _Walk(asking, scope, root, most=most, children=children)
    walk.ancestors(up)
    walk.descendants(down)
    walk.add_ends()
    ordered = tuple(sorted(walk.found.values(), key=lambda process: process.depth))
    return Tree(
        entity_id=entity_id,
        host_id=str(root.facts["host.id"]),
        processes=ordered,
        complete=not walk.cut and not asking.missing,
        truncated=bool(walk.cut),
        reason=", ".join(sorted(walk.cut)),
        missing=asking.missing,
    )


class _Walk:
    """The processes found so far, by id."""

    def __init__(self, ask: Ask, scope: Scope, root: Process, *, most: int, children: int) -> None:
        self._ask, self._scope, self._most, self._children = ask, scope, most, children
        self.cut: set[str] = set()
        self._root = root
        self._host = str(root.facts["host.id"])
        self.found = {root.entity_id: root}

    def ancestors(self, levels: int) -> None:
        """Follow the parents up to the first one."""
        child = self._root
        for depth in range(1, levels + 1):
            parent_id = child.parent_id
            if not parent_id or parent_id in self.found:
                return
            if len(self.found) >= self._most:
                self.cut.add("processes")
                return
            rows = self._level((parent_id,), "process.entity_id", 1)
            child = _process(rows[0], depth=-depth) if rows else _told_by(child, depth=-depth)
            self.found[child.entity_id] = child
            if not child.known:
                return
        if child.parent_id and child.parent_id not in self.found:
            self.cut.add("depth")

    def descendants(self, levels: int) -> None:
        """Follow the children, down to the last."""
        parents: tuple[str, ...] = (self._root.entity_id,)
        for depth in range(1, levels + 1):
            room = self._most - len(self.found)
            # Ids that are known come back too (a forged circle), so ask for as many more.
            rows = self._level(
                parents,
                "process.parent.entity_id",
                room + 1 + len(self.found),
                each=self._children + 1 + len(self.found),
            )
            children = [_process(row, depth=depth) for row in rows]
            new = self._some_of_each([child for child in children if child.entity_id not in self.found])
            self.found |= {child.entity_id: child for child in new[:room]}
            if len(new) > room:
                self.cut.add("processes")
                return
            if not new:
                return
            parents = tuple(child.entity_id for child in new)
        if self._level(parents, "process.parent.entity_id", 1):
            self.cut.add("depth")

    def _some_of_each(self, children: list[Process]) -> list[Process]:
        """Give the oldest children of each parent, as many as are shown of one."""
        of_parent: Counter[str | None] = Counter()
        shown = []
        for child in children:
            of_parent[child.parent_id] += 1
            if of_parent[child.parent_id] <= self._children:
                shown.append(child)
        if len(shown) < len(children):
            self.cut.add("children")
        return shown

    def add_ends(self) -> None:
        """Fill in end and exit code where they are known."""
        ids = tuple(self.found)
        for entity_id, end, code, signal in self._ask(compile_ends(ids, self._scope, host_id=self._host)):
            process = self.found[entity_id]
            facts = process.facts | {
                "process.end_time": end,
                "process.exit_code": code,
                "process.exit_signal": signal,
            }
            self.found[entity_id] = msgspec.structs.replace(process, facts=facts)

    def _level(self, ids: tuple[str, ...], by: str, limit: int, *, each: int = 0) -> list[tuple[Any, ...]]:
        return self._ask(compile_level(ids, self._scope, host_id=self._host, by=by, limit=limit, each=each))


def _process(row: tuple[Any, ...], *, depth: int) -> Process:
    facts = {name: value for name, value in zip(COLUMNS, row, strict=True) if value is not None}
    return Process(
        entity_id=str(facts["process.entity_id"]),
        parent_id=facts.get("process.parent.entity_id") or None,
        depth=depth,
        facts=facts,
        known=facts["event.type"] == "process_start",
    )


def _told_by(child: Process, *, depth: int) -> Process:
    """Give what a child's event tells of a parent whose own start is not stored."""
    facts = {ours: child.facts[theirs] for theirs, ours in _FROM_PARENT.items() if theirs in child.facts}
    facts |= {name: child.facts[name] for name in ("tenant", "host.id", "host.name") if name in child.facts}
    return Process(entity_id=str(facts["process.entity_id"]), parent_id=None, depth=depth, facts=facts, known=False)


def _where(scope: Scope, bind: Parameters, *, host_id: str | None = None, types: tuple[str, ...] = ()) -> str:
    parts = [tenants(scope, bind)]
    if host_id is not None:
        parts.append(f"{column('host.id')} = {bind.text(host_id)}")
    if types:
        parts.append(f"{column('event.type')} IN {bind.texts(types)}")
    return "\n  AND ".join(parts)


def _read(name: str) -> str:
    quoted = column(name)
    return f"toUnixTimestamp64Micro({quoted})" if FIELDS[name].kind is Kind.TIME else quoted
