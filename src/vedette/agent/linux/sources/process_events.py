"""Records about processes -> the process table, process_start and process_stop."""

from collections import deque
from collections.abc import Callable

from msgspec.structs import replace

from vedette.agent.linux import inventory
from vedette.agent.linux.kernel_time import ticks
from vedette.agent.linux.processes import Image, Life
from vedette.agent.linux.sources.images import Images
from vedette.agent.linux.sources.model import Model
from vedette.probes.records import NO_ID, Acted, Exec, Exit, Fork
from vedette.schema.entities import Process, User
from vedette.schema.events.process import ProcessStart, ProcessStop

SETTLED = 1_000_000_000
"""Nanoseconds after which a forked process that ran no other program is reported as started."""
ENDED_KEPT = 5_000_000_000
"""Nanoseconds that an ended process is remembered for late records."""


class ProcessEvents:
    """Keeps the process table and reports starts and ends.

    A fork is reported when it matters: when the process does something, has a child that starts a program, ends,
    or lives on for a second; if it starts a program at once, that start is the report. The id stays the same.
    """

    def __init__(self, model: Model, look: Callable[[int], inventory.Found | None] = inventory.look) -> None:
        self._model, self._look, self._images = model, look, Images(model)
        self._forked: deque[tuple[int, Life]] = deque()

    def fork(self, record: Fork) -> None:
        """Begin a life."""
        processes = self._model.processes
        if processes.get(record.pid, record.start) is not None:
            return
        parent = self._parent(record)
        life = processes.add(record.pid, record.start, self.image_of(parent, record.time) if parent else None)
        if parent is not None:
            life.session, life.kernel_thread = parent.session, parent.kernel_thread
        if life.session is None and record.session != NO_ID:  # a login program that forks the user's shell
            life.session = self._model.accounts.session(record.session, record.ids[4], "", "")
        life.ids = record.ids
        if not life.kernel_thread:
            self._forked.append((record.time + SETTLED, life))

    def exec(self, record: Exec) -> None:
        """Let a program take over its life, and report its start."""
        model = self._model
        life = model.processes.get(record.pid, record.start)
        parent = model.processes.get(record.parent, record.parent_start)
        if life is None:  # its fork was lost
            parent = parent or self._parent(record)
            life = model.processes.add(record.pid, record.start, self.image_of(parent, record.time) if parent else None)
        if parent is not None and not parent.seen:
            self.report(parent)  # it only forked; else the chain of parents had a hole
        life.seen, life.kernel_thread, life.ids = True, False, record.ids
        image = self._images.of_exec(record, life)
        life.run(image)
        if model.is_elsewhere(record.mount_namespace):
            model.witnesses.see(record.mount_namespace, record.pid)
        self._start(life, image, model.clock.micros(record.time), model.accounts.user(record.ids))

    def exit(self, record: Exit) -> None:
        """End a life and report it."""
        model = self._model
        life = self.life(record)
        if life.ended or life.kernel_thread:
            model.processes.end(life, record.time)
            return
        self.report(life)
        image = self.image_of(life, record.time)
        model.processes.end(life, record.time)
        user, session = model.accounts.user(record.ids), life.session
        time, status = model.clock.micros(record.time), record.status

        def stop(process: Process) -> None:
            ended = replace(process, end_time=time, exit_code=status >> 8 & 0xFF, exit_signal=status & 0x7F)
            model.emit(ProcessStop(time=time, user=user, session=session, process=ended))

        image.when_ready(stop)

    def tick(self, now: int) -> None:
        """Report forks that live on; forget what ended. `now` in nanoseconds since boot."""
        forked = self._forked
        while forked and (forked[0][0] <= now or forked[0][1].seen or forked[0][1].ended):
            _, life = forked.popleft()
            if not life.ended:
                self.report(life)
        self._model.processes.forget_ended(now - ENDED_KEPT)

    def life(self, record: Acted) -> Life:
        """Give the life that a record speaks of; /proc or the record itself tells when its start was lost."""
        life = self._model.processes.get(record.pid, record.start)
        if life is not None:
            return life
        found = self._look(record.pid)
        if found is not None and found.start == ticks(record.start):
            return self.adopt(found)
        parent = self._model.processes.get(record.parent, record.parent_start)
        life = self._model.processes.add(record.pid, record.start, parent.image if parent else None)
        life.seen, life.ids = True, record.ids
        life.run(self._images.of_fork(life))
        return life

    def acting(self, record: Acted) -> Life:
        """Give the life that did something, its start reported."""
        life = self._model.processes.get(record.pid, record.start) or self.life(record)
        if not life.seen:
            self.report(life)
        if self._model.is_elsewhere(record.mount_namespace):
            self._model.witnesses.see(record.mount_namespace, record.pid)
        return life

    def acted(self, pid: int, time: int, *, look: bool) -> tuple[Life, Image] | None:
        """Give who had this PID at `time` and what ran in it, its start reported; `look`: /proc may be asked too."""
        life = self._model.processes.at(pid, time)
        if life is None and look:
            found = self._look(pid)
            life = self.adopt(found) if found is not None and found.start <= time else None
        if life is None:
            return None
        if not life.seen:
            self.report(life)
        return life, self.image_of(life, time)

    def image_of(self, life: Life, time: int) -> Image:
        """Give the program that ran in a life at `time`; a forked process runs that of its parent."""
        image = life.image_at(time)
        if image is None:
            image = self._images.of_fork(life)
            life.run(image)
        return image

    def report(self, life: Life) -> None:
        """Report the start of a forked process, unless it was."""
        if life.seen or life.kernel_thread:
            return
        life.seen = True
        user = self._model.accounts.user(life.ids)
        self._start(life, self.image_of(life, life.start), self._model.processes.start_time(life), user)

    def adopt(self, found: inventory.Found) -> Life:
        """Enter a process that started before the agent, or whose start was lost."""
        model = self._model
        parent = model.processes.running(found.parent)
        life = model.processes.add(found.pid, found.start, self.image_of(parent, found.start) if parent else None)
        life.seen, life.kernel_thread, life.ids = True, found.kernel_thread, found.ids
        life.run(self._images.of_found(found, life))
        if model.is_elsewhere(found.mount_namespace):
            model.witnesses.see(found.mount_namespace, found.pid)
        return life

    def _parent(self, record: Acted) -> Life | None:
        if not record.parent:
            return None
        life = self._model.processes.get(record.parent, record.parent_start)
        if life is None:
            found = self._look(record.parent)
            if found is not None and found.start == ticks(record.parent_start):
                life = self.adopt(found)
        return life

    def _start(self, life: Life, image: Image, time: int, user: User) -> None:
        emit, session = self._model.emit, life.session
        process = image.process
        if process is not None:
            emit(ProcessStart(time=time, user=user, session=session, process=process))
        else:
            image.when_ready(lambda ready: emit(ProcessStart(time=time, user=user, session=session, process=ready)))
