"""An audit event -> what it says of a login, a command, a change: a `LogRecord`."""

from pathlib import PurePosixPath
from typing import Final

from vedette.normalise.audit import AuditEvent, AuditRecord
from vedette.normalise.log_record import NO_ID, LogRecord, cut
from vedette.schema.entities import Auth, OsLog

_RESULTS: Final = {
    "success": "success", "yes": "success", "1": "success", "failed": "failure", "fail": "failure", "no": "failure",
    "0": "failure",
}  # fmt: skip
_NOTHING: Final = frozenset(("", "?", "(null)", "(none)", "UNKNOWN"))
_LOGOFF: Final = frozenset(("USER_END", "USER_LOGOUT"))
_SWITCHES: Final = frozenset(("su", "sudo", "pkexec", "doas", "runuser", "sg", "newgrp"))
"""Programs by which somebody who is logged in takes on another account."""
_TIMERS: Final = frozenset(("cron", "crond", "atd", "anacron", "fcron"))
_AUTHENTICATIONS: Final = frozenset(("USER_AUTH", "USER_ACCT", "USER_LOGIN", "USER_START", "USER_CMD", "USER_ERR"))


def log_record(event: AuditEvent, here: frozenset[str] = frozenset()) -> LogRecord:
    """Say what an event means. `here`: names of this host, which login programs give when nobody is remote."""
    main = event.main
    fields = _fields(event)
    executable = _value(fields, "exe")
    program = PurePosixPath(executable).name if executable else _value(fields, "comm")
    remote_ip = _value(fields, "addr")
    remote = _value(fields, "hostname") or remote_ip
    return LogRecord(
        time=main.time,
        oslog=OsLog(
            type=main.type,
            result=_result(main, fields),
            source="audit",
            unit=_value(fields, "unit") or program,
            message=_message(event),
        ),
        auth=_auth(main, fields, program or "", remote_ip if remote not in here else None),
        pid=_number(fields, "pid"),
        uid=_number(fields, "uid"),
        login_uid=_id(fields, "auid"),
        session=_id(fields, "ses"),
        account=_account(main, fields),
        executable=executable,
        terminal=_terminal(fields),
        remote=None if remote in here else remote,
        change=_change(main, fields, program or ""),
    )


def _fields(event: AuditEvent) -> dict[str, str]:
    """All fields; those of the main record go before those of the records that accompany it."""
    fields: dict[str, str] = {}
    for record in event.records:
        if record.type in ("SYSCALL", "PROCTITLE"):
            fields |= record.fields
    return fields | event.main.fields


def _message(event: AuditEvent) -> str:
    if len(event.records) == 1:
        return cut(_readable(event.main))
    return cut("\n".join(f"{record.type} {_readable(record)}" for record in event.records))


def _readable(record: AuditRecord) -> str:
    """Give the record as it came, but text that was sent in hex as text: a hunt for a command must find it."""
    text = record.text.replace("\x1d", " ").strip()
    for name in ("acct", "cmd", "proctitle", "data", "cwd", "exe", "comm"):
        value = record.fields.get(name)
        if value and value not in text:
            text += f" [{name}: {value}]"
    return text


def _result(main: AuditRecord, fields: dict[str, str]) -> str | None:
    raw = fields.get("res") or fields.get("result") or fields.get("success")
    if raw is None and main.type == "AVC":
        raw = "no" if "denied" in main.text else "yes"
    return None if raw is None else _RESULTS.get(raw.strip("'"), raw)


def _auth(main: AuditRecord, fields: dict[str, str], program: str, remote: str | None) -> Auth | None:
    kind, failed = main.type, _result(main, fields) == "failure"
    subtype = None
    if kind in _AUTHENTICATIONS and failed:
        subtype = "logon_failed"
    elif kind == "USER_CMD" or (kind in {"USER_AUTH", "USER_START"} and program in _SWITCHES):
        subtype = "explicit_credentials"
    elif kind == "USER_LOGIN":
        subtype = "logon"
    elif kind in _LOGOFF and program not in _SWITCHES | _TIMERS:
        subtype = "logoff"
    method = _value(fields, "grantors") or _value(fields, "kind")
    if subtype is None and remote is None and method is None:
        return None
    return Auth(subtype=subtype, remote_ip=remote, method=method)


def _change(main: AuditRecord, fields: dict[str, str], program: str) -> str:
    if _result(main, fields) != "success":
        return ""
    if main.type == "LOGIN":
        return "assigned"
    if program in _SWITCHES:
        return ""
    if main.type in {"USER_START", "USER_LOGIN"}:
        return "opened"
    return "closed" if main.type in _LOGOFF else ""


def _account(main: AuditRecord, fields: dict[str, str]) -> str | None:
    """Give the account that a record names; some name it by `id=`."""
    name = _value(fields, "acct")
    if name is not None:
        return name
    number = fields.get("auid" if main.type == "LOGIN" else "id", "")
    known = main.number < 1300 and number.isascii() and number.isdecimal() and int(number) != NO_ID
    return f"#{number}" if known else None


def _terminal(fields: dict[str, str]) -> str | None:
    name = _value(fields, "terminal") or _value(fields, "tty")
    return name.removeprefix("/dev/") if name else None


def _value(fields: dict[str, str], name: str) -> str | None:
    value = fields.get(name, "")
    return None if value in _NOTHING else value


def _number(fields: dict[str, str], name: str) -> int | None:
    value = fields.get(name, "")
    return int(value) if value.isdecimal() and len(value) <= 10 and int(value) <= NO_ID else None


def _id(fields: dict[str, str], name: str) -> int:
    number = _number(fields, name)
    return NO_ID if number is None else number
