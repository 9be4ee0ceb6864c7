"""Audit records: their text, the events that they make up, what those mean."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.normalise.audit import MOST_OPEN, MOST_RECORDS, Assembler, AuditEvent, AuditRecord, fields_of, parse
from vedette.normalise.audit_event import log_record
from vedette.normalise.audit_types import END_OF_EVENT, is_alone, type_name
from vedette.normalise.log_record import LONGEST, NO_ID, LogRecord

HEAD = "audit(1795498910.852:77): "
LOGIN = (
    'pid=15063 uid=0 auid=5 ses=12 msg=\'op=login id=5 exe="/usr/sbin/sshd" hostname=client.example addr=10.1.2.3 '
    "terminal=/dev/pts/0 res=success'"
)
FAILED_SU = (
    'pid=15088 uid=5 auid=5 ses=12 msg=\'op=PAM:authentication grantors=? acct="root" exe="/usr/bin/su" '
    "hostname=vm addr=? terminal=pts/0 res=failed'"
)


def record(number: int, body: str, *, head: str = HEAD) -> AuditRecord:
    parsed = parse(number, head + body)
    assert parsed is not None
    return parsed


def meaning(number: int, body: str, *more: tuple[int, str], here: frozenset[str] = frozenset()) -> LogRecord:
    records = [record(number, body), *(record(other, text) for other, text in more)]
    return log_record(AuditEvent(tuple(records)), here)


def test_a_record_has_type_time_serial_and_fields() -> None:
    read = record(1112, LOGIN)
    assert (read.type, read.serial, read.time) == ("USER_LOGIN", 77, 1_795_498_910_852_000)
    assert read.fields["pid"] == "15063"
    assert read.fields["exe"] == "/usr/sbin/sshd"
    assert read.fields["res"] == "success"


def test_names_of_types_are_those_of_the_field() -> None:
    names = {number: type_name(number) for number in (1006, 1100, 1105, 1112, 1114, 1123, 1130, 1300, 1400, 9999)}
    assert names == {
        1006: "LOGIN", 1100: "USER_AUTH", 1105: "USER_START", 1112: "USER_LOGIN", 1114: "ADD_USER", 1123: "USER_CMD",
        1130: "SERVICE_START", 1300: "SYSCALL", 1400: "AVC", 9999: "UNKNOWN[9999]",
    }  # fmt: skip


def test_text_in_hex_is_decoded_where_the_kernel_encodes_it_and_nowhere_else() -> None:
    body = 'cwd="/root" cmd=2F62696E2F6C73202D6C2022612022 exe="/usr/bin/sudo" a0=DEAD ses=12'
    fields = fields_of(body, "USER_CMD")
    assert fields["cmd"] == '/bin/ls -l "a "'
    assert fields["a0"] == "DEAD"
    assert fields_of('a0=6C73 a1="-l"', "EXECVE") == {"a0": "ls", "a1": "-l"}
    assert fields_of("proctitle=6C73002D6C00", "PROCTITLE") == {"proctitle": "ls -l"}


def test_a_quote_in_an_account_name_makes_no_fields() -> None:
    fields = fields_of("pid=7 uid=0 auid=0 ses=1 msg='op=x acct=\"a uid=999\" res=failed'", "USER_AUTH")
    assert fields["uid"] == "0"
    assert fields["acct"] == "a uid=999"


def test_what_the_kernel_says_goes_before_what_a_program_says_of_itself() -> None:
    fields = fields_of("pid=7 uid=1000 auid=1000 ses=1 msg='pid=1 uid=0 auid=0 ses=9 res=success'", "USER_LOGIN")
    assert [fields[name] for name in ("pid", "uid", "auid", "ses")] == ["7", "1000", "1000", "1"]


def test_a_login_tells_session_remote_host_and_terminal() -> None:
    login = meaning(1112, LOGIN)
    assert (login.oslog.type, login.oslog.result, login.oslog.source, login.oslog.unit) == (
        "USER_LOGIN", "success", "audit", "sshd",
    )  # fmt: skip
    assert (login.session, login.login_uid, login.pid, login.account) == (12, 5, 15063, "#5")
    assert (login.remote, login.terminal, login.change) == ("client.example", "pts/0", "opened")
    assert login.auth is not None
    assert (login.auth.subtype, login.auth.remote_ip) == ("logon", "10.1.2.3")


def test_a_failed_su_is_a_failed_logon_and_opens_nothing() -> None:
    su = meaning(1100, FAILED_SU, here=frozenset({"vm"}))
    assert (su.oslog.result, su.account, su.change, su.remote) == ("failure", "root", "", None)
    assert su.auth is not None
    assert (su.auth.subtype, su.auth.remote_ip) == ("logon_failed", None)


def test_a_session_of_su_or_sudo_is_no_login() -> None:
    body = LOGIN.replace("/usr/sbin/sshd", "/usr/bin/sudo")
    switched = meaning(1105, body)
    assert switched.change == ""
    assert switched.auth is not None
    assert switched.auth.subtype == "explicit_credentials"


def test_the_end_of_a_session_closes_it() -> None:
    assert meaning(1106, LOGIN).change == "closed"
    assert meaning(1113, LOGIN.replace("success", "failed")).change == ""


def test_a_login_number_comes_with_its_system_call() -> None:
    syscall = 'arch=c000003e syscall=1 success=yes exit=1 ppid=9 pid=15063 auid=5 uid=0 ses=12 exe="/usr/sbin/sshd"'
    assigned = meaning(1006, "pid=15063 uid=0 old-auid=4294967295 auid=5 old-ses=4294967295 ses=12 res=1",
                       (1300, syscall))  # fmt: skip
    assert (assigned.oslog.type, assigned.oslog.result, assigned.change) == ("LOGIN", "success", "assigned")
    assert (assigned.session, assigned.executable) == (12, "/usr/sbin/sshd")


def test_a_command_of_sudo_can_be_found_by_its_text() -> None:
    body = 'pid=9 uid=5 auid=5 ses=12 msg=\'cwd="/" cmd=2F62696E2F6C73202F74 exe="/usr/bin/sudo" res=success\''
    command = meaning(1123, body)
    assert "/bin/ls /t" in (command.oslog.message or "")
    assert command.auth is not None
    assert command.auth.subtype == "explicit_credentials"


def test_a_denial_is_a_failure() -> None:
    denial = meaning(1400, 'apparmor="DENIED" operation="open" profile="x" pid=7 comm="cat"')
    assert (denial.oslog.type, denial.pid) == ("AVC", 7)
    assert meaning(1400, 'avc:  denied  { read } for pid=7 comm="cat"').oslog.result == "failure"


def test_an_account_change_names_the_account() -> None:
    body = 'pid=9 uid=0 auid=5 ses=12 msg=\'op=adding user acct="eve" exe="/usr/sbin/useradd" res=success\''
    assert (meaning(1114, body).account, meaning(1114, body).oslog.type) == ("eve", "ADD_USER")


def test_records_of_one_serial_are_one_event_when_its_end_comes() -> None:
    assembler = Assembler()
    one, other = "audit(1.000:1): ", "audit(1.000:2): "
    assert assembler.add(record(1300, "pid=1", head=one)) == []
    assert assembler.add(record(1300, "pid=2", head=other)) == []
    assert assembler.add(record(1307, 'cwd="/"', head=one)) == []
    (event,) = assembler.add(record(END_OF_EVENT, "", head=one))
    assert [part.type for part in event.records] == ["SYSCALL", "CWD"]
    assert len(assembler) == 1


def test_a_record_of_a_program_is_an_event_at_once() -> None:
    (event,) = Assembler().add(record(1112, LOGIN))
    assert event.main.type == "USER_LOGIN"
    assert is_alone(1112)
    assert not is_alone(1300)


def test_an_event_without_end_is_given_after_a_while() -> None:
    assembler = Assembler()
    assembler.add(record(1006, "pid=1", head="audit(5.000:1): "))
    assert assembler.flush(5_000_000) == []
    (event,) = assembler.flush(5_000_001)
    assert event.main.type == "LOGIN"
    assert len(assembler) == 0


def test_the_assembler_is_bounded_and_counts() -> None:
    assembler = Assembler()
    given_early = sum(
        len(assembler.add(record(1300, "pid=1", head=f"audit(1.000:{serial}): "))) for serial in range(MOST_OPEN + 10)
    )
    assert (len(assembler), given_early) == (MOST_OPEN, 10)
    for _ in range(MOST_RECORDS + 5):
        assembler.add(record(1302, "item=0", head="audit(1.000:100): "))
    assert assembler.cut == 6


def test_a_very_long_message_is_cut_and_says_so() -> None:
    long = meaning(1112, LOGIN + " x=" + "y" * 40_000)
    assert long.oslog.message is not None
    assert len(long.oslog.message) == LONGEST
    assert long.oslog.message.endswith("[truncated]")


@pytest.mark.parametrize("text", ["", "audit", "audit(1.2:3): x=1", "audit(1.200:): x", "type=1 audit(1.200:3): "])
def test_text_without_a_head_is_no_record(text: str) -> None:
    assert parse(1112, text) is None


@given(st.integers(0, 0xFFFF), st.text(max_size=300))
def test_any_text_is_read_without_error(number: int, body: str) -> None:
    read = parse(number, HEAD + body)
    assert read is not None
    said = log_record(AuditEvent((read,)))
    assert 0 <= said.session <= NO_ID
    assert said.oslog.message is not None


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60))
def test_hex_text_round_trips(text: str) -> None:
    assert fields_of(f"acct={text.encode().hex().upper()}", "USER_AUTH") == {"acct": text}
