"""Other names of our fields: KATA's, Sysmon's (and so Sigma's), ECS's, and the short ones of our own.

An entry is (names, field, event types); no types = wherever the field is. Look-up ignores case.
"""

from typing import NamedTuple

_START = ("process_start", "process_stop")
_FILE = ("file_create", "file_change")
_MODULE = ("module_load",)
_DRIVER = ("driver_load",)
_LOADED = ("module_load", "driver_load")
_BLOCK = ("process_block", "file_block")
_EPP = ("epp_detect", "epp_result")
_NET = ("network_connect", "port_listen")
_LOG = ("os_log",)
_REG = ("registry_change",)
_TARGET = ("process_access", "remote_thread")
_FILELIKE = (*_FILE, *_LOADED, *_BLOCK)


class Alias(NamedTuple):
    """Names, separated by blanks, under which `field` is known in events of `types`."""

    names: str
    field: str
    types: tuple[str, ...] = ()


PREFIXES: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("module.file", "file", _MODULE),
    ("driver.file", "file", _DRIVER),
    ("blocked.file", "file", _BLOCK),
    ("interpreted.file", "file", ("script_run",)),
    ("process.executable", "process.file", ()),
    ("winlog.event_data", "winlog.data", ()),
)
"""(name, columns, event types): `module.file.path` is column `file.path` of module_load."""

SHOWN = {
    "module_load": ("file.", "module.file."),
    "driver_load": ("file.", "driver.file."),
    "process_block": ("file.", "blocked.file."),
    "file_block": ("file.", "blocked.file."),
}
"""Event type -> (start of the column, start of the name under which it is shown)."""

KATA_TYPES = {
    "process": ("process_start",),
    "process_terminate": ("process_stop",),
    "module": ("module_load",),
    "connection": ("network_connect",),
    "applock": ("process_block",),
    "blockdocument": ("file_block",),
    "filechange": ("file_create", "file_change"),
    "windowsevent": ("os_log",),
    "registry": ("registry_change",),
    "portlisten": ("port_listen",),
    "driver": ("driver_load",),
    "threatdetect": ("epp_detect",),
    "threatprocessingresult": ("epp_result",),
    "amsiscan": ("amsi_scan",),
    "process_interpretated_file_run": ("script_run",),
    "process_console_interactive_input": ("script_run",),
}
"""KATA's values of EventType -> ours."""

KATA: tuple[Alias, ...] = (
    Alias("EventType", "event.type"),
    Alias("EventTime Timestamp", "event.time"),
    Alias("UserName", "user.name"),
    Alias("HostName", "host.name"),
    Alias("HostIp", "host.ip"),
    Alias("OsFamily", "os.family"),
    Alias("OsVersion", "os.version"),
    Alias("LogonRemoteHost", "session.remote_host"),
    Alias("RealUserName", "user.real.name"),
    Alias("RealGroupName", "user.real.group"),
    Alias("EffectiveUserName", "user.effective.name"),
    Alias("EffectiveGroupName", "user.effective.group"),
    Alias("FileName", "file.name", _FILELIKE),
    Alias("FilePath", "file.directory", _FILELIKE),
    Alias("FileFullName", "file.path", _FILELIKE),
    Alias("Md5", "file.md5", _FILELIKE),
    Alias("Sha256", "file.sha256", _FILELIKE),
    Alias("FileSize", "file.size", _FILELIKE),
    Alias("FileCreationTime", "file.created", _FILELIKE),
    Alias("FileModificationTime", "file.modified", _FILELIKE),
    Alias("FileOwner", "file.owner"),
    Alias("FileOwner", "process.file.owner", _START),
    Alias("FileType", "file.type"),
    Alias("FileAttributes Permissions", "file.mode"),
    Alias("FileName", "process.file.name", _START),
    Alias("FilePath", "process.file.directory", _START),
    Alias("FileFullName", "process.file.path", _START),
    Alias("Md5", "process.file.md5", _START),
    Alias("Sha256", "process.file.sha256", _START),
    Alias("FileSize", "process.file.size", _START),
    Alias("FileCreationTime", "process.file.created", _START),
    Alias("FileModificationTime", "process.file.modified", _START),
    Alias("Md5", "detect.object_md5", _EPP),
    Alias("Sha256", "detect.object_sha256", _EPP),
    Alias("UniquePid", "process.entity_id"),
    Alias("ParentUniquePid", "process.parent.entity_id"),
    Alias("Command StartupParameters", "process.command_line"),
    Alias("ProcessType", "process.kind"),
    Alias("EnvironmentVariables", "process.env"),
    Alias("ProcessName", "process.file.name"),
    Alias("ParentName", "process.parent.file.name"),
    Alias("DllName", "file.name", _MODULE),
    Alias("DllPath", "file.directory", _MODULE),
    Alias("DllMd5", "file.md5", _MODULE),
    Alias("DllSha256", "file.sha256", _MODULE),
    Alias("DllSize", "file.size", _MODULE),
    Alias("DllCreationTime", "file.created", _MODULE),
    Alias("DllModificationTime", "file.modified", _MODULE),
    Alias("BlockedName", "file.name", _BLOCK),
    Alias("BlockedPath", "file.directory", _BLOCK),
    Alias("BlockedMd5", "file.md5", _BLOCK),
    Alias("BlockedSha256", "file.sha256", _BLOCK),
    Alias("CommandLine", "blocked.command_line", ("process_block",)),
    Alias("DroppedName", "file.name", _FILE),
    Alias("DroppedCreationTime", "file.created", _FILE),
    Alias("InterpretedFileName InterpretedFiles.FileName", "file.name", ("script_run",)),
    Alias("InterpretedFileCreationTime", "file.created", ("script_run",)),
    Alias("TargetName", "target.file.name", _TARGET),
    Alias("HandleSourceName", "process.file.name", ("process_access",)),
    Alias("HandleTargetName", "target.file.name", ("process_access",)),
    Alias("LocalIp", "socket.local_ip"),
    Alias("LocalPort", "socket.local_port"),
    Alias("RemoteIp", "socket.remote_ip", _NET),
    Alias("RemoteIp", "auth.remote_ip", _LOG),
    Alias("RemotePort", "socket.remote_port"),
    Alias("RemoteHost", "socket.remote_host"),
    Alias("RegistryKey", "registry.key"),
    Alias("RegistryValueName", "registry.value_name"),
    Alias("RegistryValue", "registry.value_data"),
    Alias("RegistryValueType", "registry.value_type"),
    Alias("WinLogName", "winlog.system.channel"),
    Alias("WinLogEventId", "winlog.system.event_id"),
    Alias("WinLogProviderName", "winlog.system.provider_name"),
    Alias("DetectStatus DetectActionResult", "detect.result"),
    Alias("DetectObjectName", "detect.object_name"),
    Alias("DatabasesVersion", "detect.db_time"),
    Alias("DetectMode", "detect.mode"),
    Alias("DetectName", "detect.category"),
)

SYSMON: tuple[Alias, ...] = (
    Alias("UtcTime", "event.time"),
    Alias("User", "user.name"),
    Alias("Computer", "host.name"),
    Alias("Image", "process.file.path"),
    Alias("ProcessId", "process.pid"),
    Alias("ProcessGuid", "process.entity_id"),
    Alias("CommandLine", "process.command_line", tuple(_START) + _EPP),
    Alias("ParentImage", "process.parent.file.path"),
    Alias("ParentProcessId", "process.parent.pid"),
    Alias("ParentProcessGuid", "process.parent.entity_id"),
    Alias("ParentCommandLine", "process.parent.command_line"),
    Alias("CurrentDirectory", "process.working_directory"),
    Alias("IntegrityLevel", "process.integrity"),
    Alias("LogonId", "session.logon_id"),
    Alias("TerminalSessionId", "session.id"),
    Alias("OriginalFileName", "process.file.original_name", _START),
    Alias("Company", "process.file.company", _START),
    Alias("Product", "process.file.product", _START),
    Alias("Description", "process.file.description", _START),
    Alias("FileVersion", "process.file.version", _START),
    Alias("Imphash", "process.file.imphash", _START),
    Alias("ImageLoaded", "file.path", _LOADED),
    Alias("OriginalFileName", "file.original_name", _LOADED),
    Alias("Company", "file.company", _LOADED),
    Alias("Product", "file.product", _LOADED),
    Alias("Description", "file.description", _LOADED),
    Alias("FileVersion", "file.version", _LOADED),
    Alias("Imphash", "file.imphash", _LOADED),
    Alias("Signature", "file.signer", _LOADED),
    Alias("SignatureStatus", "file.signature_status", _LOADED),
    Alias("TargetFilename", "file.path", _FILE),
    Alias("SourceFilename", "file.previous.path", ("file_change",)),
    Alias("CreationUtcTime", "file.created", _FILE),
    Alias("TargetObject", "registry.path"),
    Alias("Details", "registry.value_data"),
    Alias("NewName", "registry.key"),
    Alias("OldValue", "registry.previous.value_data", _REG),
    Alias("OldValueType", "registry.previous.value_type", _REG),
    Alias("SourceIp", "socket.local_ip"),
    Alias("SourcePort", "socket.local_port"),
    Alias("DestinationIp", "socket.remote_ip"),
    Alias("DestinationPort", "socket.remote_port"),
    Alias("DestinationHostname", "socket.remote_host"),
    Alias("Protocol", "socket.protocol", _NET),
    Alias("QueryName", "dns.query"),
    Alias("QueryResults", "dns.answers"),
    Alias("QueryStatus", "dns.status"),
    Alias("SourceImage", "process.file.path", _TARGET),
    Alias("SourceProcessId", "process.pid", _TARGET),
    Alias("SourceProcessGuid", "process.entity_id", _TARGET),
    Alias("TargetImage", "target.file.path", _TARGET),
    Alias("TargetProcessId", "target.pid", _TARGET),
    Alias("TargetProcessGuid", "target.entity_id", _TARGET),
    Alias("GrantedAccess", "target.granted_access"),
    Alias("CallTrace", "target.call_trace"),
    Alias("StartAddress", "target.start_address"),
    Alias("StartModule", "target.start_module"),
    Alias("StartFunction", "target.start_function"),
    Alias("PipeName", "pipe.name"),
    Alias("ScriptBlockText", "script.content"),
    Alias("ScriptBlockId", "script.block_id"),
    Alias("Path", "script.path", ("script_block",)),
    Alias("Consumer", "wmi.consumer", ("wmi_event",)),
    Alias("Filter", "wmi.filter", ("wmi_event",)),
    Alias("Destination", "wmi.destination", ("wmi_event",)),
    Alias("Query", "wmi.query", ("wmi_event",)),
    Alias("EventNamespace", "wmi.namespace", ("wmi_event",)),
)

SIGMA: tuple[Alias, ...] = (
    Alias("type", "oslog.type", _LOG),
    Alias("Filename", "detect.object_name", _EPP),
    Alias("Signature", "detect.category", _EPP),
    Alias("query", "dns.query", ("dns_query",)),
    Alias("record_type", "dns.type", ("dns_query",)),
    Alias("answer", "dns.answers", ("dns_query",)),
    Alias("md5", "process.file.md5", _START),
    Alias("sha256", "process.file.sha256", _START),
    Alias("md5", "file.md5", _FILELIKE),
    Alias("sha256", "file.sha256", _FILELIKE),
)
"""What Sigma rules alone call so: the words are too common to be names in searches."""


class Computed(NamedTuple):
    """A name under which a form of `schema.views` is known in events of `types`; `fields`: its inputs."""

    name: str
    form: str
    fields: str
    types: tuple[str, ...] = ()


COMPUTED: tuple[Computed, ...] = (
    Computed("User", "account", "user.domain user.name"),
    Computed("TargetObject", "text", "registry.path", _REG),
    Computed("Details", "details", "registry.value_type registry.value_data", _REG),
    Computed("NewName", "renamed", "registry.operation registry.key", _REG),
    Computed("EventType", "registry_event", "registry.operation", _REG),
    Computed("EventType", "pipe_event", "pipe.operation", ("pipe_event",)),
    Computed("Initiated", "initiated", "socket.direction", ("network_connect",)),
    Computed("SourceIp", "by_direction", "socket.direction socket.local_ip socket.remote_ip", ("network_connect",)),
    Computed(
        "SourcePort", "by_direction", "socket.direction socket.local_port socket.remote_port", ("network_connect",)
    ),
    Computed(
        "DestinationIp", "by_direction", "socket.direction socket.remote_ip socket.local_ip", ("network_connect",)
    ),
    Computed(
        "DestinationPort", "by_direction", "socket.direction socket.remote_port socket.local_port", ("network_connect",)
    ),
    Computed("DestinationHostname", "text", "socket.remote_host", ("network_connect",)),
    Computed("QueryResults", "text", "dns.answers", ("dns_query",)),
    Computed("QueryStatus", "looked_up", "dns.status", ("dns_query",)),
    Computed("Signed", "signed", "file.signature_status", _LOADED),
    Computed("Signature", "text", "file.signer", _LOADED),
    Computed("SignatureStatus", "signature_status", "file.signature_status", _LOADED),
)
"""Sigma's names that are no single column. The item of a Windows record of that name, where it is kept, comes first."""

WINDOWS_HEADER: tuple[Alias, ...] = (
    Alias("ProviderName Provider_Name winlog.provider winlog.provider_name", "winlog.system.provider_name"),
    Alias("EventId winlog.event_id event.code", "winlog.system.event_id"),
    Alias("Version winlog.version", "winlog.system.version", _LOG),
    Alias("Level", "winlog.system.level", _LOG),
    Alias("Task winlog.task", "winlog.system.task", _LOG),
    Alias("Opcode winlog.opcode", "winlog.system.opcode", _LOG),
    Alias("Keywords winlog.keywords", "winlog.system.keywords", _LOG),
    Alias("TimeCreatedSystemTime", "winlog.system.time_created"),
    Alias("EventRecordId winlog.record_id", "winlog.system.record_id"),
    Alias("CorellationActivityId CorrelationActivityId winlog.activity_id", "winlog.system.activity_id"),
    Alias("ExecutionProcessId winlog.process.pid", "winlog.system.process_id"),
    Alias("ThreadId winlog.process.thread.id", "winlog.system.thread_id"),
    Alias("Channel winlog.channel", "winlog.system.channel"),
    Alias("Computer winlog.computer_name", "winlog.system.computer", _LOG),
    # Spellings of the requirements that differ from Windows' own.
    Alias("AccessFilesMask", "winlog.data.AccessMask", _LOG),
    Alias("PriviledgeList", "winlog.data.PrivilegeList", _LOG),
)

ECS: tuple[Alias, ...] = (
    Alias("@timestamp", "event.time"),
    Alias("event.ingested", "event.received"),
    Alias("event.action", "event.type"),
    Alias("agent.id", "host.id"),
    Alias("host.hostname", "host.name"),
    Alias("host.os.family host.os.type", "os.family"),
    Alias("host.os.version", "os.version"),
    Alias("host.os.name", "os.name"),
    Alias("host.os.kernel", "os.kernel"),
    Alias("process.executable", "process.file.path"),
    Alias("process.name", "process.file.name"),
    Alias("process.hash.md5", "process.file.md5"),
    Alias("process.hash.sha256", "process.file.sha256"),
    Alias("process.start", "process.start_time"),
    Alias("process.end", "process.end_time"),
    Alias("process.argv", "process.args"),
    Alias("process.env_vars", "process.env"),
    Alias("process.parent.executable", "process.parent.file.path"),
    Alias("process.parent.name", "process.parent.file.name"),
    Alias("process.parent.hash.md5", "process.parent.file.md5"),
    Alias("process.parent.hash.sha256", "process.parent.file.sha256"),
    Alias("process.code_signature.subject_name", "process.file.signer"),
    Alias("process.code_signature.status", "process.file.signature_status"),
    Alias("container.id", "process.container_id"),
    Alias("file.hash.md5", "file.md5"),
    Alias("file.hash.sha256", "file.sha256"),
    Alias("file.mtime", "file.modified"),
    Alias("dll.path", "file.path", _MODULE),
    Alias("dll.name", "file.name", _MODULE),
    Alias("dll.hash.md5", "file.md5", _MODULE),
    Alias("dll.hash.sha256", "file.sha256", _MODULE),
    Alias("source.ip", "socket.local_ip"),
    Alias("source.port", "socket.local_port"),
    Alias("destination.ip", "socket.remote_ip"),
    Alias("destination.port", "socket.remote_port"),
    Alias("destination.domain", "socket.remote_host"),
    Alias("network.transport", "socket.protocol"),
    Alias("network.direction", "socket.direction"),
    Alias("dns.question.name", "dns.query"),
    Alias("dns.question.type", "dns.type"),
    Alias("dns.response_code", "dns.status"),
    Alias("registry.value", "registry.value_name"),
    Alias("registry.data.strings", "registry.value_data"),
    Alias("registry.data.type", "registry.value_type"),
)

ALIASES: tuple[tuple[str, tuple[Alias, ...]], ...] = (
    ("KATA", KATA),
    ("Sysmon/Sigma", SYSMON),
    ("Windows log", WINDOWS_HEADER),
    ("ECS", ECS),
)
"""(name space, its aliases)."""
