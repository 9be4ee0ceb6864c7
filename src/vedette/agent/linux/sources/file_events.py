"""Records about files -> file_create, file_change.

A created file is reported when it is first closed, with its digests and final size; a file that existed is
reported as written when it is closed. Both wait a bounded time.
"""

import re
from collections.abc import Callable
from fnmatch import translate
from typing import TypeVar

import msgspec

from vedette.agent.linux.examine import Content
from vedette.agent.linux.files import full_path, of_inode
from vedette.agent.linux.hashing import Version, version_of
from vedette.agent.linux.lookups import DELETED, LONGEST, Answer, Ticket
from vedette.agent.linux.processes import Image
from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.process_events import ProcessEvents
from vedette.agent.linux.sources.savings import BUDGET
from vedette.probes.records import (
    CHANGE,
    LAST,
    LINK,
    PATH_CUT,
    RENAME,
    UNLINK,
    Acted,
    FileAct,
    Inode,
    PathAct,
    joined_path,
    walked_path,
)
from vedette.schema.entities import Session
from vedette.schema.events.files import FileChange, FileCreate

REMOVE_DIRECTORY = 0x200  # AT_REMOVEDIR
RECENT = 4096
"""Files whose last content is remembered under their name, for a rename or deletion that follows."""
COARSE = 20_000_000
"""Nanoseconds by which the times of files may be behind: they come from the last tick of the clock."""
OPEN = Content(status="open")

K = TypeVar("K")
V = TypeVar("V")


class Creation(msgspec.Struct, gc=False):
    """A file that was made and is not closed yet."""

    record: FileAct
    image: Image
    session: Session | None
    deadline: int


class Wanted(msgspec.Struct, gc=False):
    """A file that is to be looked at; it may get another name, or vanish, meanwhile."""

    record: FileAct
    path: str
    answers: list[Answer]
    opened: tuple[bytes, ...] = ()
    """Where it is, if not where the record says."""
    ticket: Ticket | None = None
    moved: tuple[bytes, ...] = ()
    """Where it can be found now, after it was looked for under its old name."""
    again: bool = False
    """It was not where it should be: the record that says where it went may be on its way. Once."""
    settled: bool = False


class FileEvents:
    """Translates what happens to files. One thread uses it."""

    def __init__(self, model: Model, processes: ProcessEvents, *, exclude: tuple[str, ...]) -> None:
        self._model, self._processes = model, processes
        self.exclude(exclude)
        self._open: dict[tuple[int, int], Creation] = {}
        self._wanted: dict[str, Wanted] = {}
        self._new: list[Wanted] = []
        self._recent: dict[str, Content] = {}
        self._written: dict[tuple[int, int], Version] = {}

    # ------------------------------------------------------------------------------------- open files

    def exclude(self, patterns: tuple[str, ...]) -> None:
        """Leave out the files whose full path matches a shell pattern (`*` matches slashes too)."""
        self._excluded = re.compile("|".join(map(translate, patterns)) or r"(?!)")
        self._excludes = bool(patterns)

    def forget(self) -> None:
        """Let go of what is remembered of files that were written."""
        self._recent.clear()

    def create(self, record: FileAct) -> None:
        """Begin to wait for the end of writing."""
        image, session = self._actor(record)
        creation = Creation(record, image, session, record.time + LONGEST)
        key = (record.inode.device, record.inode.number)
        former = self._open.get(key)
        if former is not None:
            del self._open[key]
            self._give_up(former)
        self._open[key] = creation

    def close(self, record: FileAct) -> None:
        """Report a creation whose file is written, or a write to a file that existed."""
        if not record.flags & LAST:
            return  # somebody else has it open, a mapping perhaps: the deadline decides
        inode = record.inode
        creation = self._open.pop((inode.device, inode.number), None)
        if creation is None:
            if inode.links:
                self._wrote(record)
            return
        folder, name = self._names(creation.record)
        savings = self._model.savings
        if self._is_excluded(folder, name) or savings.is_passing("file_create", folder, inode.mode):
            return
        if not inode.links:
            self._emit_creation(creation, folder, name, DELETED, record.inode)
            return
        if not savings.wants_digests(inode):
            self._emit_creation(creation, folder, name, BUDGET, inode)
            return
        wanted = Wanted(
            record,
            full_path(folder, name) if record.path == creation.record.path else full_path(*self._names(record)),
            [lambda content: self._emit_creation(creation, folder, name, content, inode)],
        )
        self._wanted[wanted.path] = wanted
        self._new.append(wanted)

    def attributes(self, record: FileAct) -> None:
        """Report a change of mode or owner through a descriptor; that of a file being made belongs to its making."""
        inode = record.inode
        if (inode.device, inode.number) in self._open:
            return
        folder, name = self._names(record)
        content = Content(
            size=inode.size,
            created=None,
            modified=inode.modified // 1000,
            mode=inode.mode,
            uid=inode.uid,
            gid=inode.gid,
        )
        self._change(record, folder, name, content, operation="attributes")

    def tick(self, now: int) -> None:
        """Ask for new files that are still there; report creations whose file stays open. `now`: ns since boot."""
        new, self._new = self._new, []
        for wanted in new:
            if not wanted.settled:
                self._ask(wanted)
        late: list[Creation] = []
        for creation in self._open.values():  # oldest first
            if creation.deadline > now and len(self._open) - len(late) < RECENT:
                break
            late.append(creation)
        for creation in late:
            del self._open[creation.record.inode.device, creation.record.inode.number]
            self._give_up(creation)

    # ------------------------------------------------------------------------------------------ names

    def path(self, record: PathAct) -> None:
        """Translate what was done by name."""
        operation = record.operation
        model = self._model
        target = operation in _WITH_NEW_NAME
        base, raw = (record.new_base, record.new_name) if target else (record.base, record.name)
        if not raw:
            return
        folder, name = model.names.of_name(base, raw)
        if self._is_excluded(folder, name):
            return
        path = full_path(folder, name)
        if operation == UNLINK:
            if not model.savings.is_passing("file_change", folder, 0):
                self._deleted(record, folder, name, path)
        elif operation == RENAME:
            self._renamed(record, folder, name, path)
        elif operation == CHANGE:
            self._look(
                record, path, lambda content: self._change(record, folder, name, content, operation="attributes")
            )
        else:
            self._look(record, path, lambda content: self._create_event(record, folder, name, content))

    def _deleted(self, record: PathAct, folder: str, name: str, path: str) -> None:
        wanted = self._wanted.pop(path, None)
        if wanted is not None:
            self._settle(wanted, DELETED)
        content = self._recent.pop(path, None) or _NOTHING
        if record.argument & REMOVE_DIRECTORY:
            content = _DIRECTORY
        self._change(record, folder, name, content, operation="delete")

    def _renamed(self, record: PathAct, folder: str, name: str, path: str) -> None:
        previous = full_path(*self._model.names.of_name(record.base, record.name))
        opened = self._model.places(record, joined_path(record.new_base, record.new_name))

        def renamed(content: Content) -> None:
            self._change(record, folder, name, content, operation="rename", previous=previous)

        recent = self._recent.pop(previous, None)
        if recent is not None:
            self._learn(path, recent)
            renamed(recent)
            return
        wanted = self._wanted.pop(previous, None)
        if wanted is None:
            self._look(record, path, renamed)
            return
        # It is being looked at under its old name: one look serves both events.
        self._wanted[path] = wanted
        wanted.path = path
        if wanted.ticket is None:
            wanted.opened = opened
        else:
            wanted.moved = opened
        wanted.answers.append(renamed)

    # ------------------------------------------------------------------------------------------ inside

    def _is_excluded(self, folder: str, name: str) -> bool:
        return self._excludes and self._excluded.match(full_path(folder, name)) is not None

    def _actor(self, record: Acted) -> tuple[Image, Session | None]:
        life = self._processes.acting(record)
        return self._processes.image_of(life, record.time), life.session

    def _names(self, record: FileAct) -> tuple[str, str]:
        return self._model.names.of_walk(record.path, cut=bool(record.flags & PATH_CUT))

    def _give_up(self, creation: Creation) -> None:
        folder, name = self._names(creation.record)
        inode = creation.record.inode
        if self._is_excluded(folder, name) or self._model.savings.is_passing("file_create", folder, inode.mode):
            return
        self._emit_creation(creation, folder, name, OPEN, inode)

    def _emit_creation(self, creation: Creation, folder: str, name: str, content: Content, inode: Inode) -> None:
        model, record = self._model, creation.record
        file = model.files.of_content(folder, name, content, inode)
        time, user = model.clock.micros(record.time), model.accounts.user(record.ids)
        process = creation.image.process
        if process is not None:
            model.emit(FileCreate(time=time, user=user, session=creation.session, process=process, file=file))
            return
        creation.image.when_ready(
            lambda ready: model.emit(
                FileCreate(time=time, user=user, session=creation.session, process=ready, file=file)
            )
        )

    def _create_event(self, record: PathAct, folder: str, name: str, content: Content) -> None:
        file, model = self._model.files.of_content(folder, name, content), self._model
        image, session = self._actor(record)
        time, user = model.clock.micros(record.time), model.accounts.user(record.ids)
        image.when_ready(
            lambda ready: model.emit(FileCreate(time=time, user=user, session=session, process=ready, file=file))
        )

    def _wrote(self, record: FileAct) -> None:
        inode, model = record.inode, self._model
        folder, name = self._names(record)
        if self._is_excluded(folder, name):
            return
        version, key = version_of(inode), (inode.device, inode.number)
        changed = model.clock.since_boot(inode.changed) + COARSE
        if self._written.get(key) == version or changed < record.start:
            return  # opened for writing, but not written: the time of change is from before
        _keep(self._written, key, version)
        savings = model.savings
        if savings.is_passing("file_change", folder, inode.mode) or savings.is_again(record, full_path(folder, name)):
            return
        if savings.wants_digests(inode):
            self._content(record, lambda content: self._change(record, folder, name, content, operation="write"))
        else:
            self._change(record, folder, name, of_inode(BUDGET, inode), operation="write")

    def _content(self, record: FileAct, answer: Callable[[Content], None]) -> None:
        """Have `answer` called with the content of an open file."""
        path = full_path(*self._names(record))
        known = self._model.lookups.known(version_of(record.inode))
        if known is not None:
            self._learn(path, known)
            answer(known)
            return
        wanted = self._wanted[path] = Wanted(record, path, [answer])
        self._new.append(wanted)

    def _ask(self, wanted: Wanted) -> None:
        def answered(content: Content) -> None:
            moved, wanted.moved = wanted.moved, ()
            if content.status not in ("deleted", "replaced") or wanted.settled or (wanted.again and not moved):
                self._settle(wanted, content)
            elif moved:
                wanted.opened = moved
                self._ask(wanted)
            else:
                wanted.again, wanted.ticket = True, None
                self._new.append(wanted)

        record, model = wanted.record, self._model
        opened = wanted.opened or model.places(record, walked_path(record.path))
        wanted.ticket = model.lookups.ask(
            opened, answered, version=version_of(record.inode), modified=record.inode.modified
        )

    def _settle(self, wanted: Wanted, content: Content) -> None:
        """Tell all who wait; once."""
        if wanted.settled:
            return
        wanted.settled = True
        if self._wanted.get(wanted.path) is wanted:
            del self._wanted[wanted.path]
        self._learn(wanted.path, content)
        for answer in wanted.answers:
            answer(content)

    def _learn(self, path: str, content: Content) -> None:
        if content.status is None:
            _keep(self._recent, path, content)

    def _look(self, record: PathAct, path: str, answer: Callable[[Content], None]) -> None:
        """Have `answer` called with what is under a name now."""
        base, name = (
            (record.new_base, record.new_name) if record.operation in _WITH_NEW_NAME else (record.base, record.name)
        )

        def found(content: Content) -> None:
            self._learn(path, content)
            answer(content)

        self._model.lookups.ask((self._model.reachable(record, joined_path(base, name)),), found)

    def _change(
        self, record: Acted, folder: str, name: str, content: Content, *, operation: str, previous: str = ""
    ) -> None:
        model = self._model
        file = model.files.changed(folder, name, content, operation=operation, previous=previous)
        image, session = self._actor(record)
        time, user, process = model.clock.micros(record.time), model.accounts.user(record.ids), image.process
        if process is not None:
            model.emit(FileChange(time=time, user=user, session=session, process=process, file=file))
            return
        image.when_ready(
            lambda ready: model.emit(FileChange(time=time, user=user, session=session, process=ready, file=file))
        )


_WITH_NEW_NAME = (RENAME, 3, LINK)
_NOTHING = Content()
_DIRECTORY = Content(mode=0o040000)


def _keep(table: dict[K, V], key: K, value: V) -> None:
    """Remember, and forget the oldest eighth when there are too many."""
    if len(table) >= RECENT:
        for old in list(table)[: RECENT // 8]:
            del table[old]
    table[key] = value
