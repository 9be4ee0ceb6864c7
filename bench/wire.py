"""Cost and size of batches: an agent's encoding and buffer, the server's decoding, bytes an event.

Events are made as a busy Linux host makes them: about 150 processes alive, each one object that all its events
share; a new process for one event in twelve; paths, ports and sizes that vary.
"""

import gc
import json
import random
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from vedette.agent.core.buffer import Buffer, Facts
from vedette.agent.core.intake import Intake
from vedette.runtime.clock import now
from vedette.schema.entities import ChangedFile, File, FileIdentity, Parent, Process, Socket, User
from vedette.schema.entities import Identity as Account
from vedette.schema.events.base import Event
from vedette.schema.events.files import FileChange, FileCreate, ModuleLoad
from vedette.schema.events.network import NetworkConnect
from vedette.schema.events.process import ProcessStart, ProcessStop
from vedette.wire.batch import BatchHeader, Builder, RawBatch, decode, frame

START = 1_760_000_000_000_000
KEPT = 102_400
KEPT_BATCH = 1024


class Host:
    """A host that works; deterministic."""

    def __init__(self, seed: int = 1) -> None:
        self.draw = random.Random(seed)
        self.time = START
        self.binaries = [self._binary(number) for number in range(120)]
        self.libraries = [self._binary(number, "lib") for number in range(200)]
        self.identities = {
            id(file): FileIdentity(
                name=file.name, directory=file.directory, path=file.path, md5=file.md5, sha256=file.sha256
            )
            for file in self.binaries
        }
        self.users = [self._user(name, number) for number, name in enumerate(("root", "www-data", "ada", "postgres"))]
        self.alive = [(self._process(), self.draw.choice(self.users)) for _ in range(150)]

    def events(self, count: int) -> list[Event]:
        """Give the next events."""
        return [self._event() for _ in range(count)]

    def _hex(self, digits: int) -> str:
        return f"{self.draw.getrandbits(digits * 4):0{digits}x}"

    def _binary(self, number: int, folder: str = "bin") -> File:
        name = f"{self.draw.choice(('lib', 'app', 'tool', 'svc'))}{number}"
        return File(
            name=name, directory=f"/usr/{folder}", path=f"/usr/{folder}/{name}", size=self.draw.randrange(10**6),
            md5=self._hex(32), sha256=self._hex(64), created=START - number * 10**9, modified=START - number * 10**9,
            owner="root", group="root", mode="0755", inherited_privileges="", type="regular",
        )  # fmt: skip

    def _user(self, name: str, number: int) -> User:
        who = Account(name=name, id=str(number), group=name, group_id=str(number))
        return User(name=name, id=str(number), login=who, real=who, effective=who)

    def _process(self) -> Process:
        parent = self.draw.choice(self.alive)[0] if getattr(self, "alive", None) else None
        binary = self.draw.choice(self.binaries)
        argument = f"/srv/data/{self.draw.randrange(2000)}.{self.draw.choice(('c', 'log', 'json'))}"
        args = (binary.path or "", f"--file={argument}", "-v")
        return Process(
            entity_id=self._hex(32), pid=self.draw.randrange(1000, 60000), file=binary, command_line=" ".join(args),
            args=args, args_truncated=False, working_directory="/srv", kind="exec", start_time=self.time,
            env={"PATH": "/usr/bin:/bin", "HOME": "/root", "LANG": "C.UTF-8", "JOB": argument, "SHELL": "/bin/sh"},
            capabilities="", mount_namespace=4026531840,
            parent=None if parent is None else self._parent(parent),
        )  # fmt: skip

    def _parent(self, process: Process) -> Parent:
        file = self.identities[id(process.file)]
        return Parent(entity_id=process.entity_id, pid=process.pid, file=file, command_line=process.command_line)

    def _event(self) -> Event:
        self.time += int(self.draw.expovariate(1 / 900))
        chance = self.draw.random()
        slot = min(int(self.draw.paretovariate(0.7)) - 1, len(self.alive) - 1)
        process, user = self.alive[slot]
        who: dict[str, Any] = {"time": self.time, "process": process, "user": user}
        if chance < 1 / 12:
            self.alive[slot] = fresh = (self._process(), user)
            return ProcessStart(time=self.time, process=fresh[0], user=user)
        if chance < 2 / 12:
            return ProcessStop(**who)
        if chance < 0.3:
            remote = f"10.{self.draw.randrange(4)}.{self.draw.randrange(256)}.7"
            return NetworkConnect(**who, socket=Socket(
                protocol="tcp", direction="outbound", local_ip="10.0.0.5", local_port=self.draw.randrange(32768, 61000),
                remote_ip=remote, remote_port=self.draw.choice((443, 443, 80, 5432)),
            ))  # fmt: skip
        if chance < 0.45:
            return ModuleLoad(**who, file=self.draw.choice(self.libraries))
        path = f"/srv/data/{self.draw.randrange(300)}/{self._hex(6)}.tmp"
        if chance < 0.65:
            return FileCreate(
                **who, file=File(path=path, name=path[-10:], directory=path[:-11], owner="root", mode="0644")
            )
        return FileChange(**who, file=ChangedFile(
            path=path, name=path[-10:], directory=path[:-11], size=self.draw.randrange(10**5), operation="write"
        ))  # fmt: skip


def cost(action: Callable[[], object], events: int, rounds: int = 9) -> float:
    """CPU microseconds an event: the best round, since neighbours on the machine only add."""
    found = []
    for _ in range(rounds):
        begin = time.process_time()
        action()
        found.append((time.process_time() - begin) / events * 1e6)
    return min(found)


def decode_all(frames: list[bytes]) -> list[RawBatch]:
    """Read every frame."""
    return [decode(one) for one in frames]


def agent_core() -> None:
    """Measure an agent's core from `emit` to the receipt; the Central Node is one that acknowledges at once."""
    events = Host().events(KEPT)
    calm_collector()
    with tempfile.TemporaryDirectory() as folder:
        buffer = Buffer(Path(folder) / "buffer.sqlite", now)
        intake = Intake(lambda batch: buffer.append(batch, Facts()), buffer.losses, batch_events=KEPT_BATCH)
        cpu, wall = time.process_time(), time.perf_counter()
        for start in range(0, KEPT, KEPT_BATCH):
            for event in events[start : start + KEPT_BATCH]:
                intake.emit(event)
            intake.flush()
        kept = (time.process_time() - cpu, time.perf_counter() - wall)
        size = buffer.stats().bytes
        cpu = time.process_time()
        while (batch := buffer.pick()) is not None:
            header = BatchHeader(
                agent="a" * 32, epoch=buffer.epoch, first=batch.first, last=batch.last, count=batch.count, sent=now()
            )
            frame(header, batch.payload)
            buffer.settle([(batch.first, batch.last)])
        sent = time.process_time() - cpu
        buffer.close()
    how = f"{KEPT} events in batches of {KEPT_BATCH}, one core, CPU time"
    line("agent_core_keep", kept[0] / KEPT * 1e6, "us/event", 5.0, how)
    line("agent_core_send", sent / KEPT * 1e6, "us/event", 0.5, how + ", without TLS")
    line("agent_buffer_durable", kept[1] / (KEPT / KEPT_BATCH) * 1e3, "ms/batch", 20.0, "wall, with fsync")
    line("agent_buffer_size", size / KEPT, "bytes/event", 60.0, how)


def line(name: str, value: float, unit: str, target: float, how: str) -> None:
    """Print one published number."""
    print(json.dumps({"name": name, "value": round(value, 2), "unit": unit, "target": target, "how": how}))


TARGETS = {250: (8.0, 4.0, 90.0), 1024: (3.0, 1.5, 60.0), 5000: (3.0, 1.5, 40.0)}
"""Events a batch -> us to encode, us to decode, bytes; a small batch shares less."""


def calm_collector() -> None:
    """Set the garbage collector as the agent does."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


def batches_of(size: int, targets: tuple[float, float, float]) -> None:
    """Measure batches of `size` events."""
    host = Host()
    batches = [host.events(size) for _ in range(max(1, 20_000 // size))]
    calm_collector()
    total = sum(map(len, batches))

    def encode() -> list[bytes]:
        return [Builder(events).encode(1) for events in batches]

    header = BatchHeader(agent="a" * 32, epoch="b" * 16, first=1, last=size, count=size, sent=START)
    frames = [frame(header, payload) for payload in encode()]
    how = f"{total} events in batches of {size}, one core, CPU time"
    line(f"wire_encode_{size}", cost(encode, total), "us/event", targets[0], how)
    line(f"wire_decode_{size}", cost(partial(decode_all, frames), total), "us/event", targets[1], how)
    line(f"wire_size_{size}", sum(map(len, frames)) / total, "bytes/event", targets[2], how)


def main() -> None:
    """Measure batches of the sizes that agents send, then an agent's core."""
    for size, targets in TARGETS.items():
        batches_of(size, targets)
    agent_core()


if __name__ == "__main__":
    main()
