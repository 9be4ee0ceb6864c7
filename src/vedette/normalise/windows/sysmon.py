"""Records of Sysmon about processes, threads and networks -> events."""

from typing import Final

from vedette.normalise.windows import winlog
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.programs import versioned
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.texts import account, address, guid, known, moment, number
from vedette.schema.entities import (
    Dns,
    Process,
    Session,
    Socket,
    Target,
    User,
)
from vedette.schema.events.base import Event
from vedette.schema.events.network import DnsQuery, NetworkConnect
from vedette.schema.events.process import ProcessAccess, ProcessStart, ProcessStop, RemoteThread
from vedette.schema.fields import Micros

ACTING: Final = frozenset("UtcTime ProcessGuid ProcessId Image User".split())
"""Items that become the acting process, its account and the time."""
RESOURCE: Final = frozenset("FileVersion Description Product Company OriginalFileName".split())
_STARTED: Final = ACTING | RESOURCE | frozenset(
    "CommandLine CurrentDirectory LogonId TerminalSessionId IntegrityLevel ParentProcessGuid ParentProcessId "
    "ParentImage ParentCommandLine".split()
)  # fmt: skip
_CONNECTED: Final = ACTING | {"Protocol", "SourceIp", "SourcePort", "DestinationIp", "DestinationPort"}
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
        file=versioned(record, memory, "Image"),
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
    return ProcessStop(time=time, user=user, process=process, winlog=winlog.rest(record, ACTING))


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
    moved = _CONNECTED if outbound else ACTING
    return NetworkConnect(
        time=happened(record), user=user, process=process, socket=socket, winlog=winlog.rest(record, moved)
    )


def dns_query(record: Record, memory: Memory) -> Event:
    """22: a look-up and its answers."""
    process, user = acting(record, memory)
    return DnsQuery(
        time=happened(record), user=user, process=process, dns=looked_up(record.data),
        winlog=winlog.rest(record, ACTING | {"QueryName"}),
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
