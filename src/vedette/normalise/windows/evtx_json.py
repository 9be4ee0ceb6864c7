"""The JSON in which the `evtx` library gives a record of an EVTX file -> record."""

from typing import Any, Final

import msgspec

from vedette.normalise.windows.header import system
from vedette.normalise.windows.record import Items, Record, leaves, text_of
from vedette.normalise.windows.texts import moment
from vedette.schema.entities import User

_decode: Final = msgspec.json.Decoder(dict[str, Any]).decode
_OTHER_BODIES: Final = ("UserData", "DebugData", "BinaryEventData", "ProcessingErrorData")


def parse(text: str | bytes) -> Record | None:
    """Read one record; None when it is none."""
    try:
        return from_tree(_decode(text))
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def from_tree(tree: dict[str, Any]) -> Record | None:
    """Read one decoded record; None when it has no header or no time."""
    event = tree.get("Event")
    head = event.get("System") if isinstance(event, dict) else None
    if not isinstance(event, dict) or not isinstance(head, dict):
        return None
    created = _attribute(head, "TimeCreated", "SystemTime")
    time = moment(created)
    if time is None:
        return None
    items = Items()
    body = event.get("EventData")
    if isinstance(body, dict):
        _event_data(body, items)
    for name in _OTHER_BODIES:
        if isinstance(other := event.get(name), dict):
            leaves(other, items)
    event_id = head.get("EventID")
    sid = _attribute(head, "Security", "UserID")
    return Record(
        time=time,
        system=system(
            provider=_attribute(head, "Provider", "Name"),
            event_id=event_id.get("#text") if isinstance(event_id, dict) else event_id,
            version=head.get("Version"),
            level=head.get("Level"),
            task=head.get("Task"),
            opcode=head.get("Opcode"),
            keywords=head.get("Keywords"),
            created=created,
            record=head.get("EventRecordID"),
            activity=_attribute(head, "Correlation", "ActivityID"),
            pid=_attribute(head, "Execution", "ProcessID"),
            tid=_attribute(head, "Execution", "ThreadID"),
            channel=head.get("Channel"),
            computer=head.get("Computer"),
        ),
        data=items.data,
        user=User(id=sid[:256]) if isinstance(sid, str) and sid else None,
        cut=items.cut,
    )


def _event_data(body: dict[str, Any], items: Items) -> None:
    for name, value in body.items():
        if name == "#attributes":
            continue
        items.put(name, value if type(value) is str else text_of(value))


def _attribute(head: dict[str, Any], element: str, name: str) -> Any:
    node = head.get(element)
    if not isinstance(node, dict):
        return None
    attributes = node.get("#attributes")
    return attributes.get(name) if isinstance(attributes, dict) else None
