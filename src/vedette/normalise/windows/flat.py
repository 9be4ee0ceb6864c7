"""Flat JSON, one object a record with data items beside the header's, as NXLog writes it (Mordor) -> record."""

from typing import Any, Final

from vedette.normalise.windows.header import system, word
from vedette.normalise.windows.record import Items, Record
from vedette.normalise.windows.texts import known, moment
from vedette.schema.entities import User

_HEADER: Final = frozenset(
    "EventID SourceName ProviderGuid Provider_Name ProviderName Channel Hostname Computer RecordNumber EventRecordID "
    "Version Task Keywords Level Opcode OpcodeValue ExecutionProcessID ThreadID ActivityID RelatedActivityID "
    "SeverityValue Severity EventTime EventReceivedTime TimeCreated SystemTime TimeGenerated Category Message "
    "SourceModuleName SourceModuleType EventTypeOrignal AccountType UserID @timestamp @version host port tags".split()
)
"""What is the header's, or the shipper's own."""
_ACCOUNT: Final = frozenset(("AccountName", "Domain"))
"""The header's account when the shipper adds its SID; else data."""
_SEVERITIES: Final = frozenset(
    "INFO ERROR WARNING VERBOSE CRITICAL DEBUG AUDIT_SUCCESS AUDIT_FAILURE INFORMATION".split()
)
"""NXLog's EventType; a record's own item of this name has other values (SetValue, CreatePipe ...)."""
_LEVELS: Final = {"CRITICAL": 1, "ERROR": 2, "WARNING": 3, "INFO": 4, "INFORMATION": 4, "VERBOSE": 5, "DEBUG": 5,
                  "AUDIT_SUCCESS": 0, "AUDIT_FAILURE": 0}  # fmt: skip
_TIMES: Final = ("@timestamp", "TimeCreated", "SystemTime", "EventTime", "TimeGenerated")
"""In this order: the first is in UTC, the others in what the shipper chose."""


def from_tree(tree: dict[str, Any]) -> Record | None:
    """Read one decoded line; None when it has no id or no time."""
    if tree.get("EventID") is None or (tree.get("Channel") is None and tree.get("SourceName") is None):
        return None
    created = next((tree[name] for name in _TIMES if moment(tree.get(name)) is not None), None)
    time = moment(created)
    if time is None:
        return None
    has_account = "UserID" in tree or "AccountType" in tree
    items = Items()
    for name, value in tree.items():
        if name in _HEADER or value is None or (has_account and name in _ACCOUNT):
            continue
        if name == "EventType" and value in _SEVERITIES:
            continue
        items.put(name, value)
    if not items.data and isinstance(message := tree.get("Message"), str):
        items.put("Message", message)
    user = _user(tree) if has_account else None
    return Record(time=time, system=_system(tree, created), data=items.data, user=user, cut=items.cut)


def _system(tree: dict[str, Any], created: object) -> Any:
    severity = tree.get("EventTypeOrignal") or tree.get("EventType")
    return system(
        provider=tree.get("SourceName") or tree.get("Provider_Name") or tree.get("ProviderName"),
        event_id=tree.get("EventID"),
        version=tree.get("Version"),
        level=tree.get("Level", _LEVELS.get(str(severity))),
        task=tree.get("Task"),
        opcode=tree.get("OpcodeValue", tree.get("Opcode")),
        keywords=tree.get("Keywords"),
        created=created,
        record=tree.get("RecordNumber", tree.get("EventRecordID")),
        activity=tree.get("ActivityID"),
        pid=tree.get("ExecutionProcessID"),
        tid=tree.get("ThreadID"),
        channel=tree.get("Channel"),
        computer=tree.get("Hostname") or tree.get("Computer"),
    )


def _user(tree: dict[str, Any]) -> User | None:
    name, domain, sid = (known(word(tree.get(part))) for part in ("AccountName", "Domain", "UserID"))
    return User(name=name, domain=domain, id=sid) if name or sid else None
