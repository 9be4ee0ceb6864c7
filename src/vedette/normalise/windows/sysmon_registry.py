"""Records of Sysmon about the registry, named pipes and WMI subscriptions -> events."""

from typing import Final

from vedette.normalise.windows import winlog
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.sysmon import ACTING, acting, happened
from vedette.normalise.windows.texts import account, known
from vedette.schema.entities import Pipe, PreviousValue, Registry, Wmi
from vedette.schema.events.base import Event
from vedette.schema.events.windows import PipeEvent, RegistryChange, WmiEvent

_OPERATIONS: Final = {
    "createkey": "create_key",
    "deletekey": "delete_key",
    "setvalue": "set_value",
    "deletevalue": "delete_value",
    "renamekey": "rename",
    "renamevalue": "rename",
}
_BY_ID: Final = {13: "set_value", 14: "rename"}
"""Where a shipper left out what was done; 12 has several meanings."""
_ON_VALUES: Final = frozenset(("set_value", "delete_value"))
_TYPES: Final = (("DWORD (", "REG_DWORD"), ("QWORD (", "REG_QWORD"), ("Binary Data", "REG_BINARY"))
"""Sysmon tells the type of a value only by how it writes these; other values are texts of several types."""
_PARTS: Final = {19: "filter", 20: "consumer", 21: "binding"}


def registry_change(record: Record, memory: Memory) -> Event:
    """12 (keys, deleted values), 13 (values set), 14 (renamed)."""
    data = record.data
    process, user = acting(record, memory)
    path = known(data.get("TargetObject"))
    told = data.get("EventType")
    operation = _OPERATIONS.get(told.lower()) if told else _BY_ID.get(record.system.event_id or 0)
    moved = ACTING | {"TargetObject", "Details"}
    if operation == "rename":
        new = known(data.get("NewName"))
        registry = Registry(key=new, path=new, operation=operation, previous=PreviousValue(key=path))
        moved = ACTING
    elif operation in _ON_VALUES and path is not None:
        key, separator, name = path.rpartition("\\")
        details = data.get("Details")
        registry = Registry(
            key=key if separator else path, path=path, value_name=name, value_data=details,
            value_type=_value_type(details), operation=operation,
        )  # fmt: skip
    else:
        registry = Registry(key=path, path=path, operation=operation)
    return RegistryChange(
        time=happened(record), user=user, process=process, registry=registry, winlog=winlog.rest(record, moved)
    )


def _value_type(details: str | None) -> str | None:
    return next((kind for start, kind in _TYPES if details and details.startswith(start)), None)


def pipe_event(record: Record, memory: Memory) -> Event:
    """17 (made), 18 (connected to)."""
    process, user = acting(record, memory)
    pipe = Pipe(
        name=known(record.data.get("PipeName")), operation="create" if record.system.event_id == 17 else "connect"
    )
    return PipeEvent(
        time=happened(record), user=user, process=process, pipe=pipe,
        winlog=winlog.rest(record, ACTING | {"PipeName"}),
    )  # fmt: skip


def wmi_event(record: Record, memory: Memory) -> Event:
    """19 (filter), 20 (consumer), 21 (binding). Sysmon writes the texts in quotes; the items keep them."""
    data = record.data
    domain, name = account(data.get("User"))
    part = _PARTS.get(record.system.event_id or 0, "")
    wmi = Wmi(
        operation=" ".join((part, data.get("Operation", "").lower())).strip(),
        name=_bare(data.get("Name")),
        query=_bare(data.get("Query")),
        consumer=_bare(data.get("Consumer")),
        filter=_bare(data.get("Filter")),
        destination=_bare(data.get("Destination")),
        namespace=_bare(data.get("EventNamespace")),
    )
    return WmiEvent(
        time=happened(record), user=memory.user(domain, name), wmi=wmi,
        winlog=winlog.rest(record, frozenset(("UtcTime", "User"))),
    )  # fmt: skip


def _bare(text: str | None) -> str | None:
    return None if text is None else text.strip().strip('"')
