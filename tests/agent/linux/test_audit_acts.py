"""What audit records of system calls say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux import audit_acts
from vedette.agent.linux.audit_acts import Act, Address
from vedette.agent.linux.audit_rules import call_names
from vedette.normalise.audit import AuditEvent, parse

NAMES = call_names("x86_64")
HEAD = "audit(1700000000.123:77): "
CALL = (
    "arch=c000003e syscall=59 success=yes exit=0 a0=5 a1=10 a2=1c a3=0 items=2 ppid=10 pid=11 auid=1000 uid=0 gid=0 "
    'euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 comm="sh" exe="/usr/bin/dash" key="vedette-agent"'
)


def _event(*records: tuple[int, str], call: str = CALL) -> AuditEvent:
    found = [parse(number, HEAD + text) for number, text in ((1300, call), *records)]
    return AuditEvent(tuple(record for record in found if record is not None))


def _act(event: AuditEvent) -> Act:
    call = event.call
    assert call is not None
    act = audit_acts.act_of(call, NAMES)
    assert act is not None
    return act


def test_a_start_has_arguments_with_spaces_and_pieces_and_its_folder() -> None:
    event = _event(
        (1309, 'argc=4 a0="sh" a1=612062 a2_len=4 a2[0]="xy"'), (1309, 'a2[1]="z!" a3=""'), (1307, 'cwd="/home/u"')
    )
    act = _act(event)
    assert (act.name, act.pid, act.parent, act.ids, act.session) == ("execve", 11, 10, (0, 0, 0, 0, 1000), 3)
    assert (act.time, act.serial, act.executable, act.tty) == (1_700_000_000_123_000, 77, "/usr/bin/dash", "pts0")
    assert audit_acts.arguments(event) == (["sh", "a b", "xyz!", ""], False)
    assert audit_acts.folder(event) == "/home/u"


def test_arguments_that_are_missing_are_told() -> None:
    assert audit_acts.arguments(_event((1309, 'argc=3 a0="sh"'))) == (["sh", "", ""], True)


@pytest.mark.parametrize(
    ("saddr", "expected"),
    [
        ("020000357F000001", Address(2, bytes([127, 0, 0, 1]).ljust(16, b"\0"), 53)),
        ("0A0000350000000000000000000000000000000000000001", Address(10, bytes(15) + b"\1", 53)),
        ("01002F72756E", None),
        ("02", None),
        ("zz", None),
    ],
)
def test_addresses(saddr: str, expected: Address | None) -> None:
    if expected is not None and expected.family == 10:
        saddr += "00" * 4
        saddr = saddr[:8] + "00000000" + "00" * 15 + "01" + "00" * 4
    assert audit_acts.address(_event((1306, f"saddr={saddr}"))) == expected


def test_an_old_socket_call_is_told_under_its_own_name() -> None:
    call = CALL.replace("c000003e syscall=59", "40000003 syscall=102").replace("a0=5", "a0=3")
    event = _event((1304, "nargs=3 a0=9 a1=ffd0 a2=10"), call=call)
    act = audit_acts.resolved(_act(event), event)
    assert act is not None
    assert (act.name, act.numbers) == ("connect", (9, 0xFFD0))


def test_calls_without_a_rule_and_broken_records_are_none() -> None:
    for call in (CALL.replace("syscall=59", "syscall=1"), CALL.replace("pid=11", "pid=x"), "arch=c000003e"):
        record = parse(1300, HEAD + call)
        assert record is not None
        assert audit_acts.act_of(record, NAMES) is None


@given(st.text(max_size=200))
def test_any_text_is_read_without_an_error(text: str) -> None:
    event = _event((1309, text), (1306, text), (1318, text), (1304, text))
    audit_acts.arguments(event)
    audit_acts.address(event)
    audit_acts.target(event, _act(event))
