"""Sigma's log sources -> our events: which types, of which system, out of which Windows log."""

from msgspec import Struct
from sigma.pipelines.common import windows_logsource_mapping

from vedette.query import ast
from vedette.query.ast import Condition, Equals, Node, Not, OneOf
from vedette.schema.dictionary import FIELDS


class Source(Struct, frozen=True):
    """Events that a rule looks at. `condition` is what types, system and channels do not say."""

    types: tuple[str, ...] = ()
    """Event types; empty = any."""
    family: str = ""
    """os.family; empty = any."""
    channels: tuple[str, ...] = ()
    """Windows logs, in lower case; empty = any, or none."""
    condition: Node = ast.EVERYTHING

    def node(self) -> Node:
        """Give the whole of it as a condition."""
        parts: list[Node] = [self.condition]
        for name, values in (
            ("event.type", self.types),
            ("os.family", (self.family,) if self.family else ()),
            ("winlog.system.channel", self.channels),
        ):
            if values:
                parts.append(Condition(FIELDS[name], OneOf(values) if len(values) > 1 else Equals(values[0])))
        return ast.all_of(*parts)


_SYSMON = windows_logsource_mapping["sysmon"]
_SYSTEMS = ("windows", "linux", "macos")


def _is(name: str, *values: str) -> Node:
    return Condition(FIELDS[name], OneOf(values) if len(values) > 1 else Equals(values[0]))


def _id(*numbers: int) -> Node:
    return Condition(FIELDS["winlog.system.event_id"], OneOf(numbers) if len(numbers) > 1 else Equals(numbers[0]))


_CATEGORIES: dict[str, tuple[tuple[str, ...], Node]] = {
    "process_creation": (("process_start",), ast.EVERYTHING),
    "process_termination": (("process_stop",), ast.EVERYTHING),
    "process_access": (("process_access",), ast.EVERYTHING),
    "create_remote_thread": (("remote_thread",), ast.EVERYTHING),
    "image_load": (("module_load",), ast.EVERYTHING),
    "driver_load": (("driver_load",), ast.EVERYTHING),
    # Sysmon tells of a stream beside a file (15) and of a program (29) in records of their own.
    "file_event": (("file_create",), Not(_id(15, 29))),
    "create_stream_hash": (("file_create",), _id(15)),
    "file_executable_detected": (("file_create",), _id(29)),
    "file_change": (("file_change",), _is("file.operation", "attributes")),
    "file_delete": (("file_change",), _is("file.operation", "delete")),
    "file_rename": (("file_change",), _is("file.operation", "rename")),
    "file_block": (("file_block",), ast.EVERYTHING),
    "registry_event": (("registry_change",), ast.EVERYTHING),
    "registry_set": (("registry_change",), _is("registry.operation", "set_value")),
    "registry_add": (("registry_change",), _is("registry.operation", "create_key")),
    "registry_delete": (("registry_change",), _is("registry.operation", "delete_key", "delete_value")),
    "registry_rename": (("registry_change",), _is("registry.operation", "rename")),
    "network_connection": (("network_connect",), ast.EVERYTHING),
    "dns_query": (("dns_query",), ast.EVERYTHING),
    "dns": (("dns_query",), ast.EVERYTHING),
    "pipe_created": (("pipe_event",), ast.EVERYTHING),
    "wmi_event": (("wmi_event",), ast.EVERYTHING),
    "ps_script": (("script_block",), ast.EVERYTHING),
    "antivirus": (("epp_detect", "epp_result"), ast.EVERYTHING),
}
"""Category -> event types and what else must hold."""

_RECORDS: dict[str, tuple[str, Node]] = {
    "ps_module": ("powershell", _id(4103)),
    "ps_classic_start": ("powershell-classic", _id(400)),
    "ps_classic_provider_start": ("powershell-classic", _id(600)),
    "ps_classic_script": ("powershell-classic", _id(800)),
    "raw_access_thread": ("sysmon", _id(9)),
    "raw_access_read": ("sysmon", _id(9)),
    "process_tampering": ("sysmon", _id(25)),
    "clipboard_capture": ("sysmon", _id(24)),
    "sysmon_status": ("sysmon", _id(4, 16)),
    "sysmon_error": ("sysmon", _id(255)),
}
"""Category -> service and record ids of Windows logs."""

_LOGS = {
    "smbclient-connectivity": "Microsoft-Windows-SmbClient/Connectivity",
    "smbserver-connectivity": "Microsoft-Windows-SMBServer/Connectivity",
}
"""Services of the public rules that pySigma's table lacks."""

_UNIX = {
    "auditd": _is("oslog.source", "audit"),
    "sshd": _is("oslog.type", "sshd"),
    "sudo": _is("oslog.type", "sudo"),
    "cron": ast.EVERYTHING, "auth": ast.EVERYTHING, "syslog": ast.EVERYTHING, "vsftpd": ast.EVERYTHING,
    "clamav": ast.EVERYTHING, "guacamole": ast.EVERYTHING,
}  # fmt: skip
"""Service of a Unix log -> what must hold; the keywords of the rules tell the rest."""


def source(product: str | None, category: str | None, service: str | None) -> Source | None:
    """Give the events of a log source; None when nothing in Vedette gives them."""
    family = (product or "").lower()
    if family and family not in _SYSTEMS:
        return None
    kind, name = (category or "").lower(), (service or "").lower()
    if kind in _CATEGORIES and (family or kind in {"antivirus", "dns", "process_creation", "network_connection"}):
        types, condition = _CATEGORIES[kind]
        return Source(types, family, _channels(name) if family == "windows" else (), condition)
    if family == "windows":
        return _windows(kind, name)
    if family and not kind and (not name or name in _UNIX):
        return Source(("os_log",), family, (), _UNIX.get(name, ast.EVERYTHING))
    return None


def _windows(category: str, service: str) -> Source | None:
    if category in _RECORDS:
        service, condition = _RECORDS[category]
        return Source((), "windows", _channels(service), condition)
    if category:
        return None
    if not service:
        return Source((), "windows")
    channels = _channels(service)
    return Source((), "windows", channels) if channels else None


def _channels(service: str) -> tuple[str, ...]:
    found = _LOGS.get(service) or windows_logsource_mapping.get(service, ())
    return tuple(name.lower() for name in ([found] if isinstance(found, str) else found))
