"""Any record -> `os_log`: what no other table knows stays a record of the log, with all its items."""

from typing import Final

from vedette.normalise.windows import accounts, winlog
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.texts import known, number
from vedette.schema.entities import Process, Winlog
from vedette.schema.events.base import Event
from vedette.schema.events.logs import OsLogEvent

_SECURITY: Final = "Microsoft-Windows-Security-Auditing"
_FAILURE_NAMES: Final = {"EventID": "EventCode", "ErrorCode": "EventProcessingFailure", "PublisherID": "PublisherId"}
"""Elements of record 1108 -> names by which its parts are asked for."""


def os_log(record: Record, memory: Memory) -> Event:
    """Keep a record as it is, with its account, its acting process and what it says of an authentication."""
    if record.system.provider_name != _SECURITY:
        return OsLogEvent(time=record.time, user=accounts.user(record, memory), winlog=winlog.whole(record))
    return OsLogEvent(
        time=record.time,
        user=accounts.user(record, memory),
        session=accounts.session(record),
        process=acting(record, memory),
        auth=accounts.auth(record),
        winlog=winlog.whole(record),
    )


def acting(record: Record, memory: Memory) -> Process | None:
    """Give the process that a record of the Security log names."""
    data = record.data
    pid = number(data.get("ProcessId"))
    path = known(data.get("ProcessName")) or known(data.get("Application"))
    return memory.acting(record.system.computer, None, pid or None, path)


def failed_to_log(record: Record, _memory: Memory) -> Event:
    """1108: the log service could not process a record; its parts under the names by which they are asked for."""
    data = {_FAILURE_NAMES.get(name, name): value for name, value in record.data.items()}
    return OsLogEvent(time=record.time, user=record.user, winlog=Winlog(system=record.system, data=data or None))
