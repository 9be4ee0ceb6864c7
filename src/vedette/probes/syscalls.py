"""Which tracepoint each program is attached to, and which arguments of a system call name the paths."""

from typing import NamedTuple


class Call(NamedTuple):
    """One system call. Numbers are those of x86-64 and arm64; None where that machine lacks the call."""

    x86_64: int | None
    aarch64: int | None


class Rule(NamedTuple):
    """`struct rule` of the probes: positions of the arguments (1 = first, 0 = none) and what the call does."""

    operation: int
    directory: int = 0
    name: int = 1
    new_directory: int = 0
    new_name: int = 0
    flags: int = 0


UNLINK, RENAME, SYMLINK, LINK, MKNOD, CHANGE = range(1, 7)
"""`enum operation` of the probes."""

PATH_CALLS: dict[str, tuple[Call, Rule]] = {
    "unlink": (Call(87, None), Rule(UNLINK)),
    "unlinkat": (Call(263, 35), Rule(UNLINK, 1, 2, flags=3)),
    "rename": (Call(82, None), Rule(RENAME, 0, 1, 0, 2)),
    "renameat": (Call(264, 38), Rule(RENAME, 1, 2, 3, 4)),
    "renameat2": (Call(316, 276), Rule(RENAME, 1, 2, 3, 4, flags=5)),
    "symlink": (Call(88, None), Rule(SYMLINK, 0, 1, 0, 2)),
    "symlinkat": (Call(266, 36), Rule(SYMLINK, 0, 1, 2, 3)),
    "link": (Call(86, None), Rule(LINK, 0, 1, 0, 2)),
    "linkat": (Call(265, 37), Rule(LINK, 1, 2, 3, 4, flags=5)),
    "mknod": (Call(133, None), Rule(MKNOD, flags=2)),
    "mknodat": (Call(259, 33), Rule(MKNOD, 1, 2, flags=3)),
    "chmod": (Call(90, None), Rule(CHANGE)),
    "fchmodat": (Call(268, 53), Rule(CHANGE, 1, 2)),
    "fchmodat2": (Call(452, 452), Rule(CHANGE, 1, 2)),
    "chown": (Call(92, None), Rule(CHANGE)),
    "lchown": (Call(94, None), Rule(CHANGE)),
    "fchownat": (Call(260, 54), Rule(CHANGE, 1, 2)),
    "setxattr": (Call(188, 5), Rule(CHANGE)),
}

TRACEPOINTS: dict[str, tuple[str, ...]] = {
    "file_opened": ("sys_exit_open", "sys_exit_openat", "sys_exit_openat2", "sys_exit_creat"),
    "file_closed": ("sys_enter_close",),
    "file_replaced": ("sys_enter_dup2", "sys_enter_dup3"),
    "file_mapped": ("sys_exit_mmap",),
    "file_changed": ("sys_exit_fchmod", "sys_exit_fchown"),
    "path_changed": tuple(f"sys_exit_{name}" for name in PATH_CALLS),
    "socket_connected": ("sys_exit_connect",),
    "socket_accepted": ("sys_exit_accept", "sys_exit_accept4"),
    "socket_bound": ("sys_exit_bind",),
    "memory_file_made": ("sys_exit_memfd_create",),
    "module_loaded": ("sys_exit_finit_module",),
    "program_loaded": ("sys_exit_bpf",),
    "process_traced": ("sys_exit_ptrace",),
}
"""Program -> tracepoints of category `syscalls`. Programs not named here attach by their own section."""

RULE_SLOTS = 512
RULE_BYTES = 8


def rule_table(machine: str) -> bytes:
    """The `rules` array of the probes for `machine` (`x86_64` or `aarch64`), indexed by system call number."""
    table = bytearray(RULE_SLOTS * RULE_BYTES)
    for call, rule in PATH_CALLS.values():
        number = call.aarch64 if machine == "aarch64" else call.x86_64
        if number is not None:
            table[number * RULE_BYTES : number * RULE_BYTES + len(rule)] = bytes(rule)
    return bytes(table)
