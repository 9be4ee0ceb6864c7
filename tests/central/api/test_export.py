"""Exports: whole or visibly not, in bounded memory, safe in a spreadsheet, noted, ended with their reader."""

import csv
import io
import json
import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.central.api.conftest import START, Api, RealStore
from tests.central.api.test_events import HOST, Hunt, hunt, row

from vedette.central.api.export_formats import safe
from vedette.central.api.parts import Limits
from vedette.query.statement import MAX_ROWS, Statement
from vedette.schema.access import Role
from vedette.store.events import EventStoreError

__all__ = ["hunt"]

WIDE = "\uff1d"
"""An equals sign in double width."""
HOSTILE = (
    "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", WIDE + "1", 'say "hi", then;go',
    "two\nlines\r\nmore",
    "nul \0 inside", "\u202e\u2028\ufeff", "", "'", "a" * 20_000, "\\", "\x1b[2J", "\U0001f480",
)  # fmt: skip
FILL = """
INSERT INTO event (tenant, `host.id`, `event.type`, `event.time`, `event.received`, `event.epoch`, `event.sequence`,
    `process.command_line`)
SELECT '{tenant}', '{host}', 'process_start', fromUnixTimestamp64Micro(toInt64({start} - number), 'UTC'),
    fromUnixTimestamp64Micro({start}, 'UTC'), '0000000000000000', number, {command} FROM numbers({first}, {rows})
"""


def fill(store: RealStore, tenant: str, *, rows: int, command: str = "hex(number)", chunk: int = 20_000) -> None:
    """Store many events of a tenant, a microsecond apart."""
    for first in range(0, rows, chunk):
        count = min(chunk, rows - first)
        statement = FILL.format(tenant=tenant, host=HOST, start=START, first=first, rows=count, command=command)
        store.events.command(statement)


def wait_until(good: Callable[[], bool], seconds: float = 20) -> float:
    """Wait; gives how long it took."""
    begun = time.monotonic()
    while not good():
        assert time.monotonic() - begun < seconds
        time.sleep(0.01)
    return time.monotonic() - begun


def lines_of(client: httpx.Client, **body: Any) -> list[dict[str, Any]]:
    answer = client.post("/events/export", json=body)
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.split(b"\n") if line]


def test_hostile_values_come_back_as_they_are_but_never_as_a_formula(hunt: Hunt) -> None:
    hunt.holds(*(row(number, user__name=value, process__args=[value]) for number, value in enumerate(HOSTILE, 1)))
    client = hunt.caller(Role.OFFICER)
    events = lines_of(client)
    assert [event["user.name"] for event in events] == list(HOSTILE)
    answer = client.post("/events/export", json={"format": "csv", "columns": ["UserName", "event.sequence"]})
    assert answer.headers["Content-Type"].startswith("text/csv")
    heading, *rows = csv.reader(io.StringIO(answer.content.decode(), newline=""))
    assert heading == ["event.id", "event.time", "event.type", "UserName", "event.sequence"]
    assert [cells[3] for cells in rows] == [
        f"'{value}" if value[:1] in tuple("=+-@\t\r\n" + WIDE) else value for value in HOSTILE
    ]
    assert [cells[0] for cells in rows] == [event["event.id"] for event in events]
    file = client.post("/events/export", json={"format": "parquet"}).content
    table = pq.read_table(io.BytesIO(file))
    assert table["user.name"].to_pylist() == list(HOSTILE)
    assert table["process.args"].to_pylist() == [[value] for value in HOSTILE]
    assert table["event.id"].to_pylist() == [event["event.id"] for event in events]
    assert table["event.time"].cast(pa.int64()).to_pylist() == [event["event.time"] for event in events]


def test_bytes_that_are_no_text_do_not_break_an_export(hunt: Hunt, real_store: RealStore) -> None:
    hunt.holds(row(0))
    fill(real_store, hunt.tenant, rows=3, command="concat('x', unhex('EDA080FFFE'))")
    client = hunt.caller(Role.OFFICER)
    commands = {event.get("process.command_line") for event in lines_of(client, query="event.epoch:0000000000000000")}
    assert len(commands) == 2
    for form in ("csv", "parquet"):
        assert client.post("/events/export", json={"format": form}).status_code == 200


@pytest.mark.parametrize("value", ["=1", "+1", "-1", "@a", "\t", "\r", "\n", WIDE + "1", "\uff0d2"])
def test_a_text_that_a_spreadsheet_would_run_is_quoted(value: str) -> None:
    assert safe(value) == "'" + value


def test_numbers_lists_and_unknown_values_are_cells() -> None:
    assert [safe(one) for one in (-5, True, None, [], ["=a"], {"k": "v"})] == [
        "-5",
        "true",
        "",
        "",
        '["=a"]',
        '{"k":"v"}',
    ]


def test_columns_mean_the_field_of_each_type_and_keys_of_maps(hunt: Hunt) -> None:
    hunt.holds(
        row(1, event__type="module_load", file__path="/lib/x.so"),
        row(2, event__type="os_log", winlog__data={"Own": "3", "Other": "no"}),
        row(3, process__env={"PATH": "/bin", "SECRET": "s"}),
    )
    client = hunt.caller(Role.ADMINISTRATOR)
    names = ["module.file.path", "winlog.data.Own", "process.env.PATH"]
    answer = client.post("/events/export", json={"format": "csv", "columns": names})
    cells = [one[3:] for one in csv.reader(io.StringIO(answer.text))][1:]
    assert cells == [["/lib/x.so", "", ""], ["", "3", ""], ["", "", "/bin"]]
    table = pq.read_table(
        io.BytesIO(client.post("/events/export", json={"format": "parquet", "columns": names}).content)
    )
    assert table["winlog.data"].to_pylist() == [[], [("Own", "3")], []]
    assert "user.name" not in table.column_names
    assert hunt.caller(Role.OFFICER).post("/events/export", json={"columns": ["process.env.PATH"]}).status_code == 403


def test_nothing_found_is_a_whole_export_too(hunt: Hunt) -> None:
    hunt.holds(row(1))
    client = hunt.caller(Role.OFFICER)
    asked = {"query": "user.name:nobody", "columns": ["user.name"]}
    assert lines_of(client, **asked) == []
    assert len(client.post("/events/export", json=asked | {"format": "csv"}).text.splitlines()) == 1
    table = pq.read_table(io.BytesIO(client.post("/events/export", json=asked | {"format": "parquet"}).content))
    assert (table.num_rows, table.column_names) == (0, ["event.id", "event.time", "event.type", "user.name"])


def test_it_goes_beyond_every_limit_of_an_answer_in_bounded_memory(hunt: Hunt, real_store: RealStore) -> None:
    """Four times the rows take no more memory on the side of the server, and every row comes once, newest first."""
    hunt.holds(row(1))
    fill(real_store, hunt.tenant, rows=6 * MAX_ROWS)
    client = hunt.caller(Role.OFFICER)
    peaks = []
    for most in (MAX_ROWS, 6 * MAX_ROWS):
        seen: list[int] = []
        asked = {"query": f"event.sequence<{most}", "columns": ["event.sequence"]}
        tracemalloc.start()
        with client.stream("POST", "/events/export", json=asked) as answer:
            seen.extend(json.loads(line)["event.sequence"] for line in answer.iter_lines())
        peaks.append(tracemalloc.get_traced_memory()[1] - 40 * len(seen))
        tracemalloc.stop()
        assert seen[:-1] == list(range(most))
    assert peaks[1] < 1.5 * peaks[0]


def test_rows_that_are_large_come_fewer_at_a_time(hunt: Hunt, real_store: RealStore) -> None:
    hunt.holds(row(1))
    fill(real_store, hunt.tenant, rows=3_000, command="repeat(hex(number % 200), 15000)", chunk=1_000)
    lengths = [
        len(one.get("process.command_line", ""))
        for one in lines_of(hunt.caller(Role.OFFICER), columns=["process.command_line"])
    ]
    assert (len(lengths), min(lengths[:-1])) == (3_001, 30_000)


def test_an_export_that_is_cut_never_looks_whole_and_is_noted(hunt: Hunt, real_store: RealStore) -> None:
    hunt.holds(*(row(number) for number in range(1, 12_001)))
    asked: list[Statement] = []

    def failing(statement: Statement) -> Any:
        asked.append(statement)
        if len(asked) > 6:
            raise EventStoreError("Timeout exceeded", code=159)
        return real_store.ask(statement)

    hunt.api.store.answer = failing
    client = hunt.caller(Role.OFFICER)
    with pytest.raises(httpx.RemoteProtocolError):
        client.post("/events/export", json={"query": "event.type:*"})
    begun, ended = hunt.api.audited()
    assert (begun.action, begun.target, begun.outcome) == ("events.export", "event.type:*", "begun")
    assert (ended.action, ended.outcome, int(ended.detail["rows"]) > 0) == ("events.export", "failed", True)


def test_a_whole_export_is_noted_with_its_query_and_rows(hunt: Hunt) -> None:
    hunt.holds(row(1), row(2))
    lines_of(hunt.caller(Role.OFFICER), query="event.type:process_start", columns=["user.name"])
    _begun, ended = hunt.api.audited()
    assert (ended.target, ended.outcome, ended.detail["rows"]) == ("event.type:process_start", "done", "2")
    assert ended.detail["columns"] == "user.name"


def test_it_needs_a_right_of_its_own(hunt: Hunt) -> None:
    hunt.holds(row(1))
    client = hunt.caller(Role.AUDITOR)
    assert client.post("/events/search", json={}).status_code == 200
    assert client.post("/events/export", json={}).status_code == 403


def test_a_query_that_fails_at_once_is_a_problem_and_not_a_cut_stream(hunt: Hunt, real_store: RealStore) -> None:
    hunt.holds(row(1))

    def failing(_statement: Statement) -> Any:
        raise EventStoreError("memory", code=241)

    hunt.api.store.answer = failing
    client = hunt.caller(Role.OFFICER)
    answer = client.post("/events/export", json={})
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:vedette:problem:limit")
    hunt.api.store.answer = real_store.ask
    assert [len(lines_of(client)) for _again in range(4)] == [1] * 4  # no place was kept


class Reader:
    """A caller by hand, that reads what it wants and goes when it wants."""

    def __init__(self, api: Api, token: str, path: str, body: dict[str, Any]) -> None:
        text = json.dumps(body)
        address = urlsplit(api.url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((address.hostname, address.port))
        head = f"POST /api/v1{path} HTTP/1.1\r\nHost: x\r\n{token}\r\nContent-Type: application/json\r\n"
        self.socket.sendall(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())

    def leave(self) -> None:
        self.socket.close()


@pytest.fixture
def reader(hunt: Hunt) -> Iterator[Callable[..., Reader]]:
    made: list[Reader] = []
    header: list[str] = []

    def make(path: str, **body: Any) -> Reader:
        header[:] = header or [f"Authorization: {hunt.caller(Role.OFFICER).headers['Authorization']}"]
        made.append(Reader(hunt.api, header[0], path, body))
        return made[-1]

    yield make
    for one in made:
        one.leave()


ENDLESS = "SELECT count() FROM numbers(1900000000) WHERE sipHash64(number, {salt:UInt64}) = 1"
RUNNING = "SELECT count() FROM system.processes WHERE query LIKE '%numbers(1900000000)%' AND NOT is_cancelled"


@pytest.mark.parametrize("path", ["/events/search", "/events/export", "/events/count"])
def test_a_caller_that_goes_away_frees_the_store_within_a_second(
    hunt: Hunt, real_store: RealStore, reader: Callable[..., Reader], path: str
) -> None:
    hunt.holds(row(1))
    hunt.api.parts.stop = real_store.events.stop
    # Every question takes for ever, with a bound value as all of ours have.
    hunt.api.store.answer = lambda asked: real_store.ask(
        msgspec.structs.replace(asked, sql=ENDLESS, parameters={"salt": 7})
    )

    def running() -> int:
        return int(real_store.events.query(RUNNING)[0][0]) - 1  # itself

    asking = reader(path, query="user.name:x")
    wait_until(lambda: running() == 1)
    asking.leave()
    assert wait_until(lambda: running() == 0) < 1 + 1  # a second more for a loaded machine


@pytest.mark.parametrize("limits", [Limits(stalled_seconds=0.3, exports=1)])
def test_a_reader_that_takes_nothing_does_not_keep_the_place(
    hunt: Hunt, real_store: RealStore, reader: Callable[..., Reader]
) -> None:
    hunt.holds(row(1))
    fill(real_store, hunt.tenant, rows=6_000, command="repeat(hex(sipHash64(number)), 200)")
    reader("/events/export", query="event.type:process_start")
    wait_until(lambda: len(hunt.api.audited()) == 1)
    client = hunt.caller(Role.SENIOR_OFFICER)
    busy = client.post("/events/export", json={})
    assert busy.status_code in (200, 429)
    wait_until(lambda: [entry.outcome for entry in hunt.api.audited()].count("failed") == 1)
    wait_until(lambda: client.post("/events/export", json={"query": "user.name:x"}).status_code == 200)
