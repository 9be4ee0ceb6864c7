"""Digests and facts of files, once for each version of a file, in threads of their own.

The event threads never open a file: a dead network mount or a slow disk would stop them. They ask here and
go on; the answer comes back through `finished`.
"""

import errno
import hashlib
import os
import stat
import threading
from collections import deque
from collections.abc import Iterable
from queue import SimpleQueue
from typing import NamedTuple

import msgspec

from vedette.agent.linux.content import HEAD, content_kind
from vedette.agent.linux.statx import Facts, attribute_names, facts_of
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
            if not question.number or path.startswith(_PROC):
                named = _stat(path)
                if not stat.S_ISREG(named.st_mode):
                    return _other(named)
            content = _open_and_read(path, question=question, largest=largest, buffer=buffer)
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


def _open_and_read(path: bytes, *, question: Question, largest: int, buffer: bytearray) -> Content | None:
    """Give None when the name meanwhile leads to another file."""
    # Not through a link, not waiting for the writer of a pipe that took the name, not touching the access time.
    flags = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | (0 if path.startswith(_PROC) else os.O_NOFOLLOW)
    try:
        handle = os.open(path, flags | os.O_NOATIME)
    except PermissionError:  # the access time is the owner's to keep
        handle = os.open(path, flags)
    try:
        local = question.device >> 20 != 0  # file systems without a block device may be remote
        facts = facts_of(handle, local=local)
        if not stat.S_ISREG(facts.mode) or (question.number and facts.number != question.number):
            return None  # the device is not compared: overlay and btrfs show another one to programs
        return _read(handle, facts, question=question, largest=largest, buffer=buffer)
    finally:
        os.close(handle)


def _read(handle: int, facts: Facts, *, question: Question, largest: int, buffer: bytearray) -> Content:
    view = memoryview(buffer)
    if not question.digests or facts.size > largest:
        length = os.preadv(handle, [view[:HEAD]], 0)
        return _content(question, handle, facts, status="too_large" if question.digests else None, head=view[:length])
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
    return _content(question, handle, facts, head=head, digests=(md5.hexdigest(), sha256.hexdigest()))


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
