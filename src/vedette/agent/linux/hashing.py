"""Digests and facts of files, once for each version of a file, in threads of their own.

The event threads never open a file: a dead network mount or a slow disk would stop them. They ask here and
go on; the answer comes back through `finished`.
"""

import ctypes
import hashlib
import os
import stat
import struct
import threading
from collections import deque
from collections.abc import Iterable
from queue import SimpleQueue
from typing import NamedTuple

import msgspec

from vedette.agent.linux.content import HEAD, content_kind
from vedette.probes.records import Inode

BLOCK = 1 << 18
KEPT = 16_384
"""Versions of files whose facts are remembered."""


class Version(NamedTuple):
    """One state of one file: its time of change cannot be set by programs. `device` as the kernel writes it."""

    device: int
    number: int
    changed: int
    size: int


def version_of(inode: Inode) -> Version:
    """Give the version that a record of the kernel speaks of."""
    return Version(inode.device, inode.number, inode.changed, inode.size)


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


class Question(NamedTuple):
    """A file to look at: the names under which it may be found, and the inode it must be (0 = any)."""

    ticket: int
    paths: tuple[bytes, ...]
    device: int
    number: int
    digests: bool


class Hasher:
    """Answers questions about files in `threads` threads. At most `waiting` questions wait; more are refused."""

    def __init__(self, *, largest: int, threads: int = 1, waiting: int = 8192) -> None:
        self._largest, self._limit = largest, waiting
        self._questions: SimpleQueue[list[Question] | None] = SimpleQueue()
        self._answers: deque[tuple[int, Content]] = deque()
        self._known: dict[Version, Content] = {}
        self._asked = self._answered = 0
        self._cancelled: set[int] = set()
        self._threads = [threading.Thread(target=self._work, name=f"hash-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    def known(self, version: Version) -> Content | None:
        """Give what is known of this version of a file."""
        return self._known.get(version)

    def remember(self, version: Version, content: Content) -> None:
        """Keep an answer for the next event about the same version."""
        if len(self._known) >= KEPT:
            for old in list(self._known)[: KEPT // 8]:
                del self._known[old]
        self._known[version] = content

    def waiting(self) -> int:
        """Questions without an answer."""
        return self._asked - self._answered

    def ask(self, questions: list[Question]) -> list[Question]:
        """Take questions; give back those for which there is no room."""
        room = max(0, self._limit - self.waiting())
        taken, refused = questions[:room], questions[room:]
        if taken:
            self._asked += len(taken)
            self._questions.put(taken)
        return refused

    def finished(self) -> Iterable[tuple[int, Content]]:
        """Take the answers that have come: (ticket, content)."""
        while self._answers:
            yield self._answers.popleft()

    def stop(self) -> None:
        """End the threads after what they do now."""
        for _ in self._threads:
            self._questions.put(None)

    def _work(self) -> None:
        buffer = bytearray(BLOCK)
        while (questions := self._questions.get()) is not None:
            for question in questions:
                self._answers.append((question.ticket, examine(question, largest=self._largest, buffer=buffer)))
                self._answered += 1  # only roughly right with several threads; it bounds, nothing more


def examine(question: Question, *, largest: int, buffer: bytearray) -> Content:
    """Look at a file. Never raises; what went wrong is in `status`."""
    problem = "deleted"
    for path in question.paths:
        try:
            named = _stat(path)
            if not stat.S_ISREG(named.st_mode):
                return _facts(named, status="not_regular")
            if not _is_same(question, named):
                problem = "replaced"
                continue
            content = _open_and_read(path, question=question, largest=largest, buffer=buffer)
        except FileNotFoundError:
            continue
        except OSError:
            problem = "unreadable"
            continue
        if content is not None:
            return content
        problem = "replaced"
    return Content(status=problem)


_PROC = b"/proc/"
"""Links below it lead to the file itself, whatever its name is now, and are followed."""


def _stat(path: bytes) -> os.stat_result:
    # Names are bytes, for which pathlib has nothing.
    return os.stat(path) if path.startswith(_PROC) else os.lstat(path)  # noqa: PTH116


def _open_and_read(path: bytes, *, question: Question, largest: int, buffer: bytearray) -> Content | None:
    """Give None when the name meanwhile leads to another file."""
    # Not through a link, not waiting for the writer of a pipe that took the name, not touching the access time.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if path.startswith(_PROC) else os.O_NOFOLLOW)
    try:
        handle = os.open(path, flags | os.O_NOATIME)
    except PermissionError:  # the access time is the owner's to keep
        handle = os.open(path, flags)
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or not _is_same(question, found):
            return None
        return _read(handle, found, question=question, largest=largest, buffer=buffer)
    finally:
        os.close(handle)


def _is_same(question: Question, found: os.stat_result) -> bool:
    if not question.number:
        return True
    # The device may differ on overlay and btrfs, whose files have another device in stat().
    return found.st_ino == question.number


def _read(handle: int, found: os.stat_result, *, question: Question, largest: int, buffer: bytearray) -> Content:
    view = memoryview(buffer)
    if not question.digests or found.st_size > largest:
        length = os.preadv(handle, [view[:HEAD]], 0)
        status = "too_large" if question.digests else None
        return _facts(found, status=status, handle=handle, head=bytes(view[:length]))
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    head, total = b"", 0
    while length := os.readv(handle, [view]):
        if not total:
            head = bytes(view[: min(length, HEAD)])
        total += length
        if total > largest:
            return _facts(found, status="too_large", handle=handle, head=head)
        md5.update(view[:length])
        sha256.update(view[:length])
    found = os.fstat(handle)
    status = None if total == found.st_size else "changed"
    return _facts(found, status=status, handle=handle, head=head, digests=(md5.hexdigest(), sha256.hexdigest()))


def _facts(
    found: os.stat_result,
    *,
    status: str | None,
    handle: int | None = None,
    head: bytes | None = None,
    digests: tuple[str, str] | None = None,
) -> Content:
    md5, sha256 = digests if digests and status is None else (None, None)
    return Content(
        md5=md5,
        sha256=sha256,
        status=status,
        size=found.st_size,
        created=found.st_ctime_ns // 1000 if handle is None else _birth(handle, found),
        modified=found.st_mtime_ns // 1000,
        mode=found.st_mode,
        uid=found.st_uid,
        gid=found.st_gid,
        kind=None if head is None else content_kind(head),
        extra_rights="" if handle is None else _extra_rights(handle),
    )


_EXTRA_RIGHTS = {"security.capability": "capabilities", "system.posix_acl_access": "inherited_acl"}


def _extra_rights(handle: int) -> str:
    try:
        names = os.listxattr(handle)
    except OSError:
        return ""
    return ",".join(_EXTRA_RIGHTS[name] for name in sorted(names) if name in _EXTRA_RIGHTS)


_libc = ctypes.CDLL(None, use_errno=True)
_AT_EMPTY_PATH, _STATX_BTIME = 0x1000, 0x800
_birth_at = struct.Struct("<qI").unpack_from


def _birth(handle: int, found: os.stat_result) -> int:
    """Time of birth in microseconds UTC, by statx; the time of change where the file system keeps none."""
    answer = ctypes.create_string_buffer(256)
    failed = _libc.statx(handle, b"", _AT_EMPTY_PATH, _STATX_BTIME, answer)
    if failed or not int.from_bytes(answer.raw[:4], "little") & _STATX_BTIME:
        return found.st_ctime_ns // 1000
    seconds, nanoseconds = _birth_at(answer, 80)
    # Images made by mkfs or an installer may hold no birth times: 0 is not one.
    return int(seconds) * 1_000_000 + int(nanoseconds) // 1000 or found.st_ctime_ns // 1000
