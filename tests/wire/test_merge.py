"""Batches joined: every value arrives where the field dictionary puts it, or as text in event.extra."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.schema.dictionary import FIELDS, Kind
from vedette.schema.entities import File, Host, Os, Process, Winlog, WinlogSystem
from vedette.schema.events.logs import OsLogEvent
from vedette.schema.events.process import ProcessStart
from vedette.wire.batch import BatchHeader, Builder, RawBatch, RawColumns, decode, frame, rows
from vedette.wire.merge import EXTRA, UNKNOWN, Arrival, Batch, merge
from vedette.wire.values import EARLIEST, LATEST

RECEIVED = 1_790_000_000_000_000


def header(**changes: Any) -> BatchHeader:
    made = BatchHeader(agent="a" * 32, epoch="e" * 16, first=1, last=1, count=1, sent=1)
    return msgspec.structs.replace(made, **changes)


def arrival(types: dict[str, tuple[int, dict[str, Any]]], **changes: Any) -> Arrival:
    """A batch of {type: (rows, {column: (values, indices)})} as `decode` gives it."""
    batch = RawBatch(header(), {name: RawColumns(count, columns) for name, (count, columns) in types.items()})
    made = Arrival(batch=batch, host="a" * 32, tenant="default", epoch="e" * 16, received=RECEIVED)
    return msgspec.structs.replace(made, **changes)


def plain(batch: Batch) -> list[dict[str, Any]]:
    """The rows of a batch, the slow way, without what is unknown."""
    found: list[dict[str, Any]] = [{} for _ in range(batch.rows)]
    for name, column in batch.dictionaries.items():
        for row, index in enumerate(column.indices.tolist()):
            found[row][name] = column.values[index]
    for name, numbers in batch.numbers.items():
        for row, number in enumerate(numbers.tolist()):
            found[row][name] = None if number == UNKNOWN else number
    for name, key in batch.keys.items():
        for row, index in enumerate(key.dense(batch.rows).tolist()):
            found[row][name] = key.values[index]
    return [{name: value for name, value in row.items() if value is not None} for row in found]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
ANY: st.SearchStrategy[Any] = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**63), 2**63 - 1), st.integers(-1, 300), TEXTS,
    st.lists(TEXTS, max_size=2), st.dictionaries(TEXTS, TEXTS, max_size=2),
)  # fmt: skip
COLUMNS = (
    "process.pid", "process.command_line", "process.file.md5", "process.args", "process.args_truncated", "process.env",
    "event.time", "file.created", "process.exit_code", "winlog.data.LogonType", "winlog.data.Other",
    "new.field", "tenant", "host.name", "event.received", "event.extra", "event.extra.x",
)  # fmt: skip


@st.composite
def columns(draw: st.DrawFn, count: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from(COLUMNS), unique=True)):
        if draw(st.integers(0, 3)) == 0:
            numbers = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=count, max_size=count))
            made[name] = (np.array(numbers, "<i8").tobytes(), b"")
            continue
        values = draw(st.lists(ANY, min_size=1, max_size=5))
        made[name] = (values, bytes(draw(st.lists(st.integers(0, len(values) - 1), min_size=count, max_size=count))))
    return made


@st.composite
def arrivals(draw: st.DrawFn) -> list[Arrival]:
    made = []
    for number in range(draw(st.integers(0, 3))):
        kinds = draw(st.lists(st.sampled_from(["process_start", "file_create", "not_yet_known"]), unique=True))
        types = {}
        for kind in kinds:
            count = draw(st.integers(1, 4))
            types[kind] = (count, draw(columns(count)))
        made.append(arrival(types, host=f"{number:032x}", tenant=f"t{number}"))
    return made


def cells(column: Any, count: int) -> list[Any]:
    values, indices = column
    if isinstance(values, bytes):
        return list(np.frombuffer(values, "<i8").tolist())
    return [values[at] for at in indices] if indices else values[:count]


def fits(name: str, value: Any) -> bool:
    field = FIELDS[name]
    match field.kind:
        case Kind.TEXT:
            return isinstance(value, str) and len(value) <= field.maximum
        case Kind.BOOLEAN:
            return isinstance(value, int) and value in (0, 1)
        case Kind.LIST:
            return isinstance(value, list) or value == {}  # empty is empty
        case Kind.MAP:
            return isinstance(value, dict) or value == []
        case Kind.TIME:
            return isinstance(value, int) and EARLIEST <= value <= LATEST
        case Kind.INTEGER:
            return isinstance(value, int) and field.minimum <= value <= field.maximum


def expected(made: list[Arrival]) -> list[dict[str, Any]]:
    """The same, row by row, from the rules as they are written down."""
    found = []
    for kind in dict.fromkeys(name for one in made for name in one.batch.types if name != "not_yet_known"):
        for one in made:
            part = one.batch.types.get(kind)
            for row in range(part.rows if part else 0):
                event: dict[str, Any] = {
                    "event.type": kind, "event.received": one.received, "event.epoch": one.epoch,
                    "tenant": one.tenant, "host.id": one.host,
                }  # fmt: skip
                for name, column in (part.columns if part else {}).items():
                    place(event, name, cells(column, part.rows if part else 0)[row])
                found.append(event)
    return found


def place(event: dict[str, Any], name: str, value: Any) -> None:
    if value is None:
        return
    text = value if isinstance(value, str) else None
    if name.startswith("winlog.data.") and name not in FIELDS and text is not None:
        event[name] = text
    elif name in ("event.extra", "tenant", "host.name", "event.received", "new.field") or name not in FIELDS:
        event[EXTRA + name.removeprefix(EXTRA)] = written(value)
    elif fits(name, value):
        event[name] = held(name, value)
    else:
        event[EXTRA + name] = written(value)


def held(name: str, value: Any) -> Any:
    if isinstance(value, list):
        return tuple(value)
    if isinstance(value, dict):
        return tuple(sorted(value.items()))
    kind = FIELDS[name].kind
    return bool(value) if kind is Kind.BOOLEAN else int(value) if kind in (Kind.INTEGER, Kind.TIME) else value


def written(value: Any) -> Any:
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return json.dumps(sorted(value.items()), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False)


def alike(event: dict[str, Any]) -> dict[str, Any]:
    """Forget what cannot be told apart: true and 1 are one dictionary key, and numbers below a bound are cut."""
    same = {"true": "1", "false": "0"}
    out = {}
    for name, value in event.items():
        if name.startswith(EXTRA) and isinstance(value, str):
            low = re.fullmatch("-?[0-9]+", value) is not None and int(value) < -(2**62)
            out[name] = "very low" if low else same.get(value, value)
        else:
            out[name] = value
    return out


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(arrivals())
def test_every_value_is_where_the_dictionary_puts_it(made: list[Arrival]) -> None:
    # Distinct values of one batch are distinct on the wire; the oracle does not need that.
    assert list(map(alike, plain(merge(made)))) == list(map(alike, expected(made)))


def test_events_of_an_agent_arrive_as_they_were_sent() -> None:
    process = Process(pid=4, command_line="x -y", args=("x", "-y"), env={"A": "1"}, file=File(path="/x", size=2**40))
    winlog = Winlog(system=WinlogSystem(event_id=4624), data={"LogonType": "3", "KeyLength": "128"})
    events = [
        ProcessStart(time=5, process=process),
        ProcessStart(time=6, process=Process(pid=5)),
        OsLogEvent(time=7, winlog=winlog, process=process),
    ]
    sent = decode(frame(header(last=3, count=3), Builder(list(events)).encode(1)))
    made = Arrival(batch=sent, host="a" * 32, tenant="default", epoch="e" * 16, received=RECEIVED)
    own = {"event.received", "event.epoch", "tenant", "host.id"}
    found = [{name: value for name, value in row.items() if name not in own} for row in plain(merge([made]))]
    wanted = [{name: simple(value) for name, value in row.items()} for row in rows(sent)]
    assert found == wanted


def simple(value: Any) -> Any:
    return (
        tuple(value) if isinstance(value, list) else tuple(sorted(value.items())) if isinstance(value, dict) else value
    )


def test_identity_is_the_senders_whatever_the_batch_says() -> None:
    liar = RawBatch(
        header(host=Host(id="b" * 32, name="ws1", ip=("10.0.0.1",)), os=Os(family="linux")),
        {"process_start": RawColumns(1, {"host.id": (["c" * 32], b"\0"), "tenant": (["other"], b"\0")})},
    )
    (row,) = plain(merge([arrival({}, batch=liar)]))
    assert (row["host.id"], row["tenant"]) == ("a" * 32, "default")
    assert (row["host.name"], row["host.ip"], row["os.family"]) == ("ws1", ("10.0.0.1",), "linux")
    assert row["event.extra.tenant"] == "other"


def test_extras_are_counted_by_row() -> None:
    two = {"new": (["a", None], b"\0\1"), "process.pid": (["many", 5], b"\0\1")}
    batch = merge([arrival({"process_start": (2, two)})])
    assert batch.extras.tolist() == [2, 0]
    assert batch.arrival.tolist() == [0, 0]


def test_a_wrong_value_of_one_agent_does_not_spoil_that_of_another() -> None:
    wrong = arrival({"process_start": (1, {"process.pid": ([True], b"\0"), "process.args_truncated": ([1], b"\0")})})
    right = arrival({"process_start": (1, {"process.pid": ([1], b"\0"), "process.args_truncated": ([True], b"\0")})})
    for order in ([wrong, right], [right, wrong]):
        found = plain(merge(order))
        assert [(row["process.pid"], row["process.args_truncated"]) for row in found] == [(1, True), (1, True)]


def test_rows_of_a_type_stand_together() -> None:
    one = arrival({"process_start": (2, {}), "file_create": (1, {})})
    batch = merge([one, arrival({"file_create": (3, {})})])
    assert batch.types == {"process_start": slice(0, 2), "file_create": slice(2, 6)}
    assert batch.arrival.tolist() == [0, 0, 0, 1, 1, 1]


def test_nothing_gives_an_empty_batch() -> None:
    assert merge([]).rows == 0
