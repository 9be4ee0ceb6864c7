"""The header of a record, from its parts as any form writes them: numbers may be texts, keywords signed."""

from typing import Final

from vedette.normalise.windows.texts import number
from vedette.schema.entities import WinlogSystem

_WORD: Final = 1024
_LARGEST: Final = 2**63 - 1
_PROVIDERS: Final = {
    "microsoft-windows-sysmon/operational": "Microsoft-Windows-Sysmon",
    "security": "Microsoft-Windows-Security-Auditing",
    "microsoft-windows-powershell/operational": "Microsoft-Windows-PowerShell",
    "windows powershell": "PowerShell",
}
"""Channel -> the provider that writes nearly all of it, for forms that leave the provider out."""
_CHANNELS: Final = {"security": "Security", "system": "System", "application": "Application"}
_LOG_SERVICE: Final = range(1100, 1109)
"""Ids of the Security log that the log service itself writes."""


def system(  # noqa: PLR0913 - the fourteen parts of a header, by name
    *,
    provider: object,
    event_id: object,
    version: object = None,
    level: object = None,
    task: object = None,
    opcode: object = None,
    keywords: object = None,
    created: object = None,
    record: object = None,
    activity: object = None,
    pid: object = None,
    tid: object = None,
    channel: object = None,
    computer: object = None,
) -> WinlogSystem:
    """Build a header; what cannot be read is unknown."""
    log = word(channel)
    log = _CHANNELS.get(log.lower(), log) if log else None
    kind = number(event_id)
    return WinlogSystem(
        provider_name=word(provider) or _provider(log, kind),
        event_id=kind,
        version=number(version),
        level=number(level),
        task=number(task),
        opcode=number(opcode),
        keywords=mask(keywords),
        time_created=word(created),
        record_id=number(record, _LARGEST),
        activity_id=_braced(word(activity)),
        process_id=number(pid),
        thread_id=number(tid),
        channel=log,
        computer=word(computer),
    )


def word(value: object) -> str | None:
    """Give a text that is there, bounded."""
    return value[:_WORD] if isinstance(value, str) and value else None


def mask(value: object) -> str | None:
    """Give a 64-bit mask in hex; some forms write it as a signed number."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return f"0x{value & (2**64 - 1):x}"
    return word(value)


def _braced(text: str | None) -> str | None:
    return f"{{{text}}}" if text is not None and len(text) == 36 else text


def _provider(channel: str | None, event_id: int | None) -> str | None:
    if channel == "Security" and event_id in _LOG_SERVICE:
        return "Microsoft-Windows-Eventlog"
    return _PROVIDERS.get((channel or "").lower())
