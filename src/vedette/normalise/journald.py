"""Lines of `journalctl --output=json` -> log records. systemd.journal-fields(7)."""

from typing import Any, Final

import msgspec

from vedette.normalise.auth_messages import meaning
from vedette.normalise.log_record import NO_ID, LogRecord, cut
from vedette.schema.entities import OsLog

FIELDS: Final = (
    "MESSAGE PRIORITY SYSLOG_FACILITY SYSLOG_IDENTIFIER UNIT JOB_RESULT UNIT_RESULT _TRANSPORT _PID _UID _COMM _EXE "
    "_SYSTEMD_UNIT _AUDIT_SESSION _AUDIT_LOGINUID _SOURCE_REALTIME_TIMESTAMP"
).split()
"""Fields that are asked for."""
_RESULTS: Final = {"done": "success", "success": "success"}
_AUTH_FACILITIES: Final = frozenset(("4", "10"))

_decode = msgspec.json.Decoder(dict[str, Any]).decode


class JournalEntry(msgspec.Struct, frozen=True):
    """One entry. `login`: it comes from a login program; `audit`: it repeats a record of the audit system."""

    cursor: str
    record: LogRecord
    login: bool = False
    audit: bool = False


def parse(line: bytes) -> JournalEntry | None:
    """Read one line; None when it is no entry of a journal."""
    try:
        raw = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    fields = {name: text for name, value in raw.items() if (text := _text(value)) is not None}
    time = _number(fields, "_SOURCE_REALTIME_TIMESTAMP") or _number(fields, "__REALTIME_TIMESTAMP")
    cursor = fields.get("__CURSOR")
    if time is None or not cursor:
        return None
    login = fields.get("SYSLOG_FACILITY") in _AUTH_FACILITIES
    audit = fields.get("_TRANSPORT") == "audit"
    return JournalEntry(cursor=cursor, record=_record(fields, time), login=login, audit=audit)


def _record(fields: dict[str, str], time: int) -> LogRecord:
    message = fields.get("MESSAGE", "")
    program = fields.get("SYSLOG_IDENTIFIER") or fields.get("_COMM") or fields.get("_TRANSPORT") or "journal"
    told = meaning(program, message)
    job = fields.get("JOB_RESULT") or fields.get("UNIT_RESULT")
    result = told.result if job is None else _RESULTS.get(job, "failure")
    return LogRecord(
        time=time,
        oslog=OsLog(
            type=program,
            result=result,
            source="journald",
            unit=fields.get("UNIT") or fields.get("_SYSTEMD_UNIT") or program,
            message=cut(message),
        ),
        auth=told.auth(),
        pid=_number(fields, "_PID"),
        uid=_number(fields, "_UID"),
        login_uid=_id(fields, "_AUDIT_LOGINUID"),
        session=_id(fields, "_AUDIT_SESSION"),
        account=told.account,
        executable=fields.get("_EXE"),
        remote=told.remote,
    )


def _text(value: object) -> str | None:
    """Give a field as text: a list of numbers is binary, a list of texts is a field given several times."""
    if isinstance(value, list) and value and not _is_binary(value):
        value = value[-1]
    if isinstance(value, list) and _is_binary(value):
        return bytes(value).decode("utf-8", "replace")
    return value if isinstance(value, str) else None


def _is_binary(value: list[object]) -> bool:
    return all(isinstance(item, int) and 0 <= item <= 255 for item in value)


def _number(fields: dict[str, str], name: str) -> int | None:
    value = fields.get(name, "")
    return int(value) if value.isascii() and value.isdecimal() and len(value) <= 18 else None


def _id(fields: dict[str, str], name: str) -> int:
    number = _number(fields, name)
    return NO_ID if number is None or number > NO_ID else number
