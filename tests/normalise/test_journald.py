"""Lines of the journal."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.normalise.journald import parse
from vedette.normalise.log_record import NO_ID

ENTRY = {
    "__CURSOR": "s=1;i=2", "__REALTIME_TIMESTAMP": "1795499276198570", "_SOURCE_REALTIME_TIMESTAMP": "1795499276198340",
    "SYSLOG_FACILITY": "10", "PRIORITY": "6", "SYSLOG_IDENTIFIER": "sshd", "_PID": "6719", "_UID": "0",
    "_EXE": "/usr/sbin/sshd", "_SYSTEMD_UNIT": "ssh.service", "_TRANSPORT": "syslog", "_AUDIT_SESSION": "3",
    "_AUDIT_LOGINUID": "1000",
    "MESSAGE": "Accepted publickey for joe from 10.1.2.3 port 45738 ssh2: ED25519 SHA256:KjzL",
}  # fmt: skip


def line(**other: object) -> bytes:
    return json.dumps({name: value for name, value in (ENTRY | other).items() if value is not None}).encode()


def test_a_login_message_becomes_a_record() -> None:
    entry = parse(line())
    assert entry is not None
    said = entry.record
    assert (entry.cursor, entry.login, entry.audit) == ("s=1;i=2", True, False)
    assert (said.time, said.pid, said.uid, said.session, said.login_uid) == (1795499276198340, 6719, 0, 3, 1000)
    assert (said.oslog.type, said.oslog.result, said.oslog.source, said.oslog.unit) == (
        "sshd", "success", "journald", "ssh.service",
    )  # fmt: skip
    assert (said.account, said.remote, said.executable) == ("joe", "10.1.2.3", "/usr/sbin/sshd")
    assert said.auth is not None
    assert (said.auth.subtype, said.auth.method) == ("logon", "publickey")


def test_a_message_in_bytes_is_text() -> None:
    entry = parse(line(MESSAGE=list(b"caf\xc3\xa9 \xff")))
    assert entry is not None
    assert entry.record.oslog.message == "café �"


def test_a_field_that_was_given_twice_has_its_last_value() -> None:
    entry = parse(line(SYSLOG_IDENTIFIER=["a", "sudo"], MESSAGE=[[97], [98]]))
    assert entry is not None
    assert (entry.record.oslog.type, entry.record.oslog.message) == ("sudo", "b")


def test_a_failed_unit_is_a_failure() -> None:
    entry = parse(line(SYSLOG_IDENTIFIER="systemd", UNIT="x.service", JOB_RESULT="failed", MESSAGE="Failed to start x"))
    assert entry is not None
    assert (entry.record.oslog.result, entry.record.oslog.unit) == ("failure", "x.service")


def test_a_message_that_means_nothing_has_no_result() -> None:
    entry = parse(line(MESSAGE="hello", SYSLOG_FACILITY="3", _AUDIT_SESSION=None))
    assert entry is not None
    assert (entry.record.oslog.result, entry.record.auth, entry.login) == (None, None, False)
    assert entry.record.session == NO_ID


def test_records_of_the_audit_system_are_marked() -> None:
    entry = parse(line(_TRANSPORT="audit"))
    assert entry is not None
    assert entry.audit


@pytest.mark.parametrize(
    "raw", [b"", b"{", b"[]", b"{}", b'"x"', b"[" * 100_000, b"\xff\xfe", line(__CURSOR=None),
            line(__REALTIME_TIMESTAMP=None, _SOURCE_REALTIME_TIMESTAMP="x")]
)  # fmt: skip
def test_what_is_no_entry_is_none(raw: bytes) -> None:
    assert parse(raw) is None


@given(st.dictionaries(st.sampled_from(sorted(ENTRY)), st.text(max_size=30) | st.lists(st.integers()) | st.none()))
def test_any_values_are_read_without_error(values: dict[str, object]) -> None:
    parse(json.dumps(ENTRY | values).encode())


@given(st.binary(max_size=200))
def test_any_bytes_are_read_without_error(raw: bytes) -> None:
    parse(raw)
