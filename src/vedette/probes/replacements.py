"""Which programs take the place of what: those on control groups in both modes, and those of LSM mode.

A group counts as a whole: when the kernel refuses one of its programs, what it would replace stays.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from vedette.probes.syscalls import TRACEPOINTS


class Replacement(NamedTuple):
    """`programs` see what the programs or tracepoints `instead_of` see, and more."""

    programs: tuple[str, ...]
    instead_of: tuple[str, ...]


ON_CONTROL_GROUPS = (Replacement(("datagram4_bound", "datagram6_bound"), ("sys_exit_bind",)),)
OF_LSM_MODE = (
    Replacement(("exec_committed",), ("process_exec",)),
    Replacement(("access_asked",), ("process_traced",)),
    Replacement(("open_asked",), ("file_opened",)),
    Replacement(
        ("file_released",), ("file_closed", "file_replaced", "files_left", "request_taken", "request_taken_earlier")
    ),
    Replacement(("mapping_asked",), ("file_mapped",)),
    Replacement(("unlink_asked", "unlink_done", "rmdir_asked", "rmdir_done"), ("sys_exit_unlink", "sys_exit_unlinkat")),
    Replacement(("rename_asked", "rename_done"), ("sys_exit_rename", "sys_exit_renameat", "sys_exit_renameat2")),
    Replacement(("link_asked", "link_done"), ("sys_exit_link", "sys_exit_linkat")),
    Replacement(("symlink_asked", "symlink_done"), ("sys_exit_symlink", "sys_exit_symlinkat")),
    Replacement(("mknod_asked", "mknod_done"), ("sys_exit_mknod", "sys_exit_mknodat")),
    Replacement(("stream_connected", "datagram_connected"), ("socket_connected",)),
    Replacement(("connection_accepted",), ("socket_accepted",)),
)
REPLACEMENTS = (*ON_CONTROL_GROUPS, *OF_LSM_MODE)
ADDED = frozenset(name for replacement in REPLACEMENTS for name in replacement.programs)
"""The programs that replace others."""
LSM_PROGRAMS = frozenset(name for replacement in OF_LSM_MODE for name in replacement.programs)
"""The programs of LSM mode."""
SMALLEST = "open_asked"
"""The program that is tried first: a kernel that refuses it refuses trampolines."""


class Selection(NamedTuple):
    """What is to be loaded, and which tracepoints and programs are not needed beside it."""

    programs: frozenset[str]
    replaced: frozenset[str]


def select(programs: Iterable[str], refused: Mapping[str, str]) -> Selection:
    """Choose among the `programs` of an object, given what the kernel has `refused` so far."""
    usable = frozenset(programs).difference(refused)
    taken = [replacement for replacement in REPLACEMENTS if usable.issuperset(replacement.programs)]
    replaced = frozenset(name for replacement in taken for name in replacement.instead_of)
    wanted = {name for name in usable - ADDED - replaced if not _is_idle(name, replaced)}
    wanted.update(name for replacement in taken for name in replacement.programs)
    return Selection(frozenset(wanted), replaced)


def _is_idle(name: str, replaced: frozenset[str]) -> bool:
    """Whether each tracepoint of a program is replaced."""
    return name in TRACEPOINTS and replaced.issuperset(TRACEPOINTS[name])
