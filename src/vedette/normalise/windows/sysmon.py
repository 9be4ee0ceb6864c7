"""Records of Sysmon 1 to 29 about processes, threads, files, modules and networks -> events."""

from typing import Final

from vedette.normalise.windows import winlog
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.texts import account, address, digest, digests, guid, known, moment, number, split
from vedette.schema.entities import (
    Blocked,
    ChangedFile,
    Dns,
    File,
    Process,
    Session,
    Socket,
    Target,
    User,
)
from vedette.schema.events.base import Event
from vedette.schema.events.files import DriverLoad, FileChange, FileCreate, ModuleLoad
from vedette.schema.events.network import DnsQuery, NetworkConnect
from vedette.schema.events.process import ProcessAccess, ProcessStart, ProcessStop, RemoteThread
from vedette.schema.events.protection import FileBlock
from vedette.schema.fields import Micros

_ACTING: Final = frozenset("UtcTime ProcessGuid ProcessId Image User".split())
_RESOURCE: Final = frozenset("FileVersion Description Product Company OriginalFileName".split())
_STARTED: Final = _ACTING | _RESOURCE | frozenset(
    "CommandLine CurrentDirectory LogonId TerminalSessionId IntegrityLevel ParentProcessGuid ParentProcessId "
    "ParentImage ParentCommandLine".split()
)  # fmt: skip
_FILE: Final = _ACTING | {"TargetFilename", "CreationUtcTime"}
_MODULE: Final = _ACTING | _RESOURCE | {"ImageLoaded"}
_CONNECTED: Final = _ACTING | {"Protocol", "SourceIp", "SourcePort", "DestinationIp", "DestinationPort"}
_TARGET: Final = frozenset(
    "UtcTime SourceProcessGuid SourceProcessId SourceImage TargetProcessGuid TargetProcessId TargetImage GrantedAccess "
    "CallTrace StartAddress StartModule StartFunction".split()
)
_PORT: Final = 65_535
_LATE: Final = 120_000_000
"""Microseconds by which Sysmon writes a record later than it saw it, at most."""
_STATUSES: Final = {"0": "NOERROR", "9001": "FORMERR", "9002": "SERVFAIL", "9003": "NXDOMAIN", "9004": "NOTIMP",
                    "9005": "REFUSED", "9701": "NODATA", "1460": "TIMEOUT"}  # fmt: skip
"""Windows errors of name look-ups (winerror.h)."""
_SIGNATURES: Final = {"valid": "ok", "revoked": "revoked", "expired": "invalid", "untrusted": "untrusted"}


def happened(record: Record) -> Micros:
    """Give the time at which Sysmon saw it, the header's being that of writing.

    When they are far apart, a clock was set or a shipper wrote local time: then all channels keep the header's.
    """
    seen = moment(record.data.get("UtcTime"))
    return record.time if seen is None or abs(seen - record.time) > _LATE else seen


def acting(record: Record, memory: Memory) -> tuple[Process | None, User | None]:
    """Give the process that acts and its account."""
    data, host = record.data, record.system.computer
    entity_id, pid = guid(data.get("ProcessGuid")), number(data.get("ProcessId"))
    process = memory.acting(host, entity_id, pid, known(data.get("Image")))
    domain, name = account(data.get("User"))
    user = memory.user(domain, name)
    if user is None and (started := memory.started(host, entity_id, pid, None)) is not None:
        user = started[1]
    return process, user


def process_start(record: Record, memory: Memory) -> Event:
    """1: a process with everything that Sysmon knows of it."""
    data, host = record.data, record.system.computer
    domain, name = account(data.get("User"))
    user, time = memory.user(domain, name), happened(record)
    process = Process(
        entity_id=guid(data.get("ProcessGuid")),
        pid=number(data.get("ProcessId")),
        file=_versioned(record, memory, "Image"),
        command_line=data.get("CommandLine"),
        working_directory=known(data.get("CurrentDirectory")),
        start_time=time,
        integrity=known(data.get("IntegrityLevel")),
        parent=memory.parent(
            host,
            guid(data.get("ParentProcessGuid")),
            number(data.get("ParentProcessId")),
            path=known(data.get("ParentImage")),
            command_line=known(data.get("ParentCommandLine")),
        ),
    )
    memory.start(host, process, user)
    session = Session(id=known(data.get("TerminalSessionId")), logon_id=known(data.get("LogonId")))
    return ProcessStart(time=time, user=user, session=session, process=process, winlog=winlog.rest(record, _STARTED))


def process_stop(record: Record, memory: Memory) -> Event:
    """5: the process as it was at start, and its end."""
    process, user = acting(record, memory)
    time = happened(record)
    process = ended(process or Process(), time)
    memory.stop(record.system.computer, process)
    return ProcessStop(time=time, user=user, process=process, winlog=winlog.rest(record, _ACTING))


def ended(process: Process, time: Micros, exit_code: int | None = None) -> Process:
    """Give a process with its end."""
    names = Process.__struct_fields__
    known_of_it = {name: getattr(process, name) for name in names}
    return Process(**known_of_it | {"end_time": time, "exit_code": exit_code})


def network_connect(record: Record, memory: Memory) -> Event:
    """3: Sysmon's source is who began it, which is the other end when the connection came in."""
    data = record.data
    process, user = acting(record, memory)
    outbound = data.get("Initiated", "true").lower() != "false"
    ends = [
        (address(data.get(f"{end}Ip")), number(data.get(f"{end}Port"), _PORT), known(data.get(f"{end}Hostname")))
        for end in ("Source", "Destination")
    ]
    local, remote = ends if outbound else reversed(ends)
    socket = Socket(
        protocol=known(data.get("Protocol")),
        direction="outbound" if outbound else "inbound",
        local_ip=local[0],
        local_port=local[1],
        remote_ip=remote[0],
        remote_port=remote[1],
        remote_host=remote[2],
    )
    moved = _CONNECTED if outbound else _ACTING
    return NetworkConnect(
        time=happened(record), user=user, process=process, socket=socket, winlog=winlog.rest(record, moved)
    )


def dns_query(record: Record, memory: Memory) -> Event:
    """22: a look-up and its answers."""
    process, user = acting(record, memory)
    return DnsQuery(
        time=happened(record), user=user, process=process, dns=looked_up(record.data),
        winlog=winlog.rest(record, _ACTING | {"QueryName"}),
    )  # fmt: skip


def looked_up(data: dict[str, str]) -> Dns:
    """Read a look-up as Sysmon and the DNS client write it: `type:  5 alias;1.2.3.4;`."""
    status = known(data.get("QueryStatus"))
    found = [address(part.strip()) for part in (known(data.get("QueryResults")) or "").split(";")[:1024]]
    return Dns(
        query=known(data.get("QueryName")),
        type=known(data.get("QueryType")),
        answers=tuple(answer for answer in found if answer) or None,
        status=_STATUSES.get(status, status) if status else None,
    )


def file_create(record: Record, memory: Memory) -> Event:
    """11, 15 (a stream beside a file), 29 (a program was written): the digests are those of what was written."""
    process, user = acting(record, memory)
    file = _target(record, memory)
    return FileCreate(time=happened(record), user=user, process=process, file=file, winlog=winlog.rest(record, _FILE))


def file_delete(record: Record, memory: Memory) -> Event:
    """23 (kept by Sysmon), 26."""
    return _changed(record, memory, "delete")


def file_attributes(record: Record, memory: Memory) -> Event:
    """2: the time of creation was changed; the previous one stays in the record's items."""
    return _changed(record, memory, "attributes")


def _changed(record: Record, memory: Memory, operation: str) -> Event:
    process, user = acting(record, memory)
    file = _target(record, memory)
    facts = {} if file is None else {name: getattr(file, name) for name in File.__struct_fields__}
    changed = ChangedFile(**facts, operation=operation)
    return FileChange(
        time=happened(record), user=user, process=process, file=changed, winlog=winlog.rest(record, _FILE)
    )


def file_block(record: Record, memory: Memory) -> Event:
    """27 (a program was not written), 28 (a file was not shredded)."""
    process, user = acting(record, memory)
    file = _target(record, memory)
    return FileBlock(
        time=happened(record), user=user, process=process, file=file,
        blocked=Blocked(hash_type=None if file is None else int(file.sha256 is not None)),
        winlog=winlog.rest(record, _FILE),
    )  # fmt: skip


def module_load(record: Record, memory: Memory) -> Event:
    """7: a process mapped a module."""
    process, user = acting(record, memory)
    return ModuleLoad(
        time=happened(record), user=user, process=process, file=_versioned(record, memory, "ImageLoaded"),
        winlog=winlog.rest(record, _MODULE),
    )  # fmt: skip


def driver_load(record: Record, memory: Memory) -> Event:
    """6: the kernel loaded a driver."""
    return DriverLoad(
        time=happened(record), file=_versioned(record, memory, "ImageLoaded"),
        winlog=winlog.rest(record, _MODULE),
    )  # fmt: skip


def process_access(record: Record, memory: Memory) -> Event:
    """10: a process opened another one."""
    return _on_another(record, memory, ProcessAccess)


def remote_thread(record: Record, memory: Memory) -> Event:
    """8: a process made a thread in another one."""
    return _on_another(record, memory, RemoteThread)


def _on_another(record: Record, memory: Memory, kind: type[ProcessAccess | RemoteThread]) -> Event:
    data, host = record.data, record.system.computer
    source = guid(data.get("SourceProcessGuid"))
    process = memory.acting(host, source, number(data.get("SourceProcessId")), known(data.get("SourceImage")))
    domain, name = account(data.get("SourceUser"))
    user = memory.user(domain, name)
    target = Target(
        entity_id=guid(data.get("TargetProcessGuid")),
        pid=number(data.get("TargetProcessId")),
        file=memory.identity(host, known(data.get("TargetImage"))),
        granted_access=known(data.get("GrantedAccess")),
        call_trace=known(data.get("CallTrace")),
        start_address=known(data.get("StartAddress")),
        start_module=known(data.get("StartModule")),
        start_function=known(data.get("StartFunction")),
    )
    return kind(time=happened(record), user=user, process=process, target=target, winlog=winlog.rest(record, _TARGET))


def _target(record: Record, memory: Memory) -> File | None:
    data, host = record.data, record.system.computer
    path = known(data.get("TargetFilename"))
    if path is None:
        return None
    found = digests(data.get("Hashes") or data.get("Hash"))
    md5, sha256 = digest(found, "md5", 32), digest(found, "sha256", 64)
    memory.learn(host, path, md5, sha256)
    directory, name = split(path)
    return File(
        name=name, directory=directory, path=path, md5=md5, sha256=sha256, imphash=digest(found, "imphash", 32),
        created=moment(data.get("CreationUtcTime")),
    )  # fmt: skip


def _versioned(record: Record, memory: Memory, item: str) -> File | None:
    """Give a program or module with its version resource, digests and signature; one object for equal ones."""
    data = record.data
    path = known(data.get(item))
    if path is None:
        return None
    hashes, signature, status = data.get("Hashes"), data.get("Signature"), data.get("SignatureStatus")
    found = digests(hashes)
    md5, sha256 = digest(found, "md5", 32), digest(found, "sha256", 64)
    memory.learn(record.system.computer, path, md5, sha256)
    key = (path, hashes, signature, status, data.get("OriginalFileName"), data.get("FileVersion"))
    file = memory.files.get(key)
    if file is None:
        directory, name = split(path)
        file = memory.files.put(key, File(
            name=name,
            directory=directory,
            path=path,
            md5=md5,
            sha256=sha256,
            imphash=digest(found, "imphash", 32),
            signer=known(signature),
            signature_status=_signature_status(data),
            # As Sysmon writes them, `-` for none: rules look for just that.
            original_name=data.get("OriginalFileName"),
            company=data.get("Company"),
            product=data.get("Product"),
            description=data.get("Description"),
            version=data.get("FileVersion"),
        ))  # fmt: skip
    return file


def _signature_status(data: dict[str, str]) -> str | None:
    status = data.get("SignatureStatus")
    if status is None:
        return None
    if data.get("Signed", "").lower() == "false" and status.lower() in {"unavailable", "", "-"}:
        return "unsigned"
    return _SIGNATURES.get(status.lower(), "error")
