"""Rules of the agent's own in the kernel's audit system: added at the start, removed at the end, marked with a key.

Rules of others are neither changed nor removed. linux/audit.h: struct audit_rule_data.
"""

import os
import platform
from collections.abc import Iterable, Iterator
from struct import Struct
from typing import Final, NamedTuple

from vedette.agent.linux.audit_netlink import audit_status, request
from vedette.runtime.errors import ProbeError

KEY: Final = "vedette-agent"
"""What our rules, and the records that come of them, are marked with."""
_ADD, _DELETE, _LIST = 1011, 1012, 1013
_EXIT_LIST, _TASK_LIST, _NEVER, _ALWAYS = 4, 1, 0, 2
_PID, _ARCH, _ARGUMENT, _KEY = 0, 11, 200, 210
_NOT_EQUAL, _EQUAL, _AT_LEAST, _AT_MOST = 0x30000000, 0x40000000, 0x60000000, 0x50000000
_RULE: Final = Struct("=3I 64I 64I 64I 64I I")
_SLOTS: Final = 64
_ATTACH, _SEIZE = 16, 0x4206
LOCKED: Final = 2
"""State of an audit system whose rules cannot be changed before the next boot."""


class Field(NamedTuple):
    """One condition of a rule."""

    number: int
    operation: int
    value: int


class Abi(NamedTuple):
    """How programs of one kind call this kernel: its number in records, and the numbers of its system calls."""

    arch: int
    calls: dict[str, int]
    ptrace: int
    socketcall: int | None = None
    """The one call through which old 32-bit x86 programs do all that sockets can do."""


_X86_64: Final = Abi(
    0xC000003E,
    {"execve": 59, "execveat": 322, "connect": 42, "bind": 49, "listen": 50, "init_module": 175, "finit_module": 313},
    ptrace=101,
)
_I386: Final = Abi(
    0x40000003,
    {
        "execve": 11, "execveat": 358, "connect": 362, "bind": 361, "listen": 363, "init_module": 128,
        "finit_module": 350,
    },
    ptrace=26,
    socketcall=102,
)  # fmt: skip
_AARCH64: Final = Abi(
    0xC00000B7,
    {
        "execve": 221, "execveat": 281, "connect": 203, "bind": 200, "listen": 201, "init_module": 105,
        "finit_module": 273,
    },
    ptrace=117,
)  # fmt: skip
_ARM: Final = Abi(
    0x40000028,
    {
        "execve": 11, "execveat": 387, "connect": 283, "bind": 282, "listen": 284, "init_module": 128,
        "finit_module": 379,
    },
    ptrace=26,
)  # fmt: skip
ABIS: Final = {"x86_64": (_X86_64, _I386), "aarch64": (_AARCH64, _ARM)}
"""Machine -> its two kinds of programs."""


def call_names(machine: str) -> dict[tuple[int, int], str]:
    """Give (arch, number) -> name of each call for which there is a rule."""
    names: dict[tuple[int, int], str] = {}
    for abi in ABIS[machine]:
        names |= {(abi.arch, number): name for name, number in abi.calls.items()}
        names[abi.arch, abi.ptrace] = "ptrace"
        if abi.socketcall is not None:
            names[abi.arch, abi.socketcall] = "socketcall"
    return names


def rules(machine: str, *, own: int) -> Iterator[bytes]:
    """Give the rules as the kernel takes them; `own`: the process that is not observed."""
    not_own = Field(_PID, _NOT_EQUAL, own)
    for abi in ABIS[machine]:
        yield rule(abi.arch, abi.calls.values(), not_own)
        for wanted in (_ATTACH, _SEIZE):
            yield rule(abi.arch, (abi.ptrace,), not_own, Field(_ARGUMENT, _EQUAL, wanted))
        if abi.socketcall is not None:  # 2 bind, 3 connect, 4 listen
            low, high = Field(_ARGUMENT, _AT_LEAST, 2), Field(_ARGUMENT, _AT_MOST, 4)
            yield rule(abi.arch, (abi.socketcall,), not_own, low, high)


def rule(arch: int, calls: Iterable[int], *conditions: Field) -> bytes:
    """Give one rule: record each of `calls` of programs of `arch` that meets the conditions, marked with our key."""
    mask = [0] * _SLOTS
    for number in calls:
        mask[number // 32] |= 1 << number % 32
    key = KEY.encode()
    fields = [Field(_ARCH, _EQUAL, arch), *conditions, Field(_KEY, _EQUAL, len(key))]
    empty = [0] * (_SLOTS - len(fields))
    numbers = [field.number for field in fields] + empty
    values = [field.value for field in fields] + empty
    operations = [field.operation for field in fields] + empty
    return _RULE.pack(_EXIT_LIST, _ALWAYS, len(fields), *mask, *numbers, *values, *operations, len(key)) + key


def is_ours(data: bytes) -> bool:
    """Say whether a rule that the kernel lists has our key, and no other one."""
    if len(data) < _RULE.size:
        return False
    _, _, count, *rest = _RULE.unpack_from(data)
    numbers, values, length = rest[_SLOTS : 2 * _SLOTS], rest[2 * _SLOTS : 3 * _SLOTS], rest[-1]
    keys = [value for number, value in zip(numbers[:count], values, strict=False) if number == _KEY]
    return keys == [len(KEY)] and data[_RULE.size : _RULE.size + length] == KEY.encode()


def switches_off(data: bytes) -> bool:
    """Say whether a rule takes all new processes out of system call auditing (`-a never,task`)."""
    if len(data) < _RULE.size:
        return False
    listed, action, count, *_ = _RULE.unpack_from(data)
    return (listed & 7, action, count) == (_TASK_LIST, _NEVER, 0)


class AuditRules:
    """Our rules, in force until `remove`. Raises ProbeError with the reason when they cannot be."""

    def __init__(self) -> None:
        machine = platform.machine()
        if machine not in ABIS:
            raise ProbeError(f"no audit rules are written for {machine}")
        _refuse_what_is()
        self._rules = list(rules(machine, own=os.getpid()))
        self._added: list[bytes] = []
        try:
            for one in listed():
                if is_ours(one):  # of an agent that was killed
                    request(_DELETE, one)
            for one in self._rules:
                request(_ADD, one)
                self._added.append(one)
        except OSError as error:
            self.remove()
            raise ProbeError(f"the kernel refuses audit rules: {error.strerror}") from error

    def remove(self) -> None:
        """Take them back."""
        added, self._added = self._added, []
        for one in added:
            try:
                request(_DELETE, one)
            except OSError:  # somebody deleted all rules (auditctl -D), or locked them meanwhile
                continue

    def missing(self) -> int:
        """Give how many of them others have deleted meanwhile. Raises OSError."""
        return max(0, len(self._rules) - sum(map(is_ours, listed())))


def _refuse_what_is() -> None:
    """Raise ProbeError when the audit system of this host is not to be used."""
    state = audit_status()
    if state is None:
        raise ProbeError("the kernel's audit system does not answer: it is built without, or this is a container")
    if state.enabled == 0:
        raise ProbeError("auditing is switched off in the kernel; `auditctl -e 1` switches it on")
    if state.enabled == LOCKED:
        raise ProbeError("the audit rules of this host are locked (`-e 2`) until the next boot")
    try:
        if any(map(switches_off, listed())):
            raise ProbeError("a rule of this host (`-a never,task`) takes all programs out of auditing")
    except OSError as error:
        raise ProbeError(f"the audit rules of this host cannot be read: {error.strerror}") from error


def listed() -> list[bytes]:
    """Give all rules of the kernel. Raises OSError."""
    return request(_LIST)
