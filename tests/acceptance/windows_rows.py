"""The Windows rows that records of logs prove: for each, which events must exist and what they must say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from tests.acceptance.questions import Event, Events, RowError, digits, equal, need
from tests.acceptance.windows_scene import (
    BODIES,
    COMMANDS,
    DIGESTS,
    DLL,
    DOCUMENT,
    DRIVER,
    EVTX_PROCESS,
    EVTX_THREAD,
    FAILURE_NAMES,
    GUIDS,
    HOST,
    KEY,
    PIDS,
    SCRIPT,
    SHELL,
    TOOL,
    Scene,
)

DB_TIME = 1_793_336_767_000_000
"""2026-10-30 05:06:07 UTC, of the scene's Defender."""


class Found(Events[Scene]):
    """The events of the scene, by what they are. Every question names what is missing."""

    def record(self, event_id: int) -> Event:
        """Give the event of the record of the audit log with this id, whatever type it became."""
        for event in self.events:
            channel = event.get("winlog.system.channel")
            if event.get("winlog.system.event_id") == event_id and channel == "Security":
                return event
        raise RowError(f"no event of record {event_id} among {len(self.events)} events")

    @property
    def tool(self) -> Event:
        return self.one("process_start", process__file__path=TOOL)

    @property
    def stopped(self) -> Event:
        return self.one("process_stop", process__file__path=TOOL)

    @property
    def made(self) -> Event:
        return self.one("file_create", file__path=DOCUMENT)

    @property
    def value(self) -> Event:
        return self.one("registry_change", registry__value_name="Evil")

    @property
    def audited_value(self) -> Event:
        return self.one("registry_change", registry__value_name="Start")

    @property
    def module(self) -> Event:
        return self.one("module_load", module__file__path=DLL)

    @property
    def driver(self) -> Event:
        return self.one("driver_load", driver__file__path=DRIVER)

    @property
    def listening(self) -> Event:
        return self.one("port_listen", socket__local_port=8443)

    @property
    def blocked_file(self) -> Event:
        return self.one("file_block", blocked__file__path=DOCUMENT)

    @property
    def detected(self) -> Event:
        return self.one("epp_detect", detect__engine="defender")

    @property
    def failed(self) -> Event:
        return self.one("epp_result", detect__engine="defender")


def entity(path: str) -> str:
    return GUIDS[path].strip("{}").replace("-", "")


def file_of(event: Event, prefix: str, path: str, *leaves: str) -> None:
    directory, _, name = path.rpartition("\\")
    truth = {"path": path, "directory": directory, "name": name} | DIGESTS[path]
    for leaf in leaves:
        equal(event, f"{prefix}.{leaf}", truth[leaf])


def parent(event: Event, *more: str) -> None:
    file_of(event, "process.parent.file", SHELL, "path", "directory", "md5", "sha256", *more)
    equal(event, "process.parent.entity_id", entity(SHELL))


def whole_parent(event: Event) -> None:
    parent(event)
    equal(event, "process.parent.command_line", COMMANDS[SHELL])


def event_type(found: Found) -> None:
    kinds = {event.get("event.type") for event in found.events}
    wanted = {
        "file_create", "registry_change", "driver_load", "port_listen", "os_log", "process_start", "process_stop",
        "module_load", "process_block", "file_block", "epp_detect", "epp_result", "amsi_scan",
    }  # fmt: skip
    need(that=wanted <= kinds, what="every type of event of a Windows host", got=wanted - kinds)


def event_time(found: Found) -> None:
    for act, event in (("tool", found.tool), ("4624", found.record(4624)), ("module", found.module)):
        equal(event, "event.time", found.scene.times[act])
    received = found.tool.get("event.received")
    need(that=isinstance(received, int) and received > found.scene.times["tool"], what="event.received", got=received)


def user(found: Found) -> None:
    for event in (found.tool, found.module, found.record(4688)):
        equal(event, "user.name", "eve")
        equal(event, "user.domain", "CORP")
    equal(found.record(4663), "user.id", "S-1-5-21-7-1105")


def host_name(found: Found) -> None:
    for event in (found.tool, found.record(4624)):
        equal(event, "host.name", HOST)
        need(that=bool(event.get("host.id")), what="host.id", got=event.get("host.id"))


def os_family(found: Found) -> None:
    equal(found.tool, "os.family", "windows")


def maker(found: Found) -> None:
    file_of(found.made, "process.file", TOOL, "name", "path", "md5", "sha256")


def made(*leaves: str) -> Callable[[Found], None]:
    return lambda found: file_of(found.made, "file", DOCUMENT, *leaves)


def registry_process(found: Found) -> None:
    for event in (found.value, found.audited_value):
        equal(event, "process.pid", int(PIDS[TOOL]))
        file_of(event, "process.file", TOOL, "name", "md5", "sha256")


def registry_key(found: Found) -> None:
    equal(found.value, "registry.key", KEY)
    equal(found.value, "registry.path", f"{KEY}\\Evil")
    equal(found.audited_value, "registry.key", KEY)


def registry_name(found: Found) -> None:
    equal(found.one("registry_change", registry__path=f"{KEY}\\Evil"), "registry.value_name", "Evil")


def registry_data(found: Found) -> None:
    equal(found.value, "registry.value_data", "C:\\evil.exe")
    equal(found.audited_value, "registry.value_data", "four")


def registry_type(found: Found) -> None:
    equal(found.audited_value, "registry.value_type", "REG_SZ")


def renamed_key(found: Found) -> None:
    equal(found.one("registry_change", registry__key=f"{KEY}Once"), "registry.previous.key", KEY)


def previous_data(found: Found) -> None:
    equal(found.audited_value, "registry.previous.value_data", "2")


def previous_type(found: Found) -> None:
    equal(found.audited_value, "registry.previous.value_type", "REG_DWORD")


def driver(*leaves: str) -> Callable[[Found], None]:
    return lambda found: file_of(found.driver, "driver.file", DRIVER, *leaves)


def module(*leaves: str) -> Callable[[Found], None]:
    return lambda found: file_of(found.module, "module.file", DLL, *leaves)


def listener(found: Found) -> None:
    file_of(found.listening, "process.file", TOOL, "name", "path", "md5", "sha256")


def port(found: Found) -> None:
    event = found.one("port_listen", process__file__path=TOOL)
    equal(event, "socket.local_port", 8443)
    equal(event, "socket.protocol", "tcp")


def adapter(found: Found) -> None:
    equal(found.listening, "socket.local_ip", "192.0.2.7")


def log_time_host_user(found: Found) -> None:
    event = found.record(4624)
    equal(event, "event.time", found.scene.times["4624"])
    equal(event, "host.name", HOST)
    equal(event, "user.name", "alice")


def log_id(found: Found) -> None:
    digits(found.record(4624), "event.id")
    ids = {event.get("event.id") for event in found.events}
    need(that=len(ids) == len(found.events), what="an id for each event", got=len(ids))


def log_header(name: str, expected: object) -> Callable[[Found], None]:
    return lambda found: equal(found.one("os_log", winlog__data__LogonProcessName="User32 "), name, expected)


def log_event_id(found: Found) -> None:
    event = found.one("os_log", winlog__data__LogonProcessName="User32 ")
    equal(event, "winlog.system.event_id", 4624)
    equal(event, "winlog.system.record_id", 4711)


SUBTYPES = {
    4624: "logon", 4634: "logoff", 4625: "logon_failed", 4648: "explicit_credentials", 4768: "kerberos_tgt",
    4769: "kerberos_tgs", 4776: "ntlm", 4672: "special_privileges", 4778: "rdp_reconnect", 4779: "rdp_disconnect",
}  # fmt: skip


def subtypes(found: Found) -> None:
    for event_id, subtype in SUBTYPES.items():
        equal(found.record(event_id), "auth.subtype", subtype)


def log_domain(found: Found) -> None:
    for event_id in (4624, 4625, 4778):
        equal(found.record(event_id), "auth.domain", "CORP")
    equal(found.record(4624), "user.domain", "CORP")


def remote_ip(found: Found) -> None:
    for event_id, address in ((4624, "192.0.2.77"), (4768, "192.0.2.77"), (4778, "192.0.2.78")):
        equal(found.record(event_id), "auth.remote_ip", address)


HEADERS: dict[str, object] = {
    "provider_name": "Microsoft-Windows-Security-Auditing", "event_id": 4624, "version": 2, "level": 4, "task": 12544,
    "opcode": 1, "keywords": "0x8020000000000000", "time_created": None, "record_id": 4711,
    "activity_id": "{a67be420-4636-0001-36e4-7ba63646d701}", "process_id": EVTX_PROCESS, "thread_id": EVTX_THREAD,
    "channel": "Security", "computer": HOST,
}  # fmt: skip
"""Header of record 4624, in the order of the rows; the time is that of the scene."""


def header(name: str, found: Found) -> None:
    event = found.one("os_log", winlog__data__LogonProcessName="User32 ")
    value = event.get(f"winlog.system.{name}")
    if name == "time_created":
        micros = found.scene.times["4624"] % 1_000_000
        need(that=isinstance(value, str) and value.endswith(f".{micros:06}Z"), what="time as logged", got=value)
    else:
        equal(event, f"winlog.system.{name}", HEADERS[name])


def body(name: str, found: Found) -> None:
    """Every record that has the item gives it back verbatim."""
    if name in FAILURE_NAMES:
        equal(found.record(1108), f"winlog.data.{name}", FAILURE_NAMES[name])
        return
    having = [event_id for event_id, items in BODIES.items() if name in items]
    need(that=bool(having), what=f"a record with {name} in the scene", got=having)
    for event_id in having:
        equal(found.record(event_id), f"winlog.data.{name}", BODIES[event_id][name])


def tool_id(found: Found) -> None:
    for event in (found.tool, found.stopped, found.made, found.module, found.listening, found.detected):
        equal(event, "process.entity_id", entity(TOOL))


def stopped_id(found: Found) -> None:
    equal(found.stopped, "process.entity_id", entity(TOOL))


def start_options(found: Found) -> None:
    equal(found.tool, "process.command_line", COMMANDS[TOOL])
    equal(found.record(4688), "process.command_line", "notepad.exe C:\\a.txt")


def start_time(found: Found) -> None:
    equal(found.tool, "process.start_time", found.scene.times["tool"])
    equal(found.record(4688), "process.start_time", found.scene.times["4688"])


def start_parent(found: Found) -> None:
    whole_parent(found.tool)


def stop_options(found: Found) -> None:
    equal(found.stopped, "process.command_line", COMMANDS[TOOL])


def stop_parent(found: Found) -> None:
    whole_parent(found.stopped)


def signer(found: Found) -> None:
    equal(found.module, "module.file.signer", "Example Corp")


def signature(found: Found) -> None:
    equal(found.module, "module.file.signature_status", "ok")


def blocked_options(found: Found) -> None:
    equal(found.one("process_block"), "blocked.command_line", "calc.exe /blocked")


def blocked_file(found: Found) -> None:
    file_of(found.blocked_file, "blocked.file", DOCUMENT, "name", "directory", "path", "md5", "sha256")
    equal(found.blocked_file, "blocked.hash_type", 1)


def blocked_parent(found: Found) -> None:
    parent(found.blocked_file, "name")
    equal(found.blocked_file, "process.parent.pid", int(PIDS[SHELL]))


def detection(name: str, expected: object, failed: object = None) -> Callable[[Found], None]:
    def check(found: Found) -> None:
        equal(found.detected, name, expected)
        equal(found.failed, name, expected if failed is None else failed)

    return check


def error_reason(found: Found) -> None:
    equal(found.failed, "detect.error_reason", "0x80508023: The file is in use.")


def detected_script(found: Found) -> None:
    equal(found.one("epp_detect", detect__engine="amsi"), "script.content", SCRIPT)


def scanned_script(found: Found) -> None:
    event = found.one("amsi_scan")
    equal(event, "script.content", SCRIPT)
    equal(event, "script.app_name", "PowerShell")
    equal(event, "script.content_name", "C:\\scanned.ps1")


ROWS: dict[str, Callable[[Found], None]] = {
    "W-GEN-01": event_type,
    "W-GEN-02": event_time,
    "W-GEN-03": user,
    "W-GEN-04": host_name,
    "W-GEN-06": os_family,
    "W-FC-01": maker,
    "W-FC-02": made("name"),
    "W-FC-03": made("directory"),
    "W-FC-04": lambda found: file_of(found.one("file_create", file__name="note.exe"), "file", DOCUMENT, "path"),
    "W-FC-05": made("md5", "sha256"),
    "W-RG-01": registry_process,
    "W-RG-02": registry_key,
    "W-RG-03": registry_name,
    "W-RG-04": registry_data,
    "W-RG-05": registry_type,
    "W-RG-06": renamed_key,
    "W-RG-07": previous_data,
    "W-RG-08": previous_type,
    "W-DR-01": driver("name"),
    "W-DR-02": driver("directory"),
    "W-DR-03": lambda found: file_of(found.one("driver_load"), "driver.file", DRIVER, "path"),
    "W-DR-04": driver("md5", "sha256"),
    "W-PL-01": listener,
    "W-PL-02": port,
    "W-PL-03": adapter,
    "W-OL-01": log_time_host_user,
    "W-OL-02": log_id,
    "W-OL-03": log_header("winlog.system.channel", "Security"),
    "W-OL-04": log_event_id,
    "W-OL-05": log_header("winlog.system.provider_name", "Microsoft-Windows-Security-Auditing"),
    "W-OL-06": subtypes,
    "W-OL-07": log_domain,
    "W-OL-08": remote_ip,
    "W-PS-02": tool_id,
    "W-PS-03": start_options,
    "W-PS-04": start_time,
    "W-PS-05": start_parent,
    "W-PE-02": stopped_id,
    "W-PE-03": stop_options,
    "W-PE-04": stop_parent,
    "W-ML-02": module("name"),
    "W-ML-03": module("directory"),
    "W-ML-04": lambda found: file_of(found.one("module_load"), "module.file", DLL, "path"),
    "W-ML-05": module("md5", "sha256"),
    "W-ML-08": signer,
    "W-ML-09": signature,
    "W-PB-02": blocked_options,
    "W-FB-01": blocked_file,
    "W-FB-03": blocked_parent,
    "W-EP-01": detection("detect.result", "detected", "error"),
    "W-EP-02": detection("detect.object_name", DOCUMENT),
    "W-EP-03": detection("detect.record_id", "2147519003"),
    "W-EP-04": detection("detect.db_time", DB_TIME),
    "W-EP-05": detection("detect.mode", "on_access"),
    "W-EP-06": detection("detect.category", "Virus:DOS/EICAR_Test_File"),
    "W-EP-07": detection("detect.object_md5", DIGESTS[DOCUMENT]["md5"]),
    "W-EP-08": detection("detect.object_sha256", DIGESTS[DOCUMENT]["sha256"]),
    "W-EP-09": detection("process.entity_id", entity(TOOL)),
    "W-EP-10": detection("process.pid", int(PIDS[TOOL])),
    "W-EP-11": detection("process.command_line", COMMANDS[TOOL]),
    "W-EP-12": error_reason,
    "W-EP-13": detected_script,
    "W-AM-01": scanned_script,
}
"""Row -> what must hold of the events that a hunt gives back. Header and body rows follow below."""

ROWS |= {f"W-HD-{number:02}": partial(header, name) for number, name in enumerate(HEADERS, 1)}


def add_bodies(names: Mapping[str, str]) -> None:
    """Add the rows of the 99 body names: row -> name as the requirement spells it."""
    windows = {"AccessFiles mask": "AccessMask", "PriviledgeList": "PrivilegeList"}
    ROWS.update({row: partial(body, windows.get(name, name)) for row, name in names.items()})
