"""Files by fanotify -> the records that the probes would have written.

An event is told one round after it was read: by then the start of its process was read too. It has no time of its own,
and gets that of the reading.
"""

import os
import stat
import time
from collections.abc import Iterator
from typing import Final, NamedTuple

from vedette.agent.linux import fanotify
from vedette.agent.linux.fanotify import Group, Notice
from vedette.agent.linux.inventory import inode_of
from vedette.agent.linux.sources.actors import Actors, Header
from vedette.agent.linux.sources.decoder import Decoder
from vedette.agent.linux.watched import Watched
from vedette.probes.records import (
    CHANGE,
    CLOSE,
    CREATE,
    LAST,
    MKNOD,
    PATH,
    RENAME,
    UNLINK,
    FileAct,
    Inode,
    PathAct,
    Record,
    walk_of,
)
from vedette.runtime.errors import ProbeError

_MASK: Final = (
    fanotify.CREATE | fanotify.DELETE | fanotify.CLOSE_WRITE | fanotify.ATTRIB | fanotify.OPEN_EXEC | fanotify.ON_FOLDER
)
MOST: Final = 16_384
"""Files being made, and programs being opened, that are remembered."""
READS: Final = 64
"""Reads of one round: 8 MiB of events."""
_REMOVE_FOLDER: Final = 0x200


Program = tuple[bytes, Inode | None]
Programs = dict[int, list[Program]]
"""PID -> what it opened to be executed and nobody asked for yet, oldest first."""


class Seen(NamedTuple):
    """An event with what was found when it was read. `path` None: its folder was gone."""

    time: int
    notice: Notice
    path: bytes | None
    new: bytes | None
    inode: Inode | None


class FilesFeed:
    """Reads fanotify; files that are opened to be executed go into `programs`.

    Raises ProbeError when no file system can be watched.
    """

    def __init__(self, decoder: Decoder, programs: Programs) -> None:
        self._decoder, self._actors, self.urgent = decoder, Actors(decoder), False
        self._group = Group()
        renames = fanotify.RENAME if self._group.targets else fanotify.MOVED_FROM | fanotify.MOVED_TO
        self._watched = Watched(self._group, _MASK | renames)
        self.handle: int | None = self._group.fileno()
        if not self._watched:
            self.close()
            reasons = "; ".join(f"{what}: {why}" for what, why in self._watched.refused.items())
            raise ProbeError(f"no file system can be watched: {reasons or 'there is none'}")
        self._fresh: list[Seen] = []
        self._due: list[Seen] = []
        self._made: dict[bytes, Inode] = {}
        self._moved: dict[int, bytes] = {}
        self._programs = programs
        self.overflows = self.unresolved = 0

    # ---------------------------------------------------------------------------------------- reading

    def read(self) -> None:
        """Take events, and look at their files while they are there."""
        self._due, self._fresh = self._fresh, []
        own = os.getpid()
        with self._watched.round():
            self._watched.follow()
            for _ in range(READS):
                data = self._group.read()
                if not data:
                    break
                at = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
                for notice in fanotify.parse(data):
                    if notice.mask & fanotify.OVERFLOW:
                        self.overflows += 1
                    elif notice.pid != own and notice.entry is not None:
                        self._see(notice, at)

    def _see(self, notice: Notice, at: int) -> None:
        watched, entry, new = self._watched, notice.entry, notice.new
        path = None if entry is None else watched.path(entry)
        if path is None:
            self.unresolved += 1
            return
        renamed = None if new is None else watched.path(new)
        if notice.mask & fanotify.ON_FOLDER:
            self._follow_folder(notice, path)
        inode = self._facts(notice, renamed or path)
        if notice.mask & fanotify.OPEN_EXEC:
            self._note_program(notice.pid, path, inode)
            if notice.mask == fanotify.OPEN_EXEC:
                return
        self._fresh.append(Seen(at, notice, path, renamed, inode))

    def _follow_folder(self, notice: Notice, path: bytes) -> None:
        if notice.mask & (fanotify.RENAME | fanotify.MOVED_FROM | fanotify.MOVED_TO):
            self._watched.forget()
        elif notice.mask & fanotify.CREATE and notice.target:
            self._watched.learn(notice.target, path)  # it may be gone when something in it is told

    def _facts(self, notice: Notice, path: bytes) -> Inode | None:
        """Give the facts of the file itself, whatever its name is now; None when it is gone."""
        try:
            if not notice.target:
                return inode_of(os.lstat(path))
            handle = self._watched.open(notice.target)
            try:
                return inode_of(os.fstat(handle))
            finally:
                os.close(handle)
        except OSError:
            return None

    def _note_program(self, pid: int, path: bytes, inode: Inode | None) -> None:
        if len(self._programs) >= MOST:
            for old in list(self._programs)[: MOST // 8]:
                del self._programs[old]
        opened = self._programs.setdefault(pid, [])
        if len(opened) < 8:
            opened.append((path, inode))

    # ---------------------------------------------------------------------------------------- telling

    def tell(self) -> None:
        """Translate what was read in the round before."""
        due, self._due = self._due, []
        for seen in due:
            actor = self._actors.of(seen.notice.pid, seen.time)
            for record in self._records(seen, self._actors.header(PATH, actor, seen.time)):
                self._decoder.take(record)

    def _records(self, seen: Seen, header: Header) -> Iterator[Record]:
        mask, path, inode = seen.notice.mask, seen.path or b"", seen.inode
        is_folder = bool(mask & fanotify.ON_FOLDER)
        gone = inode is None or inode.links == 0
        if mask & fanotify.DELETE and mask & fanotify.CREATE and not gone:
            yield from self._deleted(path, header, is_folder=is_folder)  # one name, used again: told as one event
            mask &= ~fanotify.DELETE
        if mask & fanotify.CREATE and not is_folder:
            yield self._created(path, header, inode)
        if mask & fanotify.CLOSE_WRITE:
            yield from self._closed(path, header, inode)
        if mask & fanotify.ATTRIB and path not in self._made and not gone:
            yield _by_name(header, CHANGE, path)
        if mask & (fanotify.RENAME | fanotify.MOVED_FROM | fanotify.MOVED_TO):
            yield from self._renamed(seen, header)
        if mask & fanotify.DELETE:
            yield from self._deleted(path, header, is_folder=is_folder)

    def _created(self, path: bytes, header: Header, inode: Inode | None) -> Record:
        if inode is None or not stat.S_ISREG(inode.mode) or inode.links > 1:
            return _by_name(header, MKNOD, path)
        if len(self._made) >= MOST:
            for old in list(self._made)[: MOST // 8]:
                del self._made[old]
        self._made[path] = inode
        return _by_handle(header, CREATE, inode, path)

    def _closed(self, path: bytes, header: Header, inode: Inode | None) -> Iterator[Record]:
        made = self._made.pop(path, None)
        if inode is None and made is not None:
            inode = _unlinked(made)
        if inode is not None:
            yield _by_handle(header, CLOSE, inode, path, flags=LAST)

    def _renamed(self, seen: Seen, header: Header) -> Iterator[Record]:
        before, after = seen.path, seen.new
        if seen.notice.mask & fanotify.MOVED_FROM and before is not None:  # Linux before 5.17 tells the two names apart
            self._moved = {seen.notice.pid: before}
            return
        if seen.notice.mask & fanotify.MOVED_TO:
            before, after = self._moved.pop(seen.notice.pid, None), seen.path
        if after is None:
            return
        if before is None:  # from a file system that is not watched
            yield _by_name(header, MKNOD, after)
            return
        if before in self._made:
            self._made[after] = self._made.pop(before)
        yield _by_name(header, RENAME, before, after)

    def _deleted(self, path: bytes, header: Header, *, is_folder: bool) -> Iterator[Record]:
        made = self._made.pop(path, None)
        if made is not None:  # never closed, or closed when it was gone
            yield _by_handle(header, CLOSE, _unlinked(made), path, flags=LAST)
        yield _by_name(header, UNLINK, path, argument=_REMOVE_FOLDER if is_folder else 0)

    # --------------------------------------------------------------------------------------- the rest

    def waits(self) -> bool:
        """Whether something is due with the next round."""
        return bool(self._fresh)

    @property
    def refused(self) -> dict[str, str]:
        """File systems that cannot be watched, and why."""
        return self._watched.refused

    def drops(self) -> dict[str, int]:
        """Events whose folder was gone; and one for each time that the kernel's queue was full: it does not count."""
        lost = self.unresolved + self.overflows
        return {"file_change": lost} if lost else {}

    def status(self) -> dict[str, object]:
        """File systems watched and not watched, losses."""
        return {
            "watched": len(self._watched),
            "not_watched": self._watched.unwatched,
            "overflows": self.overflows,
            "unresolved": self.unresolved,
        }

    def close(self) -> None:
        """Stop watching."""
        self._watched.close()
        self._group.close()


def _unlinked(inode: Inode) -> Inode:
    return Inode(
        inode.number, inode.size, inode.modified, inode.changed, inode.device, 0, inode.mode, inode.uid, inode.gid, 0
    )


def _by_handle(header: Header, kind: int, inode: Inode, path: bytes, *, flags: int = 0) -> FileAct:
    return FileAct(kind, flags, *header[2:], inode, walk_of(path))


def _by_name(header: Header, operation: int, path: bytes, new: bytes = b"", *, argument: int = 0) -> PathAct:
    folder, _, name = path.rpartition(b"/")
    new_folder, _, new_name = new.rpartition(b"/")
    return PathAct(*header, operation, walk_of(folder), name, walk_of(new_folder), new_name, argument)
