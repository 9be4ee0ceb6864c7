"""System calls by audit records, of rules of our own -> starts, connections, ports, debuggers, kernel modules.

What a record does not tell is asked of the process while it is there: environment, capabilities, the socket itself.
"""

import os
import platform
import time
from collections import OrderedDict
from typing import Final, TypeVar

from vedette.agent.linux import audit_acts, inventory
from vedette.agent.linux.audit_acts import Act
from vedette.agent.linux.audit_netlink import AuditSocket, audit_status
from vedette.agent.linux.audit_rules import AuditRules, call_names
from vedette.agent.linux.foreign_socket import Ends, ends_of
from vedette.agent.linux.inventory import Found
from vedette.agent.linux.sources.actors import Actor, Actors, Header
from vedette.agent.linux.sources.decoder import COARSE, Decoder
from vedette.normalise.audit import Assembler, AuditEvent, AuditRecord, parse
from vedette.normalise.audit_types import SYSCALL
from vedette.probes import records
from vedette.probes.records import Access, Acted, FileAct, Inode, Net, walk_of
from vedette.runtime.clock import SECOND, now
from vedette.runtime.errors import ProbeError

MOST: Final = 20_000
"""Records of one round."""
KEPT: Final = 8192
"""Acts whose answers wait for their last record, and sockets whose bound address is remembered."""
CHECK_EVERY: Final = 10.0
"""Seconds between two looks whether our rules are still there: a restarted audit daemon deletes all rules."""
_UDP: Final = 17


K = TypeVar("K")
V = TypeVar("V")


class CallsFeed:
    """Sets the rules and reads the records. Raises ProbeError when the host does not allow rules."""

    urgent = True

    def __init__(self, decoder: Decoder) -> None:
        self._decoder, self._actors = decoder, Actors(decoder)
        self._names = call_names(platform.machine()) if platform.machine() in ("x86_64", "aarch64") else {}
        self._socket = AuditSocket()
        try:
            self._rules = AuditRules()
        except ProbeError:
            self._socket.close()
            raise
        self.handle: int | None = self._socket.fileno()
        self.refused: dict[str, str] = {}
        self._assembler = Assembler()
        self._ready: list[AuditEvent] = []
        self._seen: OrderedDict[int, Found | Ends | bytes] = OrderedDict()
        self._bound: OrderedDict[tuple[int, int], Ends] = OrderedDict()
        self._serial, self._overrun = 0, False
        self._check = time.monotonic() + CHECK_EVERY
        self.received = self.malformed = self.lost = 0

    # ---------------------------------------------------------------------------------------- reading

    def read(self) -> None:
        """Take the records, and ask the processes what these do not tell."""
        if time.monotonic() >= self._check:
            self._check = time.monotonic() + CHECK_EVERY
            self._look_after_rules()
        for _ in range(MOST):
            try:
                received = self._socket.receive()
            except BufferError:
                self._overrun = True
                continue
            if received is None:
                break
            record = parse(*received)
            if record is None:
                self.malformed += 1
            else:
                self._take(record)
        self._ready += self._assembler.flush(now() - SECOND)

    def _take(self, record: AuditRecord) -> None:
        self.received += 1
        if self._overrun and self._serial:
            self.lost += max(1, record.serial - self._serial - 1)
        self._overrun, self._serial = False, max(self._serial, record.serial)
        if record.number == SYSCALL:
            self._ask(record)
        self._ready += self._assembler.add(record)

    def _ask(self, record: AuditRecord) -> None:
        act = audit_acts.act_of(record, self._names)
        if act is None:
            return
        found: Found | Ends | bytes | None = None
        if act.name in {"execve", "execveat"} and act.succeeded:
            found = inventory.look(act.pid)
        elif act.name in {"connect", "bind", "listen"}:
            found = ends_of(act.pid, act.numbers[0])
        elif act.name == "finit_module":
            found = _path_of(act.pid, act.numbers[0])
        if found is not None:
            _keep(self._seen, act.serial, found)

    def _look_after_rules(self) -> None:
        state = audit_status()
        if state is not None and not state.enabled:
            raise ProbeError("auditing was switched off")
        try:
            missing = self._rules.missing()
        except OSError as error:
            raise ProbeError(f"the audit rules cannot be read any more: {error.strerror}") from error
        if missing:
            raise ProbeError(f"{missing} of our audit rules were deleted by others")

    # ---------------------------------------------------------------------------------------- telling

    def tell(self) -> None:
        """Translate the events that are complete."""
        ready, self._ready = self._ready, []
        for event in ready:
            call = event.call
            act = None if call is None else audit_acts.act_of(call, self._names)
            act = None if act is None else audit_acts.resolved(act, event)
            if act is not None:
                self._translate(act, event, self._seen.pop(act.serial, None))

    def _translate(self, act: Act, event: AuditEvent, seen: Found | Ends | bytes | None) -> None:
        at = self._decoder.model.clock.since_boot(act.time * 1000)
        if act.name in {"execve", "execveat"}:
            if act.succeeded:
                self._started(act, event, seen if isinstance(seen, Found) else None, at)
            return
        actor = self._actors.of(act.pid, at + COARSE)
        actor = Actor(actor.pid, actor.start, act.ids, actor.ended)
        at = max(at, actor.start)
        if act.name == "connect":
            self._connected(
                act, event, seen if isinstance(seen, Ends) else None, self._actors.header(records.CONNECT, actor, at)
            )
        elif not act.succeeded:
            return
        elif act.name == "ptrace":
            header = self._actors.header(records.ACCESS, actor, at)
            self._decoder.take(Access(*header, 0, audit_acts.target(event, act), 2))
        elif act.name in {"bind", "listen"}:
            self._opened(
                act, event, seen if isinstance(seen, Ends) else None, self._actors.header(records.LISTEN, actor, at)
            )
        else:
            self._loaded(
                event, seen if isinstance(seen, bytes) else b"", self._actors.header(records.DRIVER, actor, at)
            )

    def _started(self, act: Act, event: AuditEvent, looked: Found | None, at: int) -> None:
        life = self._decoder.model.processes.at(act.pid, at + COARSE)
        path = act.executable.encode()
        if looked is not None and (looked.ended or looked.path.removesuffix(b" (deleted)") != path):
            looked = None  # it is gone, or runs another program by now
        start = life.started if life is not None else looked.start if looked is not None else at
        found = looked or Found(act.pid, 0, start, args=None, env=None, capabilities=None)
        files = audit_acts.files(event)
        args, cut = audit_acts.arguments(event)
        found.parent, found.start, found.path = act.parent, start, path
        found.args, found.cut = tuple(arg.encode() for arg in args), found.cut or cut
        found.ids, found.session, found.tty = act.ids, act.session, act.tty.encode()
        found.directory = audit_acts.folder(event).encode() or found.directory
        found.inode = found.inode or _inode(path, files, at=act.time * 1000)
        if files and found.inode is not None:
            found.interpreted = files[0].get("inode") != str(found.inode.number)
        self._decoder.processes.replaced(found, max(at, start))

    def _connected(self, act: Act, event: AuditEvent, ends: Ends | None, header: Header) -> None:
        to = audit_acts.address(event)
        if to is None:
            return
        protocol, local, port = (ends.protocol, ends.local, ends.local_port) if ends is not None else (0, b"", 0)
        self._decoder.take(Net(*header, to.family, protocol, port, to.port, local, to.packed, act.result))

    def _opened(self, act: Act, event: AuditEvent, ends: Ends | None, header: Header) -> None:
        key = (act.pid, act.numbers[0])
        if act.name == "bind":
            to = audit_acts.address(event)
            if to is None:
                return
            if ends is None:
                ends = Ends(to.family, 0, to.packed, to.port)
            _keep(self._bound, key, ends)
            if ends.protocol != _UDP:
                return
        else:
            ends = ends or self._bound.get(key)
            if ends is None:
                return  # a socket of another family, or one that is gone and was never bound
        protocol = ends.protocol or 6
        self._decoder.take(Net(*header, ends.family, protocol, ends.local_port, 0, ends.local, b"", 0))

    def _loaded(self, event: AuditEvent, path: bytes, header: Header) -> None:
        inode = _inode(path, [], at=0) if path else None
        if inode is not None:
            self._decoder.take(FileAct(*header, inode, walk_of(path)))
        elif name := audit_acts.module(event):
            self._decoder.modules.named(Acted(*header), name)

    # --------------------------------------------------------------------------------------- the rest

    def waits(self) -> bool:
        """Whether something is due with the next round."""
        return len(self._assembler) > 0

    def drops(self) -> dict[str, int]:
        """Records lost, whatever they were about."""
        return {"process_start": self.lost} if self.lost else {}

    def status(self) -> dict[str, object]:
        """Counts of records."""
        return {"received": self.received, "malformed": self.malformed, "lost": self.lost}

    def close(self) -> None:
        """Take the rules back and stop reading."""
        self._rules.remove()
        self._socket.close()


def _inode(path: bytes, files: list[dict[str, str]], *, at: int) -> Inode | None:
    """Give the facts of a file by its name; what records tell of it when it is gone. `at`: nanoseconds since 1970."""
    try:
        return inventory.inode_of(os.stat(path))  # noqa: PTH116 - bytes
    except OSError:
        pass
    for file in files:
        if file.get("name", "").encode() == path:
            try:
                # Its time of change is not told: the time of the start keeps it apart from other versions of it.
                return Inode(
                    int(file["inode"]), 0, 0, at, 0, 0, int(file["mode"], 8), int(file["ouid"]), int(file["ogid"]), 1
                )
            except (KeyError, ValueError):
                continue
    return None


def _path_of(pid: int, number: int) -> bytes | None:
    try:
        path = os.readlink(b"/proc/%d/fd/%d" % (pid, number))  # noqa: PTH115 - bytes
    except OSError:
        return None
    return path if path.startswith(b"/") else None


def _keep(table: OrderedDict[K, V], key: K, value: V) -> None:
    table[key] = value
    if len(table) > KEPT:
        table.popitem(last=False)
