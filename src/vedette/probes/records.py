"""Raw records of the probes -> small structs. Pure; any bytes are accepted, nonsense gives None.

The layouts are those of `source/record.h`. Times are nanoseconds: since boot in headers, since 1970 in inodes.
"""

from struct import Struct
from typing import TypeAlias

import msgspec

EXEC, EXIT, FORK, CONNECT, ACCEPT, LISTEN, CREATE, CLOSE, MAP, ATTRIBUTES, PATH, DRIVER, ACCESS = range(1, 14)
DNS, LINE, MEMFD, PROGRAM, MODULE = range(14, 19)
"""`enum kind`."""
UNLINK, RENAME, SYMLINK, LINK, MKNOD, CHANGE = range(1, 7)
"""`enum operation` of a PATH record."""
INTERPRETED, SECURE, PATH_CUT, DIRECTORY_CUT, STRINGS_CUT, LAST, ANSWER = 1, 2, 4, 8, 16, 32, 64
"""`enum flag`."""
NO_ID = 0xFFFFFFFF
"""No audit login uid, no audit session."""

_HEADER = Struct("<HHIQQ2I5I3IQ")
_INODE = "4Q6I8x"
_EXEC = Struct("<HHIQQ2I5I3IQ" + _INODE + "2Q2I4I4H16s")
_EXIT = Struct("<HHIQQ2I5I3IQ" + "I4x")
_NET = Struct("<HHIQQ2I5I3IQ" + "4H16s16si4x")
_FILE = Struct("<HHIQQ2I5I3IQ" + _INODE + "I4x")
_PATH = Struct("<HHIQQ2I5I3IQ" + "5H2xI")
_ACCESS = Struct("<HHIQQ2I5I3IQ" + "Q2I")
_DNS = Struct("<HHIQQ2I5I3IQ" + "Q4H16s16s2I")
_TEXT = Struct("<HHIQQ2I5I3IQ" + "Q2I")
_kind_at = Struct("<H").unpack_from


class Acted(msgspec.Struct, gc=False):
    """Which process did it, when, as whom. `ids` = uid, gid, euid, egid, audit login uid.

    `start` is 0 where a source tells a PID and its process is gone.
    """

    kind: int
    flags: int
    time: int
    start: int
    pid: int
    ids: tuple[int, int, int, int, int]
    session: int
    mount_namespace: int
    parent: int
    parent_start: int


class Inode(msgspec.Struct, gc=False):
    """Facts of an inode. `device` in the kernel's encoding: major << 20 | minor."""

    number: int
    size: int
    modified: int
    changed: int
    device: int
    generation: int
    mode: int
    uid: int
    gid: int
    links: int


class Exec(Acted, gc=False):
    """A program was started in the process. `path` and `directory` are raw walks; see `walked_path`."""

    inode: Inode
    capabilities: int
    cgroup: int
    pid_namespace: int
    network_namespace: int
    path: bytes
    directory: bytes
    name: bytes
    tty: bytes
    args: list[bytes]
    env: bytes
    strings_length: int


class Exit(Acted, gc=False):
    """The last thread of a process ended; `status` as wait() gives it, None where the source does not tell."""

    status: int | None


class Fork(Acted, gc=False):
    """A process was made; it is the one that is named, its parent is `parent`."""


class Net(Acted, gc=False):
    """A connection was made or accepted, or a port listens; `result` 0 or -errno.

    Unknown to some sources: `protocol` 0, `local` empty.
    """

    family: int
    protocol: int
    local_port: int
    remote_port: int
    local: bytes
    remote: bytes
    result: int


class FileAct(Acted, gc=False):
    """Something was done with an open file; `path` is a raw walk."""

    inode: Inode
    path: bytes


class PathAct(Acted, gc=False):
    """Something was done by name: each name is relative to the raw walk before it."""

    operation: int
    base: bytes
    name: bytes
    new_base: bytes
    new_name: bytes
    argument: int


class Access(Acted, gc=False):
    """A process took hold of the process `target`; `target_start` 0 = not known; `mode`: 1 read, 2 attach."""

    target_start: int
    target: int
    mode: int


class Dns(Acted, gc=False):
    """A packet to or from a resolver; an answer names no process (`pid` 0).

    `data` is a message, or a part of a TCP stream that begins at byte `sequence`; `length` is what was sent, of which
    `data` may be the beginning.
    """

    cookie: int
    family: int
    protocol: int
    local_port: int
    remote_port: int
    local: bytes
    remote: bytes
    sequence: int
    length: int
    data: bytes


class Text(Acted, gc=False):
    """A line that was typed, or the name of what was loaded into the kernel; `number` and `sort` as `kind` has it."""

    number: int
    sort: int
    data: bytes


Record: TypeAlias = Exec | Exit | Fork | Net | FileAct | PathAct | Access | Dns | Text


def decode(data: bytes, offset: int, length: int) -> Record | None:
    """The record of `length` bytes at `offset`; None when it is not one of ours or contradicts itself."""
    if length < _HEADER.size or offset < 0 or offset + length > len(data):
        return None
    (kind,) = _kind_at(data, offset)
    decoder = _DECODERS.get(kind)
    if decoder is None or length < decoder[1]:
        return None
    return decoder[0](data, offset, offset + length)


def _file(data: bytes, offset: int, end: int) -> Record | None:
    (k, f, _, at, start, pid, _, u, g, eu, eg, lo, se, ns, pa, ps,
     no, si, mo, ch, de, ge, mode, uid, gid, li, n) = _FILE.unpack_from(data, offset)  # fmt: skip
    offset += _FILE.size
    if offset + n > end:
        return None
    inode = Inode(no, si, mo, ch, de, ge, mode, uid, gid, li)
    return FileAct(k, f, at, start, pid, (u, g, eu, eg, lo), se, ns, pa, ps, inode, data[offset : offset + n])


def _path(data: bytes, offset: int, end: int) -> Record | None:
    (k, f, _, at, start, pid, _, u, g, eu, eg, lo, se, ns, pa, ps,
     operation, base, name, new_base, new_name, argument) = _PATH.unpack_from(data, offset)  # fmt: skip
    a = offset + _PATH.size
    b = a + base
    c = b + name
    d = c + new_base
    e = d + new_name
    if e > end:
        return None
    return PathAct(
        k, f, at, start, pid, (u, g, eu, eg, lo), se, ns, pa, ps,
        operation, data[a:b], data[b:c].rstrip(b"\0"), data[c:d], data[d:e].rstrip(b"\0"), argument,
    )  # fmt: skip


def _net(data: bytes, offset: int, _end: int) -> Record | None:
    (k, f, _, at, start, pid, _, u, g, eu, eg, lo, se, ns, pa, ps,
     family, protocol, local_port, remote_port, local, remote, result) = _NET.unpack_from(data, offset)  # fmt: skip
    return Net(
        k, f, at, start, pid, (u, g, eu, eg, lo), se, ns, pa, ps,
        family, protocol, local_port, remote_port, local, remote, result,
    )  # fmt: skip


def _exit(data: bytes, offset: int, _end: int) -> Record | None:
    (k, f, _, at, start, pid, _, u, g, eu, eg, lo, se, ns, pa, ps, status) = _EXIT.unpack_from(data, offset)
    return Exit(k, f, at, start, pid, (u, g, eu, eg, lo), se, ns, pa, ps, status)


def _fork(data: bytes, offset: int, _end: int) -> Record | None:
    (k, f, _, at, start, pid, _, u, g, eu, eg, lo, se, ns, pa, ps) = _HEADER.unpack_from(data, offset)
    return Fork(k, f, at, start, pid, (u, g, eu, eg, lo), se, ns, pa, ps)


def _exec(data: bytes, offset: int, end: int) -> Record | None:
    (k, f, _, at, start, pid, _, u, g, eu, eg, lo, se, ns, pa, ps,
     no, si, mo, ch, de, ge, mode, uid, gid, li,
     capabilities, cgroup, pid_namespace, network_namespace, arguments, _, kept, total,
     path, directory, name, _, tty) = _EXEC.unpack_from(data, offset)  # fmt: skip
    a = offset + _EXEC.size
    b = a + path
    c = b + directory
    d = c + name
    if d + kept > end:
        return None
    # Arguments, each ended by NUL, then the environment in one; the last text may be cut.
    args = data[d : d + kept].split(b"\0", min(arguments, kept)) if kept else []
    env = args.pop() if len(args) > arguments else b""
    return Exec(
        k, f, at, start, pid, (u, g, eu, eg, lo), se, ns, pa, ps, Inode(no, si, mo, ch, de, ge, mode, uid, gid, li),
        capabilities, cgroup, pid_namespace, network_namespace,
        data[a:b], data[b:c], data[c:d].rstrip(b"\0"), tty.partition(b"\0")[0],
        args, env, total,
    )  # fmt: skip


def _access(data: bytes, offset: int, _end: int) -> Record | None:
    (k, f, _, at, start, pid, _, u, g, eu, eg, lo, se, ns, pa, ps, begun, target, mode) = _ACCESS.unpack_from(
        data, offset
    )
    return Access(k, f, at, start, pid, (u, g, eu, eg, lo), se, ns, pa, ps, begun, target, mode)


def _dns(data: bytes, offset: int, end: int) -> Record | None:
    (k, f, _, at, start, pid, _, u, g, eu, eg, lo, se, ns, pa, ps,
     cookie, family, protocol, local_port, remote_port, local, remote, sequence, length) = _DNS.unpack_from(data, offset)  # fmt: skip # noqa: E501
    return Dns(
        k, f, at, start, pid, (u, g, eu, eg, lo), se, ns, pa, ps,
        cookie, family, protocol, local_port, remote_port, local, remote, sequence, length,
        data[offset + _DNS.size : end],
    )  # fmt: skip


def _text(data: bytes, offset: int, end: int) -> Record | None:
    (k, f, _, at, start, pid, _, u, g, eu, eg, lo, se, ns, pa, ps, number, sort, length) = _TEXT.unpack_from(
        data, offset
    )
    offset += _TEXT.size
    if offset + length > end:
        return None
    content = data[offset : offset + length].partition(b"\0")[0]
    return Text(k, f, at, start, pid, (u, g, eu, eg, lo), se, ns, pa, ps, number, sort, content)


_DECODERS = {
    EXEC: (_exec, _EXEC.size),
    EXIT: (_exit, _EXIT.size),
    FORK: (_fork, _HEADER.size),
    CONNECT: (_net, _NET.size),
    ACCEPT: (_net, _NET.size),
    LISTEN: (_net, _NET.size),
    CREATE: (_file, _FILE.size),
    CLOSE: (_file, _FILE.size),
    MAP: (_file, _FILE.size),
    ATTRIBUTES: (_file, _FILE.size),
    PATH: (_path, _PATH.size),
    DRIVER: (_file, _FILE.size),
    ACCESS: (_access, _ACCESS.size),
    DNS: (_dns, _DNS.size),
    LINE: (_text, _TEXT.size),
    MEMFD: (_file, _FILE.size),
    PROGRAM: (_text, _TEXT.size),
    MODULE: (_text, _TEXT.size),
}


def text(raw: bytes) -> str:
    r"""Bytes of the kernel as text; what is not UTF-8 stays visible as `\xNN`."""
    return raw.decode("utf-8", "backslashreplace")


def walk_of(path: bytes) -> bytes:
    """Give an absolute path as a raw walk, as the probes write it."""
    return b"".join(name + b"\0" for name in reversed(path.split(b"/")[1:]) if name)


def walked_path(walk: bytes, *, cut: bool = False) -> bytes:
    """The path of a raw walk (names from leaf to root, each with its NUL); `cut`: its beginning is missing."""
    names = walk.split(b"\0")
    names[-1] = b"..." if cut else b""  # what is after the last NUL: nothing
    names.reverse()
    return b"/".join(names) or b"/"


def joined_path(base: bytes, name: bytes) -> bytes:
    """The path of `name` seen from the folder `base` (a raw walk), without `.`, `..` and doubled slashes.

    `..` is taken by name, as it reads; the kernel would follow symbolic links first.
    """
    parts = base.split(b"\0")
    parts.pop()
    parts.reverse()
    for part in name.split(b"/"):
        if part == b"..":
            if parts:
                parts.pop()
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/" + b"/".join(parts)
