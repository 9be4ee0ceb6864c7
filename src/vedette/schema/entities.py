"""The things that events speak of. Unknown is None; empty is empty; they differ.

A column is the path of attributes joined by dots: `event.process.file.sha256` is `process.file.sha256`.
"""

from typing import Annotated

from msgspec import Struct

from vedette.schema.fields import (
    HIDDEN,
    Bytes,
    Code,
    Count,
    EntityId,
    LongText,
    Md5,
    Micros,
    Number,
    Pid,
    Port,
    Sha256,
    Small,
    SpreadMap,
    Text,
    TextList,
    Word,
    WordMap,
    doc,
)


class Entity(Struct, frozen=True, kw_only=True):
    """A thing an event speaks of. One object is shared by all events that mean the same thing."""


class Host(Entity, frozen=True, kw_only=True):
    """The machine where the event happened; sent once a batch."""

    id: Annotated[Word | None, doc("Stable id of the host, chosen by the Central Node at enrolment")] = None
    name: Annotated[Word | None, doc("Host name, fully qualified where the host knows it")] = None
    ip: Annotated[TextList | None, doc("IPv4 and IPv6 addresses of the host at the time of the batch")] = None


class Os(Entity, frozen=True, kw_only=True):
    """The operating system of the host; sent once a batch."""

    family: Annotated[Word | None, doc("linux, windows or macos")] = None
    name: Annotated[Word | None, doc("Name of the distribution or edition")] = None
    version: Annotated[Word | None, doc("Version of the operating system")] = None
    kernel: Annotated[Word | None, doc("Kernel release or build")] = None


class Identity(Entity, frozen=True, kw_only=True):
    """One of the identities that a process carries."""

    name: Annotated[Word | None, doc("User name")] = None
    id: Annotated[Word | None, doc("User id: uid or SID")] = None
    group: Annotated[Word | None, doc("Name of the group")] = None
    group_id: Annotated[Word | None, doc("Group id: gid or SID")] = None


class User(Entity, frozen=True, kw_only=True):
    """The account for which the event was generated."""

    name: Annotated[Word | None, doc("User account for which the event was generated")] = None
    domain: Annotated[Word | None, doc("Domain of the account")] = None
    id: Annotated[Word | None, doc("uid or SID of the account")] = None
    login: Annotated[Identity | None, doc("Who logged in (audit login uid), whatever was switched to later")] = None
    real: Annotated[Identity | None, doc("Real uid and gid")] = None
    effective: Annotated[Identity | None, doc("Effective uid and gid: whose rights are used")] = None


class Session(Entity, frozen=True, kw_only=True):
    """A logon session."""

    id: Annotated[Word | None, doc("Session id of the operating system")] = None
    logon_id: Annotated[Word | None, doc("Windows logon id")] = None
    type: Annotated[Word | None, doc("local, remote, service, scheduled, graphical")] = None
    user: Annotated[Word | None, doc("User of the session")] = None
    remote_host: Annotated[Text | None, doc("Host from which the user logged in remotely")] = None
    remote_source: Annotated[
        Word | None,
        doc("Who told of the remote host: audit, logind, utmp, journald, or environment (which the user can forge)"),
    ] = None
    tty: Annotated[Word | None, doc("Terminal")] = None
    start: Annotated[Micros | None, doc("Start of the session")] = None
    end: Annotated[Micros | None, doc("End of the session")] = None
    state: Annotated[Word | None, doc("active, disconnected, closed")] = None


class PreviousFile(Entity, frozen=True, kw_only=True):
    """A file's name before the change."""

    path: Annotated[Text | None, doc("Full name before a rename")] = None


class File(Entity, frozen=True, kw_only=True):
    """A file: of a process, or the one the event is about (module, driver, blocked, created)."""

    name: Annotated[Text | None, doc("File name without folder")] = None
    directory: Annotated[Text | None, doc("Folder alone")] = None
    path: Annotated[Text | None, doc("Full name: folder and name")] = None
    size: Annotated[Bytes | None, doc("Size in bytes")] = None
    md5: Annotated[Md5 | None, doc("MD5, lower-case hex")] = None
    sha256: Annotated[Sha256 | None, doc("SHA-256, lower-case hex")] = None
    hash_status: Annotated[
        Word | None, doc("Why there is no hash: deleted, too_large, unreadable, busy, budget, in_memory")
    ] = None
    created: Annotated[Micros | None, doc("Date of creation (birth time; change time where there is none)")] = None
    modified: Annotated[Micros | None, doc("Date of the last modification")] = None
    owner: Annotated[Word | None, doc("User who created or owns the file")] = None
    group: Annotated[Word | None, doc("Group whose users can modify or delete the file")] = None
    mode: Annotated[Word | None, doc("Permission bits in octal, for example 0644")] = None
    inherited_privileges: Annotated[
        Word | None,
        doc("setuid, setgid, sticky, file capabilities, inherited ACL; comma-separated, empty = none"),
    ] = None
    type: Annotated[Word | None, doc("regular, symlink, fifo, device ..., then the kind of content")] = None
    signer: Annotated[Word | None, doc("Organisation that issued the digital certificate of the file")] = None
    signature_status: Annotated[
        Word | None, doc("Result of the signature check: ok, invalid, unsigned, revoked, untrusted, error")
    ] = None
    original_name: Annotated[Word | None, doc("Original file name in the version resource")] = None
    company: Annotated[Word | None, doc("Company in the version resource")] = None
    product: Annotated[Word | None, doc("Product in the version resource")] = None
    description: Annotated[Word | None, doc("Description in the version resource")] = None
    version: Annotated[Word | None, doc("File version in the version resource")] = None
    imphash: Annotated[Md5 | None, doc("Import hash of a PE file")] = None


class FileIdentity(Entity, frozen=True, kw_only=True):
    """What tells a file: the file of a parent or target process, whose full facts its own start event has."""

    name: Annotated[Text | None, doc("File name without folder")] = None
    directory: Annotated[Text | None, doc("Folder alone")] = None
    path: Annotated[Text | None, doc("Full name: folder and name")] = None
    md5: Annotated[Md5 | None, doc("MD5, lower-case hex")] = None
    sha256: Annotated[Sha256 | None, doc("SHA-256, lower-case hex")] = None


class ChangedFile(File, frozen=True, kw_only=True):
    """A file that was changed."""

    operation: Annotated[Word | None, doc("write, rename, delete or attributes")] = None
    previous: Annotated[PreviousFile | None, doc("As it was before")] = None


class Parent(Entity, frozen=True, kw_only=True):
    """The process that started the process."""

    entity_id: Annotated[EntityId | None, doc("UniquePID of the parent")] = None
    pid: Annotated[Pid | None, doc("PID of the parent")] = None
    file: Annotated[FileIdentity | None, doc("File of the parent")] = None
    command_line: Annotated[LongText | None, doc("Command that started the parent")] = None


class Process(Entity, frozen=True, kw_only=True):
    """The process that acts, starts or stops."""

    entity_id: Annotated[
        EntityId | None, doc("UniquePID: from host, boot, PID and start time; the same in all events")
    ] = None
    pid: Annotated[Pid | None, doc("PID on its host")] = None
    file: Annotated[File | None, doc("File of the process")] = None
    command_line: Annotated[LongText | None, doc("Command that started the process (start options)")] = None
    args: Annotated[TextList | None, doc("Argument vector, as it was given")] = None
    args_truncated: Annotated[bool | None, doc("The argument vector or environment was longer than what is kept")] = (
        None
    )
    env: Annotated[WordMap | None, doc("Environment variables; values of secrets are redacted by policy")] = None
    working_directory: Annotated[Text | None, doc("Folder in which it was started")] = None
    kind: Annotated[
        Word | None,
        doc("exec, fork, interpreted, setuid, memory, kernel_thread, platform_binary; by the source"),
    ] = None
    start_time: Annotated[Micros | None, doc("Start of the process")] = None
    end_time: Annotated[Micros | None, doc("End of the process; joined into the start event when it is known")] = None
    exit_code: Annotated[Code | None, doc("Exit code")] = None
    exit_signal: Annotated[Code | None, doc("Signal that ended the process; 0 = none")] = None
    integrity: Annotated[Word | None, doc("Windows integrity level")] = None
    capabilities: Annotated[Word | None, doc("Effective Linux capabilities, comma-separated; empty = none")] = None
    mount_namespace: Annotated[Number | None, doc("Inode number of the mount namespace")] = None
    pid_namespace: Annotated[Number | None, doc("Inode number of the PID namespace")] = None
    network_namespace: Annotated[Number | None, doc("Inode number of the network namespace")] = None
    cgroup_id: Annotated[Count | None, doc("Id of the unified control group")] = None
    container_id: Annotated[Word | None, doc("Id of the container")] = None
    repeats: Annotated[
        Count | None,
        doc("Exact repetitions of this start (program, command line, parent, user) that the budget left out before it"),
    ] = None
    parent: Annotated[Parent | None, doc("The process that started it")] = None


class PreviousValue(Entity, frozen=True, kw_only=True):
    """A registry value before the change."""

    key: Annotated[Text | None, doc("Previous path to the registry key (rename)")] = None
    value_data: Annotated[LongText | None, doc("Previous registry value data")] = None
    value_type: Annotated[Word | None, doc("Previous registry value type")] = None


class Registry(Entity, frozen=True, kw_only=True):
    """A registry key and value."""

    key: Annotated[Text | None, doc("Path to the registry key")] = None
    path: Annotated[Text | None, doc("Key, backslash, value name")] = None
    value_name: Annotated[Word | None, doc("Registry value name")] = None
    value_data: Annotated[LongText | None, doc("Registry value data")] = None
    value_type: Annotated[Word | None, doc("Registry value type")] = None
    operation: Annotated[Word | None, doc("create_key, delete_key, set_value, delete_value, rename")] = None
    previous: Annotated[PreviousValue | None, doc("As it was before")] = None


class Socket(Entity, frozen=True, kw_only=True):
    """A network endpoint pair, or a listening endpoint."""

    protocol: Annotated[Word | None, doc("tcp, udp, ...")] = None
    direction: Annotated[Word | None, doc("outbound or inbound")] = None
    local_ip: Annotated[Word | None, doc("Local address; for a listening port that of the adapter")] = None
    local_port: Annotated[Port | None, doc("Local port")] = None
    remote_ip: Annotated[Text | None, doc("Remote address")] = None
    remote_port: Annotated[Port | None, doc("Remote port")] = None
    remote_host: Annotated[Text | None, doc("Name of the remote host where it is known")] = None
    outcome: Annotated[
        Word | None, doc("What came of it: established, pending, refused, timed_out, unreachable, denied")
    ] = None


class Dns(Entity, frozen=True, kw_only=True):
    """A name look-up."""

    query: Annotated[Text | None, doc("Name that was asked for")] = None
    type: Annotated[Word | None, doc("Record type: A, AAAA, TXT ...")] = None
    answers: Annotated[TextList | None, doc("Answers")] = None
    status: Annotated[Word | None, doc("Response code: NOERROR, NXDOMAIN ...; TIMEOUT = no answer came")] = None


class WinlogSystem(Entity, frozen=True, kw_only=True):
    """Header of a Windows event log record."""

    provider_name: Annotated[Word | None, doc("System/Provider@Name")] = None
    event_id: Annotated[Number | None, doc("System/EventID: the kind of record, for example 4624")] = None
    version: Annotated[Number | None, doc("System/Version")] = None
    level: Annotated[Number | None, doc("System/Level")] = None
    task: Annotated[Number | None, doc("System/Task")] = None
    opcode: Annotated[Number | None, doc("System/Opcode")] = None
    keywords: Annotated[Word | None, doc("System/Keywords: 64-bit mask in hex")] = None
    time_created: Annotated[Text | None, doc("System/TimeCreated@SystemTime, as logged (100 ns)")] = None
    record_id: Annotated[Count | None, doc("System/EventRecordID: number of the record in its log")] = None
    activity_id: Annotated[Text | None, doc("System/Correlation@ActivityID")] = None
    process_id: Annotated[Pid | None, doc("System/Execution@ProcessID")] = None
    thread_id: Annotated[Pid | None, doc("System/Execution@ThreadID")] = None
    channel: Annotated[Word | None, doc("System/Channel: name of the log")] = None
    computer: Annotated[Word | None, doc("System/Computer")] = None


class Winlog(Entity, frozen=True, kw_only=True):
    """A Windows event log record."""

    system: Annotated[WinlogSystem | None, doc("Header")] = None
    data: Annotated[SpreadMap | None, doc("EventData and UserData items, verbatim, by their Windows names")] = None


class OsLog(Entity, frozen=True, kw_only=True):
    """A record of a Unix system log."""

    type: Annotated[Word | None, doc("Audit record type, or class of the record: sshd, sudo, systemd ...")] = None
    result: Annotated[Word | None, doc("Result of the operation: success, failure or a raw code")] = None
    source: Annotated[Word | None, doc("audit, journald, syslog, utmp")] = None
    unit: Annotated[Word | None, doc("Unit or program that logged")] = None
    message: Annotated[LongText | None, doc("Text of the record")] = None


class Auth(Entity, frozen=True, kw_only=True):
    """What a log record says of an authentication."""

    subtype: Annotated[
        Word | None,
        doc(
            "logon, logoff, logon_failed, explicit_credentials, kerberos_tgt, kerberos_tgs, ntlm, special_privileges, "
            "rdp_reconnect, rdp_disconnect"
        ),
    ] = None
    domain: Annotated[Word | None, doc("Domain name")] = None
    remote_ip: Annotated[Text | None, doc("Remote address")] = None
    method: Annotated[Word | None, doc("password, publickey, ...")] = None


class Blocked(Entity, frozen=True, kw_only=True):
    """What a prevention rule stopped, beside its file."""

    command_line: Annotated[LongText | None, doc("Command-line parameters of the start that was blocked")] = None
    hash_type: Annotated[Small | None, doc("Checksum used for blocking: 0 = MD5, else SHA-256"), HIDDEN] = None


class Prevention(Entity, frozen=True, kw_only=True):
    """The rule that stopped it."""

    rule_id: Annotated[Word | None, doc("Id of the prevention rule")] = None
    method: Annotated[Word | None, doc("deny or kill")] = None


class Detect(Entity, frozen=True, kw_only=True):
    """What an endpoint protection engine found."""

    engine: Annotated[Word | None, doc("Name of the engine: yara, clamav, defender ...")] = None
    result: Annotated[Word | None, doc("Scan result: detected, clean, blocked, removed, not_scanned, error ...")] = None
    object_name: Annotated[Text | None, doc("Name of the detected object")] = None
    record_id: Annotated[Word | None, doc("Id of the record in the engine's databases")] = None
    db_time: Annotated[Micros | None, doc("Release time of the databases with which it was detected")] = None
    mode: Annotated[Word | None, doc("on_access, on_demand, on_exec, memory, amsi, sandbox")] = None
    category: Annotated[Word | None, doc("Category of the object, for example the name of a virus")] = None
    object_md5: Annotated[Md5 | None, doc("MD5 of the detected object")] = None
    object_sha256: Annotated[Sha256 | None, doc("SHA-256 of the detected object")] = None
    error_reason: Annotated[Text | None, doc("Reason for the error when processing the object")] = None


class Script(Entity, frozen=True, kw_only=True):
    """A script or what was typed into an interpreter."""

    content: Annotated[LongText | None, doc("Contents of the script")] = None
    content_name: Annotated[Text | None, doc("Name of the content as the interpreter knows it")] = None
    app_name: Annotated[Word | None, doc("Application that submitted the content")] = None
    path: Annotated[Text | None, doc("File of the script")] = None
    sha256: Annotated[Sha256 | None, doc("SHA-256 of the script")] = None
    block_id: Annotated[Text | None, doc("Script block id")] = None


class Target(Entity, frozen=True, kw_only=True):
    """The process that was acted upon."""

    entity_id: Annotated[EntityId | None, doc("UniquePID of the process acted upon")] = None
    pid: Annotated[Pid | None, doc("PID of the process acted upon")] = None
    file: Annotated[FileIdentity | None, doc("File of the process acted upon")] = None
    granted_access: Annotated[Word | None, doc("Access rights, hex mask or ptrace request")] = None
    call_trace: Annotated[LongText | None, doc("Call trace of the request")] = None
    start_address: Annotated[Text | None, doc("Start address of a remote thread")] = None
    start_module: Annotated[Text | None, doc("Module of the start address")] = None
    start_function: Annotated[Text | None, doc("Function of the start address")] = None


class Pipe(Entity, frozen=True, kw_only=True):
    """A named pipe."""

    name: Annotated[Text | None, doc("Name of the pipe")] = None
    operation: Annotated[Word | None, doc("create or connect")] = None


class Wmi(Entity, frozen=True, kw_only=True):
    """A WMI subscription part."""

    operation: Annotated[Word | None, doc("filter, consumer or binding; created, modified or deleted")] = None
    name: Annotated[Text | None, doc("Name of the filter or consumer")] = None
    query: Annotated[LongText | None, doc("Query of the filter")] = None
    consumer: Annotated[Text | None, doc("Consumer")] = None
    filter: Annotated[Text | None, doc("Filter")] = None
    destination: Annotated[LongText | None, doc("What the consumer runs")] = None
    namespace: Annotated[Text | None, doc("Event namespace")] = None


class Task(Entity, frozen=True, kw_only=True):
    """A task on a host."""

    id: Annotated[Word | None, doc("Id of the task")] = None
    type: Annotated[Word | None, doc("Kind of the task")] = None
    object: Annotated[Text | None, doc("What it is about: the version, the program, the path")] = None
    state: Annotated[Word | None, doc("accepted, running, done, failed, expired, cancelled, rolled_back")] = None
    step: Annotated[Word | None, doc("What runs now: download, unpack, trial ...")] = None
    progress: Annotated[Count | None, doc("How much of `total` is done")] = None
    total: Annotated[Count | None, doc("How much there is to do, bytes or parts")] = None
    started: Annotated[Micros | None, doc("Start")] = None
    finished: Annotated[Micros | None, doc("End")] = None
    error: Annotated[Text | None, doc("Why it failed")] = None
    result_object: Annotated[Text | None, doc("Id of the object in Storage that holds the result")] = None


class Gap(Entity, frozen=True, kw_only=True):
    """Telemetry that is missing, and why."""

    reason: Annotated[Word | None, doc("unclean_stop, upgrade, buffer_corrupt, expired, overflow, throttled ...")] = (
        None
    )
    start: Annotated[Micros | None, doc("Start of what is missing")] = None
    end: Annotated[Micros | None, doc("End of what is missing")] = None
    first: Annotated[Count | None, doc("First sequence number that is missing")] = None
    last: Annotated[Count | None, doc("Last sequence number that is missing")] = None
    count: Annotated[Count | None, doc("How many events are missing, where it is known")] = None
    event_type: Annotated[Word | None, doc("Event type that is missing, where it is one")] = None
