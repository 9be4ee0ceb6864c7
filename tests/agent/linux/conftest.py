"""A host without a kernel: records are made by hand, the answers about files are given by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

from vedette.agent.linux.accounts import Accounts
from vedette.agent.linux.containers import Containers
from vedette.agent.linux.environment import Environments
from vedette.agent.linux.examine import Content, Question
from vedette.agent.linux.files import Files, Names
from vedette.agent.linux.hashing import Version
from vedette.agent.linux.inventory import Found
from vedette.agent.linux.kernel_time import KernelTime
from vedette.agent.linux.lookups import Lookups
from vedette.agent.linux.processes import Processes
from vedette.agent.linux.sources.file_events import FileEvents
from vedette.agent.linux.sources.memory_events import MemoryEvents
from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.module_events import ModuleEvents
from vedette.agent.linux.sources.network_events import NetworkEvents
from vedette.agent.linux.sources.process_events import ProcessEvents
from vedette.agent.linux.sources.savings import Savings
from vedette.agent.linux.sources.script_events import ScriptEvents
from vedette.agent.linux.witnesses import Witnesses
from vedette.probes import records
from vedette.probes.records import NO_ID, Exec, Exit, FileAct, Fork, Inode, Net, PathAct
from vedette.schema.events.base import Event

SECOND = 1_000_000_000
IDS = (1000, 1000, 0, 0, NO_ID)
OURS = 7
"""Mount namespace of the agent in these tests."""
E = TypeVar("E", bound=Event)


class FakeHasher:
    """Keeps questions until the test answers them."""

    def __init__(self) -> None:
        self.questions: list[Question] = []
        self.answers: list[tuple[int, Content]] = []
        self.contents: dict[Version, Content] = {}
        self.room = 10_000

    def known(self, version: Version) -> Content | None:
        return self.contents.get(version)

    def remember(self, version: Version, content: Content) -> None:
        self.contents[version] = content

    def ask(self, questions: list[Question]) -> list[Question]:
        self.questions += questions[: self.room]
        return questions[self.room :]

    def finished(self) -> Iterable[tuple[int, Content]]:
        answers, self.answers = self.answers, []
        return answers

    def answer(self, content: Content) -> None:
        """Answer all that is asked with the same content."""
        self.answers += [(question.ticket, content) for question in self.questions]
        self.questions = []


def content_of(inode: Inode, *, mark: str = "a") -> Content:
    """What is found in a file that did not change since."""
    return Content(
        md5=mark * 32, sha256=mark * 64, size=inode.size, created=5, modified=inode.modified // 1000,
        mode=inode.mode, uid=inode.uid, gid=inode.gid, kind="text",
    )  # fmt: skip


def inode_of(number: int, **other: int) -> Inode:
    fields = {
        "number": number, "size": 100, "modified": 9 * SECOND, "changed": 9 * SECOND, "device": 0x800001,
        "generation": 0, "mode": 0o100755, "uid": 0, "gid": 0, "links": 1,
    } | other  # fmt: skip
    return Inode(**fields)


def walk(path: str) -> bytes:
    """A path as the kernel gives it."""
    return b"".join(name.encode() + b"\0" for name in reversed(path.split("/")[1:]))


class World:
    """The model with its translators, a clock that the test moves, and the events that came out."""

    def __init__(self) -> None:
        self.now, self.namespace = 100 * SECOND, OURS
        self.elsewhere: set[int] = set()
        self.events: list[Event] = []
        self.hasher = FakeHasher()
        self.found: dict[int, Found] = {}
        clock = KernelTime.__new__(KernelTime)
        clock._offset = 0
        accounts = Accounts(lambda: 0, user=lambda uid: (f"u{uid}", uid), group=lambda gid: f"g{gid}")
        self.lookups = Lookups(self.hasher)  # type: ignore[arg-type]
        self.model = Model(
            emit=self.events.append,
            processes=Processes("host", "boot", clock),
            witnesses=Witnesses(lambda pid: OURS + 1 if pid in self.elsewhere else 0),
            accounts=accounts,
            environments=Environments(("*token*",)),
            containers=Containers(OURS, lambda _: ""),
            files=Files(accounts),
            names=Names(),
            lookups=self.lookups,
            clock=clock,
            savings=Savings(),
            mount_namespace=OURS,
        )
        self.processes = ProcessEvents(self.model, self.found.get)
        self.files = FileEvents(self.model, self.processes, exclude=("/excluded/*",))
        self.modules = ModuleEvents(self.model, self.processes)
        self.network = NetworkEvents(self.model, self.processes)
        self.memory = MemoryEvents(self.model, self.processes)
        self.scripts = ScriptEvents(self.model, self.processes)
        self.tick()

    def act(
        self, kind: int, pid: int, start: int, *, parent: tuple[int, int] = (1, 0), flags: int = 0
    ) -> dict[str, Any]:
        """The fields that every record has."""
        self.now += 1000
        return {
            "kind": kind, "flags": flags, "time": self.now, "start": start, "pid": pid, "ids": IDS, "session": NO_ID,
            "mount_namespace": self.namespace, "parent": parent[0], "parent_start": parent[1],
        }  # fmt: skip

    def fork(self, pid: int, *, parent: tuple[int, int] = (1, 0)) -> int:
        """A process is made; gives its start."""
        self.now += 20_000_000
        start = self.now
        self.processes.fork(Fork(**self.act(records.FORK, pid, start, parent=parent)))
        return start

    def exec(
        self, pid: int, start: int, path: str, *args: str, parent: tuple[int, int] = (1, 0), **other: Any
    ) -> Inode:
        inode = other.pop("inode", None) or inode_of(hash(path) % 1000)
        self.scripts.exec(
            Exec(
                **self.act(records.EXEC, pid, start, parent=parent, flags=other.pop("flags", 0)),
                inode=inode, capabilities=0, cgroup=1, pid_namespace=8, network_namespace=9, path=walk(path),
                directory=walk("/home/u"),
                name=other.pop("name", b""), tty=b"", args=[arg.encode() for arg in args],
                env=other.pop("env", b"A=1\0MY_TOKEN=x\0"),
                strings_length=0,
            )
        )  # fmt: skip
        return inode

    def exit(self, pid: int, start: int, status: int = 0, *, parent: tuple[int, int] = (1, 0)) -> None:
        self.processes.exit(Exit(**self.act(records.EXIT, pid, start, parent=parent), status=status))

    def file(self, kind: int, pid: int, start: int, path: str, inode: Inode, *, flags: int = 0) -> None:
        record = FileAct(**self.act(kind, pid, start, flags=flags), inode=inode, path=walk(path))
        handler: Callable[[FileAct], None] = {
            records.CREATE: self.files.create,
            records.CLOSE: self.files.close,
            records.ATTRIBUTES: self.files.attributes,
            records.MAP: self.modules.mapped,
        }[kind]
        handler(record)

    def named(self, operation: int, pid: int, start: int, folder: str, name: str, **other: Any) -> None:
        new = other.get("new", "")
        self.files.path(
            PathAct(
                **self.act(records.PATH, pid, start), operation=operation, base=walk(folder), name=name.encode(),
                new_base=walk(other.get("new_folder", folder)) if new else b"", new_name=new.encode(),
                argument=other.get("argument", 0),
            )
        )  # fmt: skip

    def net(self, kind: int, pid: int, start: int, **fields: Any) -> None:
        values: dict[str, Any] = {
            "family": 2, "protocol": 6, "local_port": 1234, "remote_port": 80,
            "local": bytes([127, 0, 0, 1]) + bytes(12), "remote": bytes([127, 0, 0, 2]) + bytes(12), "result": 0,
        } | fields  # fmt: skip
        record = Net(**self.act(kind, pid, start), **values)
        (self.network.listen if kind == records.LISTEN else self.network.connect)(record)

    def tick(self, seconds: float = 0) -> None:
        """Time goes on; answers are handed out."""
        self.now += int(seconds * SECOND)
        self.files.tick(self.now)
        self.processes.tick(self.now)
        self.lookups.submit()
        self.lookups.poll(self.now)
        self.lookups.submit()

    def shell(self, pid: int = 50) -> int:
        """A shell whose file is known; its start is not among the events. Gives its start."""
        start = self.fork(pid)
        inode = self.exec(pid, start, "/bin/sh", "sh")
        self.tick()
        self.hasher.answer(content_of(inode))
        self.tick()
        self.events.clear()
        return start

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]


@pytest.fixture
def world() -> World:
    return World()
