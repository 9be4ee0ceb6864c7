"""Processes by the proc connector and /proc -> forks, starts, ends, debuggers.

The messages tell PIDs; what ran is read from /proc at once. Of half of the shortest programs it is gone by then: such
a start has no arguments and says so (`args_truncated`).
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from vedette.agent.linux import inventory, proc_connector
from vedette.agent.linux.inventory import Found
from vedette.agent.linux.kernel_time import ticks
from vedette.agent.linux.proc_connector import Message, ProcConnector
from vedette.agent.linux.sources.actors import Actor, Actors
from vedette.agent.linux.sources.decoder import Decoder
from vedette.agent.linux.sources.files_feed import Program, Programs
from vedette.probes.records import ACCESS, EXIT, FORK, NO_ID, Access, Exit, Fork

MOST: Final = 65_536
"""Messages of one round."""
_ATTACH: Final = 2
_BEFORE: Final = 100_000
"""Nanoseconds by which the message of a fork comes after the start of the process."""

_LOADERS: Final = (b"ld-", b"ld.so", b"ld64.so")


class ProcessesFeed:
    """Reads the proc connector; what was started is looked at when it is read. Raises ProbeError when there is none.

    `programs`: what was opened to be executed; without it a program that is gone has no name.
    `execs`: False where another feed tells what is started.
    """

    def __init__(
        self,
        decoder: Decoder,
        *,
        execs: bool = True,
        programs: Programs | None = None,
        look: Callable[[int], Found | None] = inventory.look,
    ) -> None:
        self._decoder, self._actors, self._look = decoder, Actors(decoder), look
        self.urgent = execs
        self._execs, self._programs = execs, programs if programs is not None else {}
        self._connector = ProcConnector()
        self.handle: int | None = self._connector.fileno()
        self.refused: dict[str, str] = {}
        self._waiting: deque[tuple[Message, Found | None]] = deque()
        self._numbers: dict[int, int] = {}
        self._parents: dict[int, int] = {}
        self.lost = self.gone = self.started = 0
        self._handlers: dict[int, Callable[[Message, int], None]] = {
            proc_connector.FORK: self._fork,
            proc_connector.EXIT: self._exit,
            proc_connector.UID: self._user,
            proc_connector.GID: self._group,
            proc_connector.PTRACE: self._traced,
        }

    def read(self) -> None:
        """Take the messages."""
        for _ in range(MOST):
            try:
                message = self._connector.receive()
            except BufferError:
                continue  # the gap in the numbers tells how many
            if message is None:
                return
            before = self._numbers.get(message.cpu)
            self._numbers[message.cpu] = message.number
            if before is not None:
                self.lost += (message.number - before - 1) & 0x7FFFFFFF
            ran = self._look(message.values[1]) if self._execs and message.kind == proc_connector.EXEC else None
            self._waiting.append((message, ran))

    def tell(self) -> None:
        """Translate them."""
        suspended = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.clock_gettime_ns(time.CLOCK_MONOTONIC)
        while self._waiting:
            message, ran = self._waiting.popleft()
            at = message.time + suspended
            if message.kind == proc_connector.EXEC:
                self._exec(message.values[1], at, ran)
            elif (handler := self._handlers.get(message.kind)) is not None:
                handler(message, at)

    def _fork(self, message: Message, at: int) -> None:
        _, parent, child, process = message.values
        if child != process:
            return  # a thread
        found = inventory.parse_stat(_stat(child))
        start = at - _BEFORE
        if found is not None and found.start != ticks(start) and found.start <= at:
            start = found.start
        self._parents[child] = parent
        running = self._decoder.model.processes.running(child)
        if running is not None and running.started >= start:
            return  # /proc told of it first
        above = self._actors.of(parent, at)
        self._decoder.take(Fork(FORK, 0, at, start, child, above.ids, NO_ID, 0, parent, above.start))

    def _exec(self, pid: int, at: int, found: Found | None) -> None:
        opened = self._programs.pop(pid, [])
        if not self._execs:
            return
        self.started += 1
        life = self._decoder.model.processes.at(pid, at)
        if found is not None and not found.ended and (life is None or found.start <= at):
            self._decoder.processes.replaced(found, at)
            return
        self.gone += 1
        if life is not None:
            gone = _gone(found, Actor(pid, life.started, life.ids), _program(opened))
            gone.parent = gone.parent or self._parents.get(pid, 0)
            self._decoder.processes.replaced(gone, at)

    def _exit(self, message: Message, at: int) -> None:
        thread, process, status, _ = message.values
        if thread != process:
            return
        self._parents.pop(process, None)
        life = self._decoder.model.processes.running(process)
        if life is None or life.start > at:
            return
        self._decoder.take(Exit(EXIT, 0, at, life.started, process, life.ids, NO_ID, 0, 0, 0, status & 0xFFFF))

    def _user(self, message: Message, at: int) -> None:
        _, process, real, effective = message.values
        life = self._decoder.model.processes.at(process, at)
        if life is not None:
            real, effective = real & NO_ID, effective & NO_ID
            _, gid, _, egid, login = life.ids
            life.ids = (real, gid, effective, egid, login)

    def _group(self, message: Message, at: int) -> None:
        _, process, real, effective = message.values
        life = self._decoder.model.processes.at(process, at)
        if life is not None:
            uid, _, euid, _, login = life.ids
            life.ids = (uid, real & NO_ID, euid, effective & NO_ID, login)

    def _traced(self, message: Message, at: int) -> None:
        _, target, _, tracer = message.values
        if not self._execs or not tracer:  # 0: it lets go
            return
        actor = self._actors.of(tracer, at)
        self._decoder.take(Access(*self._actors.header(ACCESS, actor, at), 0, target, _ATTACH))

    def waits(self) -> bool:
        """Whether something is due with the next round: nothing is told late."""
        return False

    def drops(self) -> dict[str, int]:
        """Messages lost, whatever they were about."""
        return {"process_start": self.lost} if self.lost else {}

    def status(self) -> dict[str, object]:
        """How many starts, and of how many the arguments were gone."""
        return {"starts": self.started, "arguments_gone": self.gone, "lost": self.lost}

    def close(self) -> None:
        """Stop listening."""
        self._connector.close()


def _program(opened: list[Program]) -> Program:
    """Give the program among the files that were opened to execute it: a script, its interpreter, the loader."""
    for path, inode in reversed(opened):
        if not path.rpartition(b"/")[2].startswith(_LOADERS):
            return path, inode
    return b"", None


def _gone(found: Found | None, actor: Actor, program: Program) -> Found:
    """Describe a program that ended before /proc could be asked; `found`: nobody has waited for it yet."""
    path, inode = program
    if found is not None:
        found.path, found.inode = path, inode
        return found
    return Found(
        pid=actor.pid, parent=0, start=actor.start, name=path.rpartition(b"/")[2], path=path, inode=inode,
        args=None, env=None, ids=actor.ids, capabilities=None,
    )  # fmt: skip


def _stat(pid: int) -> bytes:
    try:
        return inventory.read(inventory.PROC / str(pid) / "stat")
    except OSError:
        return b""
