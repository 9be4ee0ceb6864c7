"""Records of the Security log that tell what typed events tell: processes, registry, network -> events."""

from typing import Final

from vedette.normalise.windows import accounts, winlog
from vedette.normalise.windows.log_events import acting
from vedette.normalise.windows.memory import Memory
from vedette.normalise.windows.record import Record
from vedette.normalise.windows.sysmon import ended
from vedette.normalise.windows.texts import address, known, number
from vedette.schema.entities import PreviousValue, Process, Registry, Socket, User
from vedette.schema.events.base import Event
from vedette.schema.events.network import NetworkConnect, PortListen
from vedette.schema.events.process import ProcessStart, ProcessStop
from vedette.schema.events.windows import RegistryChange
from vedette.schema.identity import process_entity_id

_PORT: Final = 65_535
_PROTOCOLS: Final = {"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6"}
_LABELS: Final = {
    "S-1-16-0": "Untrusted", "S-1-16-4096": "Low", "S-1-16-8192": "Medium", "S-1-16-8448": "MediumPlus",
    "S-1-16-12288": "High", "S-1-16-16384": "System", "S-1-16-20480": "Protected",
}  # fmt: skip
"""Well-known SIDs of integrity levels -> as Sysmon names them."""
_TYPES: Final = {
    "%%1872": "REG_NONE", "%%1873": "REG_SZ", "%%1874": "REG_EXPAND_SZ", "%%1875": "REG_BINARY",
    "%%1876": "REG_DWORD", "%%1877": "REG_DWORD_BIG_ENDIAN", "%%1878": "REG_LINK", "%%1879": "REG_MULTI_SZ",
    "%%1880": "REG_RESOURCE_LIST", "%%1881": "REG_FULL_RESOURCE_DESCRIPTOR",
    "%%1882": "REG_RESOURCE_REQUIREMENTS_LIST", "%%1883": "REG_QWORD",
}  # fmt: skip
_OPERATIONS: Final = {"%%1904": "set_value", "%%1905": "set_value", "%%1906": "delete_value"}
_NEW: Final = "%%1904"
_HIVES: Final = (("\\REGISTRY\\MACHINE", "HKLM"), ("\\REGISTRY\\USER", "HKU"))
"""As the kernel names them -> as Sysmon and people do."""
_INBOUND: Final = "%%14592"
_REFUSED: Final = 5157
_NANOSECONDS: Final = 1000
_SAME_START: Final = 2_000_000
"""Microseconds between the two records, Sysmon's and the audit log's, of one start."""


def process_start(record: Record, memory: Memory) -> Event:
    """4688. One start that Sysmon told as well keeps the id that Sysmon gave it."""
    data, host = record.data, record.system.computer
    pid, path = number(data.get("NewProcessId")), known(data.get("NewProcessName"))
    user = _user_of_new(record, memory)
    process = Process(
        entity_id=_entity_id(record, memory, pid, path),
        pid=pid,
        file=memory.file(host, path) if path else None,
        command_line=data.get("CommandLine"),
        start_time=record.time,
        integrity=_LABELS.get(data.get("MandatoryLabel", "")),
        parent=memory.parent(
            host, None, number(data.get("ProcessId")), path=known(data.get("ParentProcessName")), command_line=None
        ),
    )
    if memory.started(host, process.entity_id, None, None) is None:
        memory.start(host, process, user)
    return ProcessStart(
        time=record.time, user=user, session=accounts.session(record), process=process, winlog=winlog.whole(record)
    )


def _user_of_new(record: Record, memory: Memory) -> User | None:
    """Give the account of the new process: the target, where it is another than the creator's."""
    data = record.data
    name = known(data.get("TargetUserName"))
    if name is None:
        return accounts.user(record, memory)
    sid = known(data.get("TargetUserSid"))
    return memory.user(known(data.get("TargetDomainName")), name, None if sid == "S-1-0-0" else sid)


def _entity_id(record: Record, memory: Memory, pid: int | None, path: str | None) -> str | None:
    if pid is None:
        return None
    host = record.system.computer
    started = memory.started(host, None, pid, path)
    if started is not None:
        process = started[0]
        if process.start_time is not None and abs(process.start_time - record.time) < _SAME_START:
            return process.entity_id
    return process_entity_id(host or "", "", pid, record.time * _NANOSECONDS)


def process_stop(record: Record, memory: Memory) -> Event:
    """4689: the process as it was at start, its end and exit status."""
    host = record.system.computer
    process = acting(record, memory) or Process()
    status = number(record.data.get("Status"))
    code = None if status is None else status - 2**32 if status >= 2**31 else status
    process = ended(process, record.time, code)
    memory.stop(host, process)
    return ProcessStop(
        time=record.time, user=accounts.user(record, memory), session=accounts.session(record), process=process,
        winlog=winlog.whole(record),
    )  # fmt: skip


def registry_change(record: Record, memory: Memory) -> Event:
    """4657: a value, its type and what it was before."""
    data = record.data
    key, name = _key(known(data.get("ObjectName"))), data.get("ObjectValueName")
    operation = data.get("OperationType", "")
    deleted = _OPERATIONS.get(operation) == "delete_value"
    previous = PreviousValue(
        value_data=data.get("OldValue"),
        value_type=_TYPES.get(data.get("OldValueType", ""), known(data.get("OldValueType"))),
    )
    registry = Registry(
        key=key,
        path=f"{key}\\{name}" if key and name else key,
        value_name=name,
        value_data=None if deleted else data.get("NewValue"),
        value_type=None if deleted else _TYPES.get(data.get("NewValueType", ""), known(data.get("NewValueType"))),
        operation=_OPERATIONS.get(operation),
        previous=None if operation == _NEW else previous,
    )
    return RegistryChange(
        time=record.time, user=accounts.user(record, memory), session=accounts.session(record),
        process=acting(record, memory), registry=registry, winlog=winlog.whole(record),
    )  # fmt: skip


def _key(path: str | None) -> str | None:
    for start, hive in _HIVES:
        if path is not None and path[: len(start)].upper() == start:
            return hive + path[len(start) :]
    return path


def network_connect(record: Record, memory: Memory) -> Event:
    """5156 (permitted), 5157 (denied): the source is who began it."""
    data = record.data
    inbound = data.get("Direction") == _INBOUND
    ends = [(address(data.get(f"{end}Address")), number(data.get(f"{end}Port"), _PORT)) for end in ("Source", "Dest")]
    local, remote = reversed(ends) if inbound else ends
    socket = Socket(
        protocol=_protocol(data),
        direction="inbound" if inbound else "outbound",
        local_ip=local[0],
        local_port=local[1],
        remote_ip=remote[0],
        remote_port=remote[1],
        outcome="denied" if record.system.event_id == _REFUSED else None,
    )
    return NetworkConnect(time=record.time, process=acting(record, memory), socket=socket, winlog=winlog.whole(record))


def port_listen(record: Record, memory: Memory) -> Event:
    """5154: a program listens. 5158 (a bind) stays a record: every connection begins with one."""
    data = record.data
    socket = Socket(
        protocol=_protocol(data),
        local_ip=address(data.get("SourceAddress")),
        local_port=number(data.get("SourcePort"), _PORT),
    )
    return PortListen(time=record.time, process=acting(record, memory), socket=socket, winlog=winlog.whole(record))


def _protocol(data: dict[str, str]) -> str | None:
    protocol = known(data.get("Protocol"))
    return _PROTOCOLS.get(protocol, protocol) if protocol else None
