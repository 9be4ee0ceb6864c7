"""The engine over made events: it finds what the naive evaluator finds, whatever the rules and the values."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.engines.taa.made import batch_of
from tests.engines.taa.oracle import Oracle

from vedette.engines.taa import RuleText, Taa, load
from vedette.schema.entities import (
    Dns,
    File,
    FileIdentity,
    Parent,
    Process,
    Registry,
    Socket,
    User,
    Winlog,
    WinlogSystem,
)
from vedette.schema.events.base import Event
from vedette.schema.events.logs import OsLogEvent
from vedette.schema.events.network import DnsQuery, NetworkConnect
from vedette.schema.events.process import ProcessStart
from vedette.schema.events.windows import RegistryChange

HEAD = "title: t\nid: {id}\nlogsource:\n  product: windows\n  {source}\ndetection:\n"
PIECES = st.sampled_from(
    ["powershell", "POWERSHELL", "-enc", "\u2013enc", " ", "\\", "cmd.exe", "Ü", "ü", "ΣΑς", "σας", "İx", "K", "k", "*", "?",  # noqa: E501 - a table
     "C:", "a.b", "10", "\n", "%", "_", "(", "😀", "127.0.0.1", "HKLM"]
)  # fmt: skip
texts = st.lists(PIECES, max_size=4).map("".join)
maybe = st.none() | texts
SOURCES = ["category: process_creation", "category: registry_set", "category: network_connection", "category: dns_query",  # noqa: E501 - a table
           "service: security", "service: sysmon"]  # fmt: skip
FIELDS = ["CommandLine", "Image", "User", "ParentImage", "TargetObject", "Details", "DestinationIp", "DestinationPort",
          "Initiated", "QueryName", "QueryResults", "SubjectUserName", "Nothing", "EventID", "Channel", "Hashes"]  # fmt: skip  # noqa: E501 - a table
MODIFIERS = [
    "",
    "|contains",
    "|startswith",
    "|endswith",
    "|cased",
    "|contains|all",
    "|windash|contains",
    "|wide|base64offset|contains",
]


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''").replace("\n", " ") + "'"


items = st.one_of(
    st.tuples(st.sampled_from(FIELDS), st.sampled_from(MODIFIERS), st.lists(texts.filter(bool), min_size=1, max_size=3)).map(  # noqa: E501 - a table
        lambda part: f"{part[0]}{part[1]}: [{', '.join(map(quoted, part[2]))}]"
    ),
    st.sampled_from(FIELDS).map(lambda name: f"{name}: null"),
    st.tuples(st.sampled_from(FIELDS), st.booleans()).map(lambda part: f"{part[0]}|exists: {str(part[1]).lower()}"),
    st.tuples(st.sampled_from(FIELDS), st.sampled_from(["^p.*l$", "(?i)POWER", "\\d+", ".{3}", "[^a-z]$", "ü"])).map(
        lambda part: f"{part[0]}|re: {quoted(part[1])}"
    ),
    st.sampled_from(["DestinationIp|cidr: 127.0.0.0/8", "DestinationIp|cidr: '::/0'", "DestinationPort|gte: 443",
                     "DestinationPort|lt: 1024", "CommandLine|fieldref: Image", "CommandLine|fieldref|startswith: User"]),  # noqa: E501 - a table
)  # fmt: skip
selections = st.lists(items, min_size=1, max_size=3).map(
    lambda found: list({one.split(":")[0]: one for one in found}.values())
)
conditions = st.sampled_from(
    ["a and not b", "a or b", "not a", "1 of them", "all of them", "a and b", "not (a or not b)"]
)


@st.composite
def rule_texts(draw: st.DrawFn) -> RuleText:
    number = draw(st.uuids())
    text = HEAD.format(id=number, source=draw(st.sampled_from(SOURCES)))
    for name in "ab":
        lines = "".join(f"    {line}\n" for line in draw(selections))
        text += (
            f"  {name}:\n{lines}" if draw(st.booleans()) else f"  {name}:\n    - {quoted(draw(texts.filter(bool)))}\n"
        )
    return RuleText("made", f"{text}  condition: {draw(conditions)}\n".encode())


systems = st.builds(
    WinlogSystem,
    channel=st.sampled_from(["Security", "security", "Microsoft-Windows-Sysmon/Operational", "Other", None]),
    event_id=st.sampled_from([1, 4688, None]),
)
data = st.none() | st.dictionaries(
    st.sampled_from(["SubjectUserName", "CommandLine", "DestinationIp", "Channel", "Initiated", "odd"]),
    texts,
    max_size=3,
)
winlogs = st.none() | st.builds(Winlog, system=systems, data=data)
users = st.none() | st.builds(User, name=maybe, domain=maybe)
processes = st.none() | st.builds(
    Process,
    command_line=maybe,
    file=st.builds(File, path=maybe),
    parent=st.none() | st.builds(Parent, file=st.builds(FileIdentity, path=maybe)),
)
addresses = st.sampled_from(["127.0.0.1", "::1", "10.0.0.1", "no address", None])
common: dict[str, Any] = {
    "time": st.just(1_760_000_000_000_000),
    "user": users,
    "process": processes,
    "winlog": winlogs,
}
events: st.SearchStrategy[Event] = st.one_of(
    st.builds(ProcessStart, **common),
    st.builds(OsLogEvent, **common),
    st.builds(
        RegistryChange,
        **common,
        registry=st.builds(
            Registry, path=maybe, value_data=maybe | st.just("1"), value_type=st.sampled_from(["REG_DWORD", "REG_SZ", None]),  # noqa: E501 - a table
            operation=st.sampled_from(["set_value", "rename", None]),
        ),
    ),
    st.builds(
        NetworkConnect,
        **common,
        socket=st.builds(
            Socket, direction=st.sampled_from(["inbound", "outbound", None]), remote_ip=addresses, local_ip=addresses,
            remote_port=st.sampled_from([80, 443, None]), local_port=st.sampled_from([22, None]),
        ),
    ),
    st.builds(DnsQuery, **common, dns=st.builds(Dns, query=maybe, answers=st.none() | st.tuples(texts, texts))),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    rules=st.lists(rule_texts(), min_size=1, max_size=4),
    made=st.lists(events, min_size=1, max_size=12),
    plain=st.booleans(),
)
def test_the_engine_finds_what_the_naive_evaluator_finds(
    rules: list[RuleText], made: list[Event], *, plain: bool
) -> None:
    compiled = load(rules, plain=plain).compiled
    engine, batch = Taa(compiled), batch_of(made)
    expected = Oracle(compiled.rules).find(batch)
    for _ in range(2):
        assert {(one.rule, one.row) for one in engine.inspect(batch)} == expected


SIMPLE = """title: Encoded command
id: 11111111-1111-4111-8111-111111111111
level: high
tags: [attack.t1059.001, attack.execution]
logsource: {product: windows, category: process_creation}
detection:
  selection: {Image|endswith: '\\powershell.exe', CommandLine|contains: ' -enc '}
  condition: selection
falsepositives: [Software deployment]
"""


def test_a_finding_says_why() -> None:
    engine = Taa(load([RuleText("x", SIMPLE.encode())]).compiled)
    process = Process(file=File(path="C:\\PowerShell.exe"), command_line="powershell -ENC x")
    (found,) = engine.inspect(
        batch_of([ProcessStart(time=1, process=Process()), ProcessStart(time=1, process=process)])
    )
    assert found.row == 1
    assert found.because == {"process.file.path": "C:\\PowerShell.exe", "process.command_line": "powershell -ENC x"}
    facts = engine.facts(found.rule)
    assert (facts.level, facts.techniques, facts.tactics) == ("high", ("T1059.001",), ("execution",))
    assert facts.advice == ("Software deployment",)


def test_a_windows_rule_is_not_for_linux() -> None:
    engine = Taa(load([RuleText("x", SIMPLE.encode())]).compiled)
    process = Process(file=File(path="\\powershell.exe"), command_line="x -enc y")
    assert not list(engine.inspect(batch_of([ProcessStart(time=1, process=process)], family="linux")))


def test_a_kept_set_finds_the_same_and_a_changed_rule_is_read_alone(tmp_path: Any) -> None:
    other = SIMPLE.replace("1111-1111", "2222-2222").replace("-enc", "-nop")
    kept = tmp_path / "rules"
    first = load([RuleText("x", SIMPLE.encode()), RuleText("y", other.encode())], kept=kept)
    again = load([RuleText("x", SIMPLE.encode()), RuleText("y", other.encode())], kept=kept)
    assert (first.parsed, again.parsed) == (2, 0)
    changed = load([RuleText("x", SIMPLE.encode()), RuleText("y", other.replace("-nop", "-w").encode())], kept=kept)
    assert changed.parsed == 1
    process = Process(file=File(path="\\powershell.exe"), command_line="x -enc y -w z")
    batch = batch_of([ProcessStart(time=1, process=process)])
    assert len(list(Taa(again.compiled).inspect(batch))) == 1
    assert len(list(Taa(changed.compiled).inspect(batch))) == 2


def test_a_broken_kept_set_is_made_anew(tmp_path: Any) -> None:
    kept = tmp_path / "rules"
    kept.write_bytes(b"\x28\xb5\x2f\xfd nothing")
    assert load([RuleText("x", SIMPLE.encode())], kept=kept).parsed == 1
    assert load([RuleText("x", SIMPLE.encode())], kept=kept).parsed == 0


def test_two_rules_with_one_id_are_one_and_a_reason() -> None:
    loaded = load([RuleText("x", SIMPLE.encode()), RuleText("y", (SIMPLE + "author: b\n").encode())])
    assert len(loaded.compiled.rules) == 1
    assert [one.reason for one in loaded.refused] == ["another rule has this id"]


def test_made_up_systems_and_logs_cost_no_memory() -> None:
    engine = Taa(load([RuleText("x", SIMPLE.encode())]).compiled)
    for number in range(20):
        system = WinlogSystem(channel=f"log {number}")
        batch = batch_of([OsLogEvent(time=1, winlog=Winlog(system=system))], family=f"system {number}")
        assert not list(engine.inspect(batch))
    assert len(engine._plans) == 1
