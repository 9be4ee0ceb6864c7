"""The JSON that winlogbeat (and what follows it) writes, nested `winlog.*` -> record."""

from typing import Any, Final

from vedette.normalise.windows.header import system, word
from vedette.normalise.windows.record import Items, Record, leaves
from vedette.normalise.windows.texts import known, moment
from vedette.schema.entities import User

_LEVELS: Final = {"critical": 1, "error": 2, "warning": 3, "information": 4, "verbose": 5}
_OPCODES: Final = {"info": 0, "start": 1, "stop": 2, "dc start": 3, "dc stop": 4, "extension": 5, "reply": 6,
                   "resume": 7, "suspend": 8, "send": 9, "receive": 240}  # fmt: skip
_KEYWORDS: Final = {
    "response time": 1 << 48,
    "wdi context": 1 << 49,
    "wdi diagnostic": 1 << 50,
    "sqm": 1 << 51,
    "audit failure": 1 << 52,
    "audit success": 1 << 53,
    "correlation hint": 1 << 54,
    "classic": 1 << 55,
}
_CHANNEL_BITS: Final = {"security": 1 << 63, "system": 1 << 63, "application": 1 << 63}
"""The bit that says which of its provider's channels a record went to; winlogbeat leaves it out."""


def from_tree(tree: dict[str, Any]) -> Record | None:
    """Read one decoded line; None when it has no record or no time."""
    log = tree.get("winlog")
    if not isinstance(log, dict):
        return None
    created = tree.get("@timestamp")
    time = moment(created)
    if time is None:
        return None
    items = Items()
    if isinstance(body := log.get("event_data"), dict):
        items.put_all(body.items())
    if isinstance(body := log.get("user_data"), dict):
        leaves({name: value for name, value in body.items() if name != "xml_name"}, items)
    if not items.data and isinstance(message := tree.get("message"), str):
        items.put("Message", message)
    return Record(time=time, system=_system(tree, log, created), data=items.data, user=_user(log), cut=items.cut)


def _system(tree: dict[str, Any], log: dict[str, Any], created: object) -> Any:
    process = _part(log, "process")
    return system(
        provider=log.get("provider_name"),
        event_id=log.get("event_id", _part(tree, "event").get("code")),
        version=log.get("version"),
        level=log.get("level_raw", _LEVELS.get(str(_part(tree, "log").get("level", "")).lower())),
        task=log.get("task_raw", log.get("task")),
        opcode=log.get("opcode_raw", _OPCODES.get(str(log.get("opcode", "")).lower())),
        keywords=log.get("keywords_raw", _mask(log.get("keywords"), str(log.get("channel", "")))),
        created=created,
        record=log.get("record_id"),
        activity=log.get("activity_id"),
        pid=process.get("pid"),
        tid=_part(process, "thread").get("id"),
        channel=log.get("channel"),
        computer=log.get("computer_name"),
    )


def _part(of: dict[str, Any], name: str) -> dict[str, Any]:
    part = of.get(name)
    return part if isinstance(part, dict) else {}


def _mask(keywords: object, channel: str) -> str | None:
    """Give names of keywords as the mask that they stand for; None when one is the provider's own."""
    if not isinstance(keywords, list) or not keywords:
        return None
    bits = _CHANNEL_BITS.get(channel.lower(), 0)
    for keyword in keywords[:64]:
        bit = _KEYWORDS.get(str(keyword).lower())
        if bit is None:
            return None
        bits |= bit
    return f"0x{bits:x}"


def _user(log: dict[str, Any]) -> User | None:
    user = _part(log, "user")
    name, domain, sid = (known(word(user.get(part))) for part in ("name", "domain", "identifier"))
    return User(name=name, domain=domain, id=sid) if name or sid else None
