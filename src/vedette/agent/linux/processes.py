"""The processes of this host: who they are, what runs in them, who started them.

A *life* is one process from fork to exit; its id never changes. An *image* is one program run in it: a life may
have several, one after another (exec). All events of an image share one `Process` object.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from msgspec.structs import replace

from vedette.agent.linux.accounts import Ids
from vedette.agent.linux.kernel_time import TICK, KernelTime, ticks
from vedette.probes.records import NO_ID
from vedette.schema.entities import File, FileIdentity, Parent, Process, Session, User
from vedette.schema.identity import process_entity_id

MOST = 32_768
"""Lives kept at most; the oldest go first."""
NOBODY: Ids = (NO_ID, NO_ID, NO_ID, NO_ID, NO_ID)
ENDED_BYTES = 4 << 20
"""Bytes of arguments and environments of ended lives, as the kernel gave them; in memory they take some three times
as much."""
ENDED_KEPT = 2048
"""Ended lives kept for records that come after the exit (the rings are read one after the other)."""


class Image:
    """A program running in a life. Events wait in `when_ready` until the digests of its file are known.

    `facts` are the fields of its `Process`; `forked`: it is a copy of the image `started_by`.
    """

    __slots__ = ("_facts", "_file_known", "_forked", "_parent", "_waiting", "process", "since", "started_by")

    def __init__(
        self,
        facts: dict[str, Any],
        *,
        since: int,
        started_by: "Image | None",
        file_known: bool = True,
        forked: bool = False,
    ) -> None:
        self._facts, self._file_known, self._forked = facts, file_known, forked
        self.since = since
        self.started_by = started_by
        self.process: Process | None = None
        self._parent: Parent | None = None
        self._waiting: list[Callable[[Process], None]] = []
        self._settle()

    def when_ready(self, then: Callable[[Process], None]) -> None:
        """Call `then` with the shared process, now or as soon as all of it is known."""
        if self.process is not None:
            then(self.process)
        else:
            self._waiting.append(then)

    def set_file(self, file: File) -> None:
        """Tell the file of the image, with digests or the reason why there are none."""
        self._file_known = True
        self._facts["file"] = file
        self._settle()

    def as_parent(self, process: Process) -> Parent:
        """Give the shared entity that the children of this image name; `process` is its own."""
        if self._parent is None:
            file = process.file
            identity = (
                file
                if file is None
                else FileIdentity(
                    name=file.name, directory=file.directory, path=file.path, md5=file.md5, sha256=file.sha256
                )
            )
            self._parent = Parent(
                entity_id=process.entity_id, pid=process.pid, file=identity, command_line=process.command_line
            )
        return self._parent

    def _settle(self) -> None:
        if self.process is not None or not self._file_known:
            return
        starter = self.started_by
        if starter is None:
            self._finish(Process(**self._facts))
        elif starter.process is None:
            starter.when_ready(lambda _: self._settle())
        elif self._forked:
            self._finish(replace(starter.process, **self._facts, parent=starter.as_parent(starter.process)))
        else:
            self._finish(Process(**self._facts, parent=starter.as_parent(starter.process)))

    def _finish(self, process: Process) -> None:
        self.process = process
        self.started_by, self._facts = None, {}  # else every ancestor of a long chain would be kept
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(process)


class Held(NamedTuple):
    """The start of a program that was started before in just this way."""

    key: bytes
    time: int
    """Nanoseconds since boot."""
    user: User
    image: Image


class Life:
    """One process. `start` in nanoseconds since boot, cut to ticks; `ended` 0 while it runs."""

    __slots__ = (
        "below",
        "ended",
        "entity_id",
        "held",
        "ids",
        "image",
        "kernel_thread",
        "parent",
        "pid",
        "previous",
        "seen",
        "session",
        "start",
        "started",
        "starter",
        "weight",
    )

    def __init__(self, pid: int, start: int, entity_id: str, parent: Image | None) -> None:
        self.pid, self.start, self.entity_id = pid, ticks(start), entity_id
        self.started = start
        """As exactly as it is known: /proc tells only ticks."""
        self.parent = parent
        self.image: Image | None = None
        self.previous: Image | None = None
        self.session: Session | None = None
        self.ids: Ids = NOBODY
        self.seen = False
        """Whether a start of this life was reported (or happened before the agent ran)."""
        self.kernel_thread = False
        self.ended = 0
        self.weight = 0
        """Bytes of the arguments and the environment of what runs in it."""
        self.held: Held | None = None
        """A start that is not told as long as it is nothing but a repetition."""
        self.below = 0
        """Processes that it forked and that were told or still run: who is named as a parent is told too."""
        self.starter: Life | None = None
        """Who forked it, as long as it is open whether this life is told; longer would keep all ancestors."""

    def run(self, image: Image) -> None:
        """A program took over the life."""
        self.previous, self.image = self.image, image

    def image_at(self, time: int) -> Image | None:
        """Give the program that ran at `time` (nanoseconds since boot); None = not told yet."""
        image = self.image
        if image is not None and self.previous is not None and time < image.since:
            return self.previous
        return image


class Processes:
    """The table. One thread uses it."""

    def __init__(self, host_id: str, boot_id: str, clock: KernelTime) -> None:
        self._host, self._boot, self._clock = host_id, boot_id, clock
        self._lives: dict[tuple[int, int], Life] = {}
        self._running: dict[int, Life] = {}
        self._ended: deque[Life] = deque()
        self._ended_weight = 0

    def __len__(self) -> int:
        return len(self._lives)

    def __iter__(self) -> Iterator[Life]:
        return iter(list(self._lives.values()))

    def get(self, pid: int, start: int) -> Life | None:
        """Give the life with this PID that started then."""
        return self._lives.get((pid, start // TICK))

    def running(self, pid: int) -> Life | None:
        """Give the life that has this PID now."""
        return self._running.get(pid)

    def at(self, pid: int, time: int) -> Life | None:
        """Give the life that had this PID at `time` (nanoseconds since boot), as far as it is remembered."""
        life = self._running.get(pid)
        if life is not None and life.start <= time:
            return life
        return next((ended for ended in reversed(self._ended) if ended.pid == pid and ended.start <= time), None)

    def add(self, pid: int, start: int, parent: Image | None) -> Life:
        """Begin a life; its PID must not be in use any more."""
        life = Life(pid, start, process_entity_id(self._host, self._boot, pid, ticks(start)), parent)
        former = self._running.get(pid)
        if former is not None:
            self.end(former, start)  # its exit was lost
        self._lives[pid, start // TICK] = self._running[pid] = life
        if len(self._lives) > MOST:
            self._forget_oldest()
        return life

    def end(self, life: Life, time: int) -> None:
        """End a life; it is kept for a while."""
        if life.ended:
            return
        life.ended = time
        if self._running.get(life.pid) is life:
            del self._running[life.pid]
        self._ended.append(life)
        self._ended_weight += life.weight
        while len(self._ended) > ENDED_KEPT or (self._ended_weight > ENDED_BYTES and len(self._ended) > 1):
            self._drop_ended()

    def forget_ended(self, before: int) -> None:
        """Drop lives that ended before `before` (nanoseconds since boot)."""
        while self._ended and self._ended[0].ended < before:
            self._drop_ended()

    def start_time(self, life: Life) -> int:
        """Give the start of a life in microseconds UTC."""
        return self._clock.micros(life.started)

    def _drop_ended(self) -> None:
        life = self._ended.popleft()
        self._ended_weight -= life.weight
        self._drop(life)

    def _drop(self, life: Life) -> None:
        key = (life.pid, life.start // TICK)
        if self._lives.get(key) is life:
            del self._lives[key]

    def _forget_oldest(self) -> None:
        if self._ended:
            self._drop_ended()
            return
        life = next(iter(self._lives.values()))
        self._drop(life)
        if self._running.get(life.pid) is life:
            del self._running[life.pid]
