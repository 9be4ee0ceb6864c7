"""A batch through the wire format: whatever the events hold, and whatever the bytes are."""

import random
import tracemalloc
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vedette.runtime.errors import WireError
from vedette.schema import dictionary
from vedette.schema.entities import (
    ChangedFile,
    File,
    Host,
    Os,
    Process,
    Socket,
    User,
    Winlog,
    WinlogSystem,
)
from vedette.schema.events import EVENT_TYPES, tag
from vedette.schema.events.base import Event
from vedette.schema.events.files import FileChange
from vedette.schema.events.logs import OsLogEvent
from vedette.schema.events.network import NetworkConnect
from vedette.schema.events.process import ProcessStart, ProcessStop
from vedette.wire import limits
from vedette.wire.batch import BatchHeader, Builder, decode, frame, read_header, rows

AGENT, EPOCH = "a" * 32, "b" * 16
GOLDEN = Path(__file__).parent.parent / "golden" / "wire"


def header(first: int, count: int, **changes: Any) -> BatchHeader:
    made = BatchHeader(agent=AGENT, epoch=EPOCH, first=first, last=first + count - 1, count=count, sent=1_000)
    return msgspec.structs.replace(made, **changes)


def through(events: list[Event], first: int = 1) -> list[dict[str, Any]]:
    return rows(decode(framed(events, first)))


def framed(events: list[Event], first: int = 1) -> bytes:
    builder = Builder()
    for event in events:
        builder.add(event)
    return frame(header(first, len(events)), builder.encode(first))


def flat(event: Event, sequence: int) -> dict[str, Any]:
    """What must arrive of an event, computed the slow way from the dictionary's own walk."""
    found: dict[str, Any] = {"event.type": tag(type(event)), "event.sequence": sequence}
    for column, path, _bare, metas in dictionary.event_leaves(type(event)):
        value: Any = event
        for name in path.split("."):
            value = getattr(value, name, None)
        if value is None:
            continue
        if any((meta.extra or {}).get("spread") for meta in metas):
            found |= {f"{column}.{key}": text for key, text in value.items()}
        else:
            found[column] = list(value) if isinstance(value, tuple) else value
    return found


# Strategies: any event of any type, with entities drawn from a small pool so that they are shared.

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
VALUES: dict[Any, st.SearchStrategy[Any]] = {
    str: TEXTS,
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3),
    tuple: st.lists(TEXTS, max_size=3).map(tuple),
    dict: st.dictionaries(TEXTS, TEXTS, max_size=3),
}


def structs(kind: type[msgspec.Struct]) -> st.SearchStrategy[Any]:
    fields: dict[str, st.SearchStrategy[Any]] = {}
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        bare, _ = dictionary._unwrap(hint)
        entity = isinstance(bare, type) and issubclass(bare, msgspec.Struct)
        value = structs(bare) if entity else VALUES[typing.get_origin(bare) or bare]
        fields[name] = value if name == "time" else st.none() | value
    pool = st.shared(st.lists(st.builds(kind, **fields), min_size=3, max_size=3), key=kind.__name__)
    return st.builds(kind, **fields) | pool.flatmap(st.sampled_from)


EVENTS = st.lists(st.sampled_from(EVENT_TYPES).flatmap(structs), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(EVENTS, st.integers(1, 2**40))
def test_every_event_arrives_as_it_was(events: list[Event], first: int) -> None:
    assert through(events, first) == [flat(event, number) for number, event in enumerate(events, first)]


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=tag)
def test_every_type_sends_exactly_its_columns(kind: type[Event]) -> None:
    def whole(struct: type[msgspec.Struct]) -> Any:
        made = {}
        for name, hint in typing.get_type_hints(struct, include_extras=True).items():
            bare, _ = dictionary._unwrap(hint)
            origin = typing.get_origin(bare) or bare
            samples = {str: "x", bool: True, int: 7, tuple: ("x",), dict: {"Key": "x"}}
            made[name] = samples[origin] if origin in samples else whole(bare)
        return struct(**made)

    (row,) = through([whole(kind)])
    assert set(row) == set(flat(whole(kind), 1))


def many(count: int, make: Callable[[int], Event]) -> list[Event]:
    return [make(number) for number in range(count)]


@pytest.mark.parametrize("count", [1, 17, 255, 256, 257, 1024])
@pytest.mark.parametrize("distinct", [1, 2, 256, 257, 900])
def test_shared_entities_of_any_number_keep_their_rows(count: int, distinct: int) -> None:
    files = [File(path=f"/bin/{number % 40}", size=number % 3) for number in range(distinct)]
    processes = [Process(pid=number, file=files[number * 7 % distinct]) for number in range(distinct)]
    events = many(count, lambda n: ProcessStop(time=n, process=processes[n * 5 % distinct]))
    assert through(events) == [flat(event, number) for number, event in enumerate(events, 1)]


def test_a_process_that_made_all_events_is_sent_once() -> None:
    process = Process(pid=1, command_line="x" * 1000, file=File(path="/usr/bin/x", sha256="0" * 64))
    batch = decode(framed(many(1000, lambda n: ProcessStop(time=n, process=process))))
    assert batch.types["process_stop"].columns["process.command_line"] == (["x" * 1000], bytes(1000))


def test_what_is_unknown_in_all_rows_is_not_sent() -> None:
    batch = decode(framed([ProcessStop(time=1, user=User(), process=Process(pid=None))]))
    assert set(batch.types["process_stop"].columns) == {"event.sequence", "event.time"}


def test_unknown_and_empty_differ() -> None:
    found = through([ProcessStart(time=1, process=Process(command_line="", args=(), env={})), ProcessStart(time=2)])
    assert found[0]["process.command_line"] == ""
    assert (found[0]["process.args"], found[0]["process.env"]) == ([], {})
    assert "process.command_line" not in found[1]


def test_no_truth_becomes_a_number() -> None:
    (row,) = through([ProcessStart(time=1, process=Process(args_truncated=True, pid=1))])
    assert row["process.args_truncated"] is True
    assert type(row["process.pid"]) is int


def test_windows_data_names_become_columns() -> None:
    names = [{"A": "1"}, {"B": "2", "A": "3"}, None, {}, {"A": "1"}]
    events: list[Event] = [OsLogEvent(time=n, winlog=Winlog(data=data)) for n, data in enumerate(names)]
    found = through(events)
    assert [row.get("winlog.data.A") for row in found] == ["1", "3", None, None, "1"]
    assert [row.get("winlog.data.B") for row in found] == [None, "2", None, None, None]


def test_a_long_name_of_windows_data_is_cut() -> None:
    (row,) = through([OsLogEvent(time=1, winlog=Winlog(data={"A" * 500: "1"}))])
    assert row["winlog.data." + "A" * 128] == "1"


def test_all_rows_with_one_list_that_is_too_long_are_cut_too() -> None:
    process = Process(args=("x",) * 5000)
    found = through([ProcessStart(time=n, process=process) for n in range(3)])
    assert {len(row["process.args"]) for row in found} == {limits.ITEMS}


def test_a_plain_file_may_stand_where_a_changed_file_is_expected() -> None:
    events: list[Event] = [
        FileChange(time=1, file=File(path="/a")),  # type: ignore[arg-type] # what is tested
        FileChange(time=2, file=ChangedFile(path="/b", operation="write")),
    ]
    found = through(events)
    assert [row["file.path"] for row in found] == ["/a", "/b"]
    assert "file.operation" not in found[0]


@pytest.mark.parametrize(
    ("process", "arrives"),
    [
        (Process(command_line="a\udcffb"), {"process.command_line": "a\\udcffb"}),
        (Process(pid=2**64), {}),
        (Process(pid=2**63), {"process.pid": 2**63}),
        (Process(pid="5"), {"process.pid": "5"}),  # type: ignore[arg-type] # the server types it
        (Process(command_line=5), {"process.command_line": 5}),  # type: ignore[arg-type] # the server types it
        (Process(command_line="x" * 70_000), {"process.command_line": "x" * limits.TEXT_CHARACTERS}),
        (Process(args=["x", "y"]), {"process.args": ["x", "y"]}),  # type: ignore[arg-type] # unhashable
        (Process(args=("x\udcff",)), {"process.args": ["x\\udcff"]}),
        (Process(args=("x",) * 5000), {"process.args": ["x"] * limits.ITEMS}),
        (Process(env={"A": "x" * 70_000}), {"process.env": {"A": "x" * limits.TEXT_CHARACTERS}}),
    ],
)
def test_a_value_that_does_not_fit_does_not_take_the_batch_down(process: Process, arrives: dict[str, Any]) -> None:
    good = ProcessStart(time=1, process=Process(pid=77))
    found = through([good, ProcessStart(time=2, process=process)])
    assert found[0]["process.pid"] == 77
    assert {name: value for name, value in found[1].items() if name.startswith("process.")} == arrives


def test_a_batch_with_too_many_events_is_refused_when_it_is_made() -> None:
    with pytest.raises(WireError, match="10001 events"):
        Builder(many(10_001, lambda n: ProcessStop(time=n))).encode(1)


def test_a_batch_that_is_too_large_is_refused_when_it_is_made() -> None:
    noise = random.Random(1)
    scripts = [Process(command_line=noise.randbytes(30_000).hex()) for _ in range(400)]
    with pytest.raises(WireError, match="allowed are"):
        Builder([ProcessStop(time=1, process=process) for process in scripts]).encode(1)


# Reading what may be hostile.

SAMPLE = framed(
    [
        *many(20, lambda n: ProcessStart(time=n, process=Process(pid=n % 3, args=("a", "b"), env={"A": "b"}))),
        *many(20, lambda n: NetworkConnect(time=2**40 + n * n, socket=Socket(remote_ip=f"10.0.0.{n}", remote_port=n))),
        OsLogEvent(time=1, winlog=Winlog(system=WinlogSystem(event_id=4624), data={"LogonType": "3"})),
    ]
)


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300))
def test_no_bytes_crash_the_decoder(data: bytes) -> None:
    for candidate in (data, limits.MAGIC + data, SAMPLE[:8] + data, SAMPLE + b"\0" + data):
        with pytest.raises(WireError):
            decode(candidate)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, len(SAMPLE) - 1), st.integers(0, 255))
def test_a_changed_byte_is_refused_or_harmless(position: int, value: int) -> None:
    data = bytearray(SAMPLE)
    data[position] = value
    try:
        batch = decode(bytes(data))
    except WireError:
        return
    assert len(rows(batch)) == 41


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_a_changed_byte_inside_the_content_is_refused_or_harmless(data: st.DataObject) -> None:
    content = bytearray(content_of(SAMPLE))
    content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    try:
        batch = decode(packed(bytes(content), 41))
    except WireError:
        return
    assert len(rows(batch)) == 41


def test_a_truncated_frame_is_refused() -> None:
    for length in range(len(SAMPLE)):
        with pytest.raises(WireError):
            decode(SAMPLE[:length])


def content_of(data: bytes) -> bytes:
    return zstandard.ZstdDecompressor().decompress(data[8 + int.from_bytes(data[4:8], "little") :])


def packed(content: bytes, count: int, first: int = 1) -> bytes:
    return frame(header(first, count), zstandard.ZstdCompressor().compress(content))


def typed(columns: dict[str, Any], count: int = 2) -> bytes:
    return packed(msgspec.msgpack.encode({"process_stop": {"n": count, "columns": SEQUENCE | columns}}), count)


SEQUENCE: dict[str, Any] = {"event.sequence": [(1).to_bytes(8, "little") + (2).to_bytes(8, "little"), b""]}


def test_the_hand_made_batch_of_these_tests_is_right() -> None:
    assert len(rows(decode(typed({"x": [["a"], b"\0\0"]})))) == 2


@pytest.mark.parametrize(
    ("columns", "problem"),
    [
        ({"x": [["a"], b"\0\1"]}, "an index beyond 1 values"),
        ({"x": [["a"], b"\0"]}, "1 bytes of indices"),
        ({"x": [["a"], b"\0\0\0"]}, "3 bytes of indices"),
        ({"x": [["a"], b""]}, "1 values without indices for 2 rows"),
        ({"x": [["a", "b", "c"], b"\0\1"]}, "3 values"),
        ({"x": [b"1234567", b""]}, "7 bytes of integers"),
        ({"x": [b"12345678" * 2, b"\0\0"]}, "2 of indices"),
        ({"x": [[1.5], b"\0\0"]}, "x: "),
        ({"x": [[["a", ["b"]]], b"\0\0"]}, "x: "),
        ({"x": [["a" * 65_537], b"\0\0"]}, "x: "),
        ({"x": [[["a"] * 4097], b"\0\0"]}, "x: "),
        ({"x": [["a"]]}, "x: "),
        ({"x": "a"}, "x: "),
        ({"x" * 257: [["a"], b"\0\0"]}, "content: "),
        ({"event.sequence": [b"12345678" * 2, b""]}, "not each of"),
        ({"event.sequence": [[1, 2], b""]}, "not raw integers"),
    ],
)
def test_a_structure_that_does_not_hold_is_refused_with_its_place(columns: dict[str, Any], problem: str) -> None:
    with pytest.raises(WireError, match=problem):
        decode(typed(columns))


def test_two_byte_indices_are_checked_too() -> None:
    values = [f"v{number}" for number in range(257)]
    sequence = {"event.sequence": [b"".join(n.to_bytes(8, "little") for n in range(1, 301)), b""]}
    good = b"\x00\x01" * 300
    decode(typed({**sequence, "x": [values, good]}, 300))
    with pytest.raises(WireError, match="beyond 257 values"):
        decode(typed({**sequence, "x": [values, b"\x01\x01" + good[2:]]}, 300))


def test_rows_must_be_as_many_as_the_header_says() -> None:
    content = content_of(framed(many(3, lambda n: ProcessStop(time=n))))
    with pytest.raises(WireError, match="3 rows, the header says 4"):
        decode(packed(content, 4))
    with pytest.raises(WireError, match=r"not each of 2\.\.4 once"):
        decode(packed(content, 3, first=2))


def test_a_batch_that_would_unpack_to_too_much_is_refused_before_it_is_unpacked() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(limits.CONTENT_BYTES + 1))
    with pytest.raises(WireError, match="size 16777217 stated"):
        decode(frame(header(1, 1), bomb))


def test_a_body_that_does_not_state_its_size_is_refused() -> None:
    silent = zstandard.ZstdCompressor(write_content_size=False).compress(b"\x80")
    with pytest.raises(WireError, match="stated"):
        decode(frame(header(1, 0), silent))


def test_a_column_of_more_values_than_rows_is_refused_before_they_are_made() -> None:
    with pytest.raises(WireError, match="100000 values"):
        decode(typed({"x": [[[]] * 100_000, b"\0\0"]}))


def test_hostile_lists_take_little_memory_before_they_are_refused() -> None:
    columns = {f"x{n}": [[["ab"] * 4000] * 300, b""] for n in range(4)}
    sequence = {"event.sequence": [b"".join(n.to_bytes(8, "little") for n in range(1, 301)), b""]}
    frame = typed({**sequence, **columns}, 300)
    tracemalloc.start()
    try:
        with pytest.raises(WireError, match="too many"):
            decode(frame)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 200 << 20


def test_nesting_is_refused() -> None:
    for depth in (3, 500, 100_000):
        with pytest.raises(WireError):
            decode(packed(b"\x91" * depth + b"\xc0", 1))
        with pytest.raises(WireError):
            decode(packed(b"\x81\xa1x" * depth + b"\xc0", 1))


@pytest.mark.parametrize(
    "changes",
    [
        {"agent": "A" * 32},
        {"agent": "a" * 31},
        {"epoch": "x" * 16},
        {"first": 0, "last": -1},
        {"last": 9},
        {"count": 10_001, "last": 10_001},
        {"drops": {"x": -1}},
        {"drops": {str(number): 1 for number in range(257)}},
        {"sent": 2**63 - 1},
        {"mode": "x" * 1025},
    ],
)
def test_a_header_out_of_bounds_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="header: "):
        read_header(frame(msgspec.structs.replace(header(1, 3), **changes), b""))


def test_a_sign_of_life_is_a_batch_of_nothing() -> None:
    for body in (b"", Builder().encode(42)):
        batch = decode(frame(header(42, 0), body))
        assert (batch.header.first, batch.header.last, batch.types) == (42, 41, {})


def test_a_header_from_a_newer_agent_is_read() -> None:
    raw = msgspec.to_builtins(header(1, 0)) | {"new_field": {"x": [1]}}
    head = msgspec.msgpack.encode(raw)
    assert read_header(limits.MAGIC + len(head).to_bytes(4, "little") + head) == header(1, 0)


# Golden frames: what agents in the field send must be readable for ever.


def golden_events() -> list[Event]:
    shell = Process(
        entity_id="0" * 32, pid=100, command_line="sh -c id", file=File(path="/bin/sh", name="sh", sha256="1" * 64),
        args=("sh", "-c", "id"), env={"PATH": "/bin"}, args_truncated=False, start_time=1_700_000_000_000_000,
    )  # fmt: skip
    user = User(name="root", id="0")
    return [
        ProcessStart(time=1_700_000_000_000_000, user=user, process=shell),
        *[FileChange(time=1_700_000_000_000_000 + n, user=user, process=shell,
                     file=ChangedFile(path=f"/tmp/{n % 3}", operation="write")) for n in range(30)],
        OsLogEvent(time=5, winlog=Winlog(system=WinlogSystem(event_id=4624), data={"LogonType": "3"})),
    ]  # fmt: skip


def test_golden_frames_are_read_as_ever(*, regold: bool) -> None:
    for case in ("version-1",):
        path, expected = GOLDEN / case / "frame.vdt", GOLDEN / case / "rows.jsonl"
        if regold and not path.exists():  # a frame in the field never changes: add a new case instead
            path.parent.mkdir(parents=True, exist_ok=True)
            facts = {"host": Host(name="ws1", ip=("10.0.0.1",)), "os": Os(family="linux"), "drops": {"file_change": 2}}
            path.write_bytes(frame(header(7, 32, **facts), Builder(golden_events()).encode(7)))
        batch = decode(path.read_bytes())
        lines = msgspec.json.Encoder(order="sorted").encode_lines([msgspec.to_builtins(batch.header), *rows(batch)])
        if regold:
            expected.write_bytes(lines)
        assert lines == expected.read_bytes()


def test_the_same_events_still_give_the_same_rows() -> None:
    assert through(golden_events(), 7) == rows(decode((GOLDEN / "version-1" / "frame.vdt").read_bytes()))
