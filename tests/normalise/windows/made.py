"""Records as the tests write them: each goes through the JSON of winlogbeat, as a user's would."""

from __future__ import annotations

from typing import Any

import msgspec

from vedette.normalise.windows import json_lines
from vedette.normalise.windows.mapping import Normaliser
from vedette.normalise.windows.record import Record
from vedette.schema.events.base import Event

SYSMON = "Microsoft-Windows-Sysmon"
SECURITY = "Microsoft-Windows-Security-Auditing"
DEFENDER = "Microsoft-Windows-Windows Defender"
CHANNELS = {SYSMON: f"{SYSMON}/Operational", SECURITY: "Security", DEFENDER: f"{DEFENDER}/Operational"}
HOST = "ws1.example.org"
TIME = "2026-11-01T10:00:00.500000Z"
MICROS = 1_793_527_200_500_000


def line(provider: str, event_id: int, data: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    """Give a record as winlogbeat writes it; `more` replaces parts of `winlog`, `time` is its time."""
    time = more.pop("time", TIME)
    log = {
        "provider_name": provider,
        "event_id": str(event_id),
        "channel": CHANNELS.get(provider, provider),
        "computer_name": HOST,
        "record_id": 4711,
        "process": {"pid": 576, "thread": {"id": 4904}},
        "event_data": data or {},
    }
    return {"@timestamp": time, "winlog": log | more}


def record(provider: str, event_id: int, data: dict[str, str] | None = None, **more: Any) -> Record:
    made = json_lines.parse(msgspec.json.encode(line(provider, event_id, data, **more)))
    assert made is not None
    return made


def events(*records: Record, native: frozenset[str] = frozenset()) -> list[Event]:
    """Give the events of records that one normaliser sees, in this order."""
    normaliser = Normaliser(native)
    return [normaliser.event(one) for one in records]


def facts(value: Any) -> Any:
    """Give a struct as plain values, unknown ones left out."""
    if isinstance(value, msgspec.Struct):
        pairs = ((name, facts(getattr(value, name))) for name in value.__struct_fields__)
        return {name: one for name, one in pairs if one not in (None, {})}
    return value
