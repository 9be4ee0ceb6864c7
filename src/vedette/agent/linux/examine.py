"""Looks at one file: digests, facts, kind of content. Runs in the hashing threads, never raises."""

import errno
import hashlib
import os
import stat
from collections.abc import Callable
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from vedette.agent.linux.content import HEAD, content_kind
from vedette.agent.linux.inside import open_inside
from vedette.agent.linux.statx import Facts, attribute_names, facts_of

BLOCK = 1 << 18
BEGINNING = 8192
"""Bytes of a script that are told."""


class Content(msgspec.Struct, frozen=True, gc=False):
    """What was found in a file. Times in microseconds UTC; `status` says why there is no digest."""

    md5: str | None = None
    sha256: str | None = None
    status: str | None = None
    size: int | None = None
    created: int | None = None
    modified: int | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    kind: str | None = None
    extra_rights: str = ""
    """Rights that come from extended attributes: `capabilities`, `inherited_acl`."""
    beginning: str | None = None
    """Of a script: its first bytes as text."""


class Question(NamedTuple):
    """A file to look at: the names under which it may be found, and the inode it must be (0 = any).

    `program`: a process or module waits for it; such a question is not held up by files, nor by their budget.
    `script`: (user id, group id) of whom an interpreter reads it for: links are followed, and the beginning of its text
    is given if they may read it. Else anybody could have any file of the host told by calling it a script.
    """

    ticket: int
    paths: tuple[bytes, ...]
    device: int
    number: int
    digests: bool
    program: bool = False
    script: tuple[int, int] | None = None


Allow = Callable[[int], bool]
"""Says whether so many bytes may be read now."""


def examine(question: Question, *, largest: int, buffer: bytearray, allow: Allow) -> Content:
    """Look at a file. Never raises; what went wrong is in `status`."""
    problem = "deleted"
    for path in question.paths:
        try:
            if question.script is None and (not question.number or path.startswith(_PROC)):
                named = _stat(path)
                if not stat.S_ISREG(named.st_mode):
                    return _other(named)
            content = _open_and_read(path, question=question, largest=largest, buffer=buffer, allow=allow)
        except FileNotFoundError:
            continue
        except OSError as error:
            problem = "replaced" if error.errno in _NOT_THAT_FILE else "unreadable"
            continue
        if content is not None:
            return content
        problem = "replaced"
    return Content(status=problem)


_PROC = b"/proc/"
"""Links below it lead to the file itself, whatever its name is now, and are followed."""
_NOT_THAT_FILE = (errno.ELOOP, errno.ENXIO, errno.EISDIR)


def _stat(path: bytes) -> os.stat_result:
    # Names are bytes, for which pathlib has nothing.
    return os.stat(path) if path.startswith(_PROC) else os.lstat(path)  # noqa: PTH116


def _other(found: os.stat_result) -> Content:
    """Facts of what is no regular file: it is not opened, for that can have effects."""
    return Content(
        status="not_regular",
        size=found.st_size,
        created=found.st_ctime_ns // 1000,
        modified=found.st_mtime_ns // 1000,
        mode=found.st_mode,
        uid=found.st_uid,
        gid=found.st_gid,
    )


def _open_and_read(path: bytes, *, question: Question, largest: int, buffer: bytearray, allow: Allow) -> Content | None:
    """Give None when the name meanwhile leads to another file."""
    # Not through a link, not waiting for the writer of a pipe that took the name, not touching the access time.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if path.startswith(_PROC) else os.O_NOFOLLOW)
    opened = os.open if question.script is None else open_inside
    try:
        handle = opened(path, flags | os.O_NOATIME)
    except PermissionError:  # the access time is the owner's to keep
        handle = opened(path, flags)
    try:
        local = question.device >> 20 != 0  # file systems without a block device may be remote
        facts = facts_of(handle, local=local)
        if not stat.S_ISREG(facts.mode) or (question.number and facts.number != question.number):
            return None  # the device is not compared: overlay and btrfs show another one to programs
        return _read(handle, facts, question=question, largest=largest, buffer=buffer, allow=allow)
    finally:
        os.close(handle)


def _read(handle: int, facts: Facts, *, question: Question, largest: int, buffer: bytearray, allow: Allow) -> Content:
    view = memoryview(buffer)
    refusal = None
    if question.digests:
        refusal = "too_large" if facts.size > largest else None if allow(facts.size) else "budget"
    if refusal or not question.digests:
        length = os.preadv(handle, [view[:HEAD]], 0)
        return _content(question, handle, facts, status=refusal, head=view[:length])
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    head, total = b"", 0
    while length := os.readv(handle, [view]):
        part = view[:length]
        head = head or bytes(part[:HEAD])
        total += length
        if total > largest:
            return _content(question, handle, facts, status="too_large", head=head)
        md5.update(part)
        sha256.update(part)
        if total >= facts.size and length < BLOCK:
            break  # a short read of a regular file is its end
    if total != facts.size:
        return _content(question, handle, facts, status="changed", head=head)
    found = _content(question, handle, facts, head=head, digests=(md5.hexdigest(), sha256.hexdigest()))
    if question.script is None or not may_read(facts, *question.script) or "text" not in (found.kind or ""):
        return found
    length = os.preadv(handle, [view[:BEGINNING]], 0)
    return replace(found, beginning=str(view[:length], "utf-8", "backslashreplace"))


def may_read(facts: Facts, user: int, group: int) -> bool:
    """Say whether the mode of a file lets them read it; further groups and access lists are left out."""
    if user == 0 or facts.mode & stat.S_IROTH:
        return True
    if facts.uid == user:
        return bool(facts.mode & stat.S_IRUSR)
    return facts.gid == group and bool(facts.mode & stat.S_IRGRP)


def _content(
    question: Question,
    handle: int,
    facts: Facts,
    *,
    head: bytes | memoryview,
    status: str | None = None,
    digests: tuple[str | None, str | None] = (None, None),
) -> Content:
    extra = attribute_names(handle, local=question.device >> 20 != 0)
    return Content(
        md5=digests[0],
        sha256=digests[1],
        status=status,
        size=facts.size,
        # Images made by mkfs or an installer may hold no birth times.
        created=(facts.born or facts.changed) // 1000,
        modified=facts.modified // 1000,
        mode=facts.mode,
        uid=facts.uid,
        gid=facts.gid,
        kind=content_kind(bytes(head)),
        extra_rights=_extra_rights(extra) if extra else "",
    )


_EXTRA_RIGHTS = {b"security.capability": "capabilities", b"system.posix_acl_access": "inherited_acl"}


def _extra_rights(names: bytes) -> str:
    return ",".join(_EXTRA_RIGHTS[name] for name in sorted(names.split(b"\0")) if name in _EXTRA_RIGHTS)
