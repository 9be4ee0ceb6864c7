"""What audit records of a system call say: who, what, which arguments. Pure; any text is accepted."""

import re
import socket
from typing import Final, NamedTuple

from vedette.agent.linux.accounts import Ids
from vedette.normalise.audit import AuditEvent, AuditRecord
from vedette.probes.records import NO_ID

_ARGUMENT: Final = re.compile(r"a(\d{1,5})(?:\[\d{1,5}\])?")
MOST_ARGUMENTS: Final = 4096
_SOCKETCALLS: Final = {2: "bind", 3: "connect", 4: "listen"}


class Act(NamedTuple):
    """A system call. `time` in microseconds UTC; `result` as the call gave it; `numbers`: its first arguments."""

    name: str
    time: int
    serial: int
    pid: int
    parent: int
    ids: Ids
    session: int
    tty: str
    executable: str
    result: int
    succeeded: bool
    numbers: tuple[int, ...]


class Address(NamedTuple):
    """An internet address as the kernel has it, 16 bytes, and port."""

    family: int
    packed: bytes
    port: int


def act_of(record: AuditRecord, names: dict[tuple[int, int], str]) -> Act | None:
    """Read a SYSCALL record; None for one that is not asked for, or makes no sense. `names`: (arch, number) -> name."""
    fields = record.fields
    try:
        name = names.get((int(fields["arch"], 16), int(fields["syscall"])))
        if name is None:
            return None
        return Act(
            name=name,
            time=record.time,
            serial=record.serial,
            pid=int(fields["pid"]),
            parent=int(fields["ppid"]),
            ids=(int(fields["uid"]), int(fields["gid"]), int(fields["euid"]), int(fields["egid"]), int(fields["auid"])),
            session=int(fields.get("ses", NO_ID)),
            tty=fields.get("tty", "").replace("(none)", ""),
            executable=fields.get("exe", "").replace("(null)", ""),
            result=int(fields.get("exit", 0)),
            succeeded=fields.get("success") == "yes",
            numbers=tuple(int(fields[f"a{number}"], 16) for number in range(4)),
        )
    except (KeyError, ValueError):
        return None


def resolved(act: Act, event: AuditEvent) -> Act | None:
    """Give an old 32-bit socket call under its own name, with the arguments that it was given in memory."""
    if act.name != "socketcall":
        return act
    name = _SOCKETCALLS.get(act.numbers[0])
    record = _first(event, "SOCKETCALL")
    if name is None or record is None:
        return None
    try:
        numbers = tuple(int(record.fields[f"a{number}"], 16) for number in range(2))
    except (KeyError, ValueError):
        return None
    return act._replace(name=name, numbers=numbers)


def arguments(event: AuditEvent) -> tuple[list[str], bool]:
    """Give the argument vector of an execve, and whether some of it is missing."""
    parts: dict[int, list[str]] = {}
    count = 0
    for record in event.records:
        if record.type != "EXECVE":
            continue
        for name, value in record.fields.items():
            found = _ARGUMENT.fullmatch(name)
            if found:
                parts.setdefault(int(found[1]), []).append(value)
        said = record.fields.get("argc", "")
        count = max(count, int(said)) if said.isdecimal() and len(said) < 8 else count
    args = ["".join(parts.get(number, ())) for number in range(min(count, MOST_ARGUMENTS))]
    return args, len(args) < count or any(number not in parts for number in range(len(args)))


def folder(event: AuditEvent) -> str:
    """Give the working directory."""
    record = _first(event, "CWD")
    return "" if record is None else record.fields.get("cwd", "")


def files(event: AuditEvent) -> list[dict[str, str]]:
    """Give the files that a call named or an execve took, in their order."""
    return [record.fields for record in event.records if record.type == "PATH"]


def address(event: AuditEvent) -> Address | None:
    """Give the internet address that a call was given; None for other families."""
    record = _first(event, "SOCKADDR")
    try:
        raw = b"" if record is None else bytes.fromhex(record.fields.get("saddr", ""))
    except ValueError:
        return None
    family = int.from_bytes(raw[:2], "little")
    if family == socket.AF_INET and len(raw) >= 8:
        return Address(family, raw[4:8].ljust(16, b"\0"), int.from_bytes(raw[2:4], "big"))
    if family == socket.AF_INET6 and len(raw) >= 24:
        return Address(family, raw[8:24], int.from_bytes(raw[2:4], "big"))
    return None


def target(event: AuditEvent, act: Act) -> int:
    """Give the process that a ptrace takes hold of."""
    record = _first(event, "OBJ_PID")
    said = "" if record is None else record.fields.get("opid", "")
    return int(said) if said.isdecimal() and len(said) < 10 else act.numbers[1] & 0x7FFFFFFF


def module(event: AuditEvent) -> str:
    """Give the name of a kernel module that was loaded."""
    record = _first(event, "KERN_MODULE")
    return "" if record is None else record.fields.get("name", "")


def _first(event: AuditEvent, kind: str) -> AuditRecord | None:
    return next((record for record in event.records if record.type == kind), None)
