"""What /proc tells of processes that started before the agent, or whose start was lost. Values in, values out."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from vedette.agent.linux.kernel_time import TICK
from vedette.probes.records import NO_ID, Inode

PROC = Path("/proc")
STRINGS = 16_384
"""Bytes of arguments and of environment that are kept, as the probes do."""
_KERNEL_THREAD = 0x00200000  # PF_KTHREAD
_ENDED = (b"Z", b"X", b"x")


class Found(msgspec.Struct):
    """A running process. `start` in nanoseconds since boot, cut to ticks; paths as bytes, "" when unknown.

    `args` and `env` are None when they were gone before they could be read, `capabilities` when nothing tells them.
    """

    pid: int
    parent: int
    start: int
    kernel_thread: bool = False
    name: bytes = b""
    ended: bool = False
    """It waits for its parent to ask: its memory, and what was in it, is gone."""
    path: bytes = b""
    inode: Inode | None = None
    directory: bytes = b""
    args: tuple[bytes, ...] | None = ()
    env: bytes | None = b""
    cut: bool = False
    interpreted: bool = False
    tty: bytes = b""
    ids: tuple[int, int, int, int, int] = (0, 0, 0, 0, NO_ID)
    session: int = NO_ID
    capabilities: int | None = 0
    mount_namespace: int = 0
    pid_namespace: int = 0
    network_namespace: int = 0


def running(proc: Path = PROC) -> Iterator[Found]:
    """Every process of the host, oldest first, so that parents come before their children."""
    found = [process for entry in proc.iterdir() if entry.name.isdigit() and (process := look(int(entry.name), proc))]
    return iter(sorted(found, key=lambda process: (process.start, process.pid)))


def look(pid: int, proc: Path = PROC) -> Found | None:
    """One process; None when it is gone."""
    folder = proc / str(pid)
    try:
        found = parse_stat(read(folder / "stat"))
        if found is None:
            return None
        _add_status(found, read(folder / "status"))
        found.session = _number(folder / "sessionid")
        if not found.kernel_thread:
            _add_image(found, folder)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return None
    return found


def parse_stat(line: bytes) -> Found | None:
    """Read /proc/PID/stat; the name in it may hold spaces and brackets."""
    head, _, tail = line.rpartition(b")")
    pid, _, name = head.partition(b" (")
    fields = tail.split()
    try:
        return Found(
            pid=int(pid),
            parent=int(fields[1]),
            start=int(fields[19]) * TICK,
            kernel_thread=bool(int(fields[6]) & _KERNEL_THREAD),
            name=name,
            ended=fields[0] in _ENDED,
        )
    except (IndexError, ValueError):
        return None


def _add_status(found: Found, status: bytes) -> None:
    lines = dict(line.split(b":", 1) for line in status.splitlines() if b":" in line)
    uids = lines.get(b"Uid", b"0 0").split()
    gids = lines.get(b"Gid", b"0 0").split()
    login = _number(PROC / str(found.pid) / "loginuid")
    found.ids = (int(uids[0]), int(gids[0]), int(uids[1]), int(gids[1]), login)
    found.capabilities = int(lines.get(b"CapEff", b"0"), 16)


def _add_image(found: Found, folder: Path) -> None:
    if found.ended:
        found.args = found.env = None
        return
    args, environment = read(folder / "cmdline", STRINGS + 1), read(folder / "environ", STRINGS + 1)
    found.cut = len(args) > STRINGS or len(environment) > STRINGS
    found.args = tuple(args[:STRINGS].removesuffix(b"\0").split(b"\0")) if args else ()
    found.env = environment[:STRINGS]
    with contextlib.suppress(OSError):
        found.directory = os.fsencode((folder / "cwd").readlink())
    with contextlib.suppress(OSError):
        found.mount_namespace, found.pid_namespace, found.network_namespace = (
            (folder / "ns" / name).stat().st_ino for name in ("mnt", "pid", "net")
        )
    with contextlib.suppress(OSError):
        link = folder / "exe"
        found.path = os.fsencode(link.readlink()).removesuffix(b" (deleted)")
        found.inode = inode_of(link.stat())


def inode_of(at: os.stat_result) -> Inode:
    """Give the facts of a file as the probes tell them."""
    return Inode(
        at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns,
        os.major(at.st_dev) << 20 | os.minor(at.st_dev), 0, at.st_mode, at.st_uid, at.st_gid, at.st_nlink,
    )  # fmt: skip


def read(path: Path, most: int = 65_536) -> bytes:
    """Give the beginning of a file. Raises OSError."""
    with path.open("rb") as file:
        return file.read(most)


def _number(path: Path) -> int:
    try:
        return int(read(path))
    except (OSError, ValueError):
        return NO_ID
