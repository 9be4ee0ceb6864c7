"""EVTX files and JSON lines -> records: the same record in every form, damage counted, hostile input bounded."""

from __future__ import annotations

import io
import random
import struct
import zipfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.normalise.windows.evtx_writer import CHUNK, event, evtx
from tests.normalise.windows.made import MICROS, SECURITY, line

from vedette.normalise.windows import Tally, json_lines, read, records
from vedette.normalise.windows.record import ITEMS, LONGEST, Record
from vedette.runtime.errors import ConfigError
from vedette.schema.events.base import Event

LOGON = {"TargetUserName": "алиса", "LogonType": "3", "ProcessID": "0x240", "Empty": "", "Threat Name": "EICAR"}
DATA = {"TargetUserName": "алиса", "LogonType": "3", "ProcessId": "0x240", "Empty": "", "ThreatName": "EICAR"}


def read_evtx(tmp_path: Path, content: bytes) -> tuple[list[Record], Tally]:
    path, tally = tmp_path / "log.evtx", Tally()
    path.write_bytes(content)
    return list(records(path, tally)), tally


def test_an_evtx_record_has_its_header_and_items(tmp_path: Path) -> None:
    (one,), tally = read_evtx(tmp_path, evtx(event(SECURITY, 4624, LOGON, created="2026-11-01T10:00:00.5000001Z")))
    assert (one.time, one.data) == (MICROS, DATA)
    assert msgspec.structs.asdict(one.system) == {
        "provider_name": SECURITY, "event_id": 4624, "version": 2, "level": 4, "task": 12544, "opcode": 1,
        "keywords": "0x8020000000000000", "time_created": "2026-11-01T10:00:00.5000001Z", "record_id": 4711,
        "activity_id": "{a67be420-4636-0001-36e4-7ba63646d701}", "process_id": 576, "thread_id": 4904,
        "channel": "Security", "computer": "ws1.example.org",
    }  # fmt: skip
    assert one.user is not None
    assert one.user.id == "S-1-5-18"
    assert (tally.records, tally.skipped) == (1, {})


def test_user_data_is_kept_by_the_names_of_its_elements(tmp_path: Path) -> None:
    failure = ("EventProcessingFailure", {"xmlns": "http://manifests.microsoft.com/x"}, [
        ("Error", {"Code": "15005"}, ""), ("EventID", {}, "4703"), ("PublisherID", {}, SECURITY),
    ])  # fmt: skip
    (one,), _ = read_evtx(tmp_path, evtx(event("Microsoft-Windows-Eventlog", 1108, user_data=failure)))
    assert one.data == {"ErrorCode": "15005", "EventID": "4703", "PublisherId": SECURITY}


def test_a_broken_chunk_costs_no_other_and_is_counted(tmp_path: Path) -> None:
    content = bytearray(evtx(*[event(SECURITY, 4624, LOGON) for _ in range(90)], per_chunk=30))
    content[4096 + CHUNK + 700 : 4096 + CHUNK + 60_000] = random.Random(1).randbytes(59_300)
    found, tally = read_evtx(tmp_path, bytes(content))
    assert 60 <= len(found) < 90
    assert sum(tally.skipped.values()) >= 1
    assert tally.first.popitem()[1] == f"byte {4096 + CHUNK}"


def test_zeroed_and_lying_chunks_do_no_harm(tmp_path: Path) -> None:
    content = bytearray(evtx(*[event(SECURITY, 4624, LOGON) for _ in range(90)], per_chunk=30))
    content[4096 + CHUNK : 4096 + 2 * CHUNK] = bytes(CHUNK)  # preallocated by the log service, not used yet
    content[8:24] = b"\xff" * 16
    found, tally = read_evtx(tmp_path, bytes(content))
    assert (len(found), tally.skipped) == (60, {})
    content[4096 + CHUNK] = 1
    found, tally = read_evtx(tmp_path, bytes(content))
    assert (len(found), tally.skipped) == (60, {"broken chunk": 1})


@pytest.mark.parametrize("forged", ["cycle", "to itself", "outside"])
@pytest.mark.parametrize("bucket", [0, 63, 64, 95])
def test_a_forged_chain_of_names_neither_hangs_nor_hides_records(bucket: int, forged: str, tmp_path: Path) -> None:
    """The library alone would follow the first two for ever."""
    content = bytearray(evtx(*[event(SECURITY, 4624, LOGON) for _ in range(30)]))
    free = 60_000
    start, following = {"cycle": (free, free + 8), "to itself": (free, free), "outside": (2**31, 0)}[forged]
    struct.pack_into("<I", content, 4096 + 128 + 4 * bucket, start)
    struct.pack_into("<I", content, 4096 + free, following)
    struct.pack_into("<I", content, 4096 + free + 8, free)
    found, tally = read_evtx(tmp_path, bytes(content))
    assert (len(found), tally.skipped) == (30, {})


def test_a_file_that_was_cut_gives_what_is_whole(tmp_path: Path) -> None:
    content = evtx(*[event(SECURITY, 4624, LOGON) for _ in range(60)], per_chunk=30)
    found, tally = read_evtx(tmp_path, content[: 4096 + CHUNK + 1000])
    assert 30 <= len(found) < 60
    assert tally.skipped["cut chunk"] == 1


def test_random_damage_never_raises(tmp_path: Path) -> None:
    whole = evtx(*[event(SECURITY, 4624, LOGON) for _ in range(20)])
    chance = random.Random(7)
    for _ in range(150):
        content = bytearray(whole)
        for _ in range(chance.randrange(1, 200)):
            content[chance.randrange(8, 4096 + 40_000)] = chance.randrange(256)
        found, tally = read_evtx(tmp_path, bytes(content))
        assert len(found) == tally.records


def test_a_file_that_is_no_evtx_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "short.evtx"
    path.write_bytes(b"ElfFile\0short")
    with pytest.raises(ConfigError, match=r"short\.evtx: no EVTX file"):
        list(records(path))
    with pytest.raises(ConfigError, match=r"absent\.evtx: No such file"):
        list(records(tmp_path / "absent.evtx"))


def test_winlogbeat_and_flat_lines_give_the_same_record() -> None:
    nested = line(SECURITY, 4624, LOGON, version=2, task="Logon", opcode="Info", keywords=["Audit Success"],
                  activity_id="{a67be420-4636-0001-36e4-7ba63646d701}") | {"log": {"level": "information"}}  # fmt: skip
    flat = {
        "@timestamp": nested["@timestamp"], "SourceName": SECURITY, "EventID": 4624, "Channel": "security",
        "Hostname": "ws1.example.org", "RecordNumber": 4711, "Version": 2, "Level": "4", "Task": "Logon",
        "OpcodeValue": 0, "Opcode": "Info", "Keywords": -9214364837600034816, "ExecutionProcessID": 576,
        "ThreadID": 4904, "ActivityID": "a67be420-4636-0001-36e4-7ba63646d701", "EventType": "AUDIT_SUCCESS",
        "Message": "An account was successfully logged on.", "tags": ["x"], "port": 1,
    } | LOGON  # fmt: skip
    first, second = (json_lines.parse(msgspec.json.encode(one)) for one in (nested, flat))
    assert first is not None
    assert first == second
    assert first.data == DATA
    assert (first.system.keywords, first.system.level, first.system.opcode) == ("0x8020000000000000", 4, 0)


def test_the_item_event_type_is_told_from_the_shippers_word() -> None:
    flat = {"@timestamp": "2026-11-01T10:00:00Z", "EventID": 13, "Channel": "Microsoft-Windows-Sysmon/Operational"}
    shipped, own = (json_lines.parse(msgspec.json.encode(flat | {"EventType": one})) for one in ("INFO", "SetValue"))
    assert shipped is not None
    assert own is not None
    assert (shipped.data, own.data) == ({}, {"EventType": "SetValue"})
    assert own.system.provider_name == "Microsoft-Windows-Sysmon"


def test_a_record_without_items_keeps_its_text() -> None:
    flat = {"@timestamp": "2026-11-01T10:00:00Z", "EventID": 5861, "SourceName": "X", "Message": "Namespace = //./root"}
    made = json_lines.parse(msgspec.json.encode(flat))
    assert made is not None
    assert made.data == {"Message": "Namespace = //./root"}


def test_lines_that_are_no_records_are_counted_and_long_ones_stepped_over() -> None:
    good = msgspec.json.encode(line(SECURITY, 4624, LOGON))
    content = b"\xef\xbb\xbf" + good + b"\n\nnot json\n{}\n[1]\n" + b"x" * (9 << 20) + b"\n" + good
    tally = Tally()
    assert len(list(json_lines.records(io.BytesIO(content), tally))) == tally.records == 2
    assert tally.skipped == {"no Windows record": 3, "line too long": 1}
    assert tally.first == {"no Windows record": "line 3", "line too long": "line 6"}


def test_items_are_bounded_in_number_and_length_and_the_cuts_are_counted() -> None:
    data = {f"Name{number}": "x" for number in range(ITEMS + 5)} | {"Name0": "я" * (LONGEST + 1)}
    made = json_lines.parse(msgspec.json.encode(line(SECURITY, 1, data)))
    assert made is not None
    assert (len(made.data), len(made.data["Name0"]), made.cut) == (ITEMS, LONGEST, 6)
    assert max(map(len, made.data)) <= 128


def test_deep_nesting_and_strange_types_are_no_danger() -> None:
    deep = b'{"@timestamp":"2026-11-01T10:00:00Z","winlog":{"event_id":1,"user_data":' + b'{"a":' * 100_000
    assert json_lines.parse(deep + b"1" + b"}" * 100_002) is None
    inner: object = "x"
    for _ in range(40):
        inner = {"a": inner}
    made = json_lines.parse(msgspec.json.encode(line(SECURITY, 1, user_data={"b": inner})))
    assert made is not None
    assert made.cut == 1
    odd = {"list": [1, True, None], "tree": {"a": [1]}, "#text": "y", "big": 2**70, "empty": None}
    made = json_lines.parse(msgspec.json.encode({"@timestamp": "2026-11-01T10:00:00Z", "winlog": {
        "event_id": [], "computer_name": 5, "process": 3, "keywords": {}, "event_data": odd}}))  # fmt: skip
    assert made is not None
    assert made.data == {"list": "1\ntrue\n", "tree": '{"a":[1]}', "#text": "y", "big": str(2**70), "empty": ""}


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
_parts = st.sampled_from(
    ["winlog", "Event", "System", "EventData", "UserData", "EventID", "Channel", "SourceName", "@timestamp",
     "event_data", "user_data", "EventType", "Data", "#text", "#attributes", "Provider", "TimeCreated"]
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(_parts, _json | st.dictionaries(_parts, _json, max_size=5) | st.just("2026-11-01T10:00:00Z")))
def test_no_json_raises(tree: dict[str, object]) -> None:
    made = json_lines.parse(msgspec.json.encode(tree))
    assert made is None or all(isinstance(text, str) for text in made.data.values())


@given(st.binary(max_size=200))
def test_no_bytes_raise(content: bytes) -> None:
    tally = Tally()
    assert list(json_lines.records(io.BytesIO(content), tally)) == []


def test_real_archives_are_read_whole(shared_data: Path, tmp_path: Path) -> None:
    """Every line of a real collection becomes one event."""
    archive = shared_data / "mordor/atomic/windows/credential_access/host/psh_lsass_memory_dump_comsvcs.zip"
    with zipfile.ZipFile(archive) as packed:
        (name,) = (one for one in packed.namelist() if one.endswith(".json"))
        lines = packed.read(name)
    (tmp_path / "lines.json").write_bytes(lines)
    tally = Tally()
    found: list[Event] = list(read(tmp_path / "lines.json", tally=tally))
    assert len(found) == tally.records == lines.count(b"\n") + (not lines.endswith(b"\n"))
    assert not tally.skipped
