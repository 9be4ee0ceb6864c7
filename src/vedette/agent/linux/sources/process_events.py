"""Records about processes -> the process table, process_start and process_stop."""

from collections import deque
from collections.abc import Callable

from msgspec.structs import replace

from vedette.agent.linux import inventory
from vedette.agent.linux.kernel_time import ticks
from vedette.agent.linux.processes import Held, Image, Life
from vedette.agent.linux.repeats import Key, Repeats, key_of_fork, key_of_program
from vedette.agent.linux.sources.images import Images
from vedette.agent.linux.sources.model import Model
from vedette.agent.linux.sources.savings import REPEATS
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
        self._leaving: deque[tuple[int, Life, Exit]] = deque()
        self._repeats = Repeats()

    def fork(self, record: Fork) -> None:
        """Begin a life."""
        processes = self._model.processes
        if processes.get(record.pid, record.start) is not None:
            return
        parent = self._parent(record)
        life = processes.add(record.pid, record.start, self.image_of(parent, record.time) if parent else None)
        if parent is not None:
            parent.below += 1
            life.starter = parent
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
        if life.held is not None:
            self.report(life)  # it only handed on to another program
        life.kernel_thread, life.ids, life.weight = False, record.ids, len(record.env) + sum(map(len, record.args))
        image = self._images.of_exec(record, life)
        life.run(image)
        if model.is_elsewhere(record.mount_namespace):
            model.witnesses.see(record.mount_namespace, record.pid)
        user = model.accounts.user(record.ids)
        key = key_of_program(record, _process_of(life.parent)) if model.savings.level >= REPEATS else None
        if key is not None and self._repeats.is_repeat(key, record.time):
            life.seen, life.held = False, Held(key, record.time, user, image)
            self._forked.append((record.time + SETTLED, life))
            return
        if parent is not None and not parent.seen:
            self.report(parent)  # it only forked; else the chain of parents had a hole
        life.seen, life.starter = True, None
        repeats = 0 if key is None else self._repeats.tell(key, record.time)
        self._start(life, image, model.clock.micros(record.time), user, repeats=repeats)

    def replaced(self, found: inventory.Found, time: int) -> None:
        """Let the program that /proc or an audit record tells of take over its life, and report its start."""
        model = self._model
        life = model.processes.get(found.pid, found.start)
        starter = life.parent if life is not None else None
        if starter is None and (acted := self.acted(found.parent, time, look=True)) is not None:
            starter = acted[1]
        if life is None:
            life = model.processes.add(found.pid, found.start, starter)
        else:
            life.parent = starter
            above = model.processes.at(found.parent, time)
            if above is not None and not above.seen:
                self.report(above)  # it only forked; else the chain of parents had a hole
        life.seen, life.kernel_thread, life.ids = True, found.kernel_thread, found.ids
        image = self._images.of_found(found, life, since=time)
        life.run(image)
        self._start(life, image, model.clock.micros(time), model.accounts.user(found.ids))

    def exit(self, record: Exit) -> None:
        """End a life and report it."""
        model = self._model
        life = self.life(record)
        if life.ended or life.kernel_thread:
            model.processes.end(life, record.time)
            return
        if not life.seen and model.savings.level >= REPEATS:
            # What it did may come after its exit: the rings are read one after the other.
            model.processes.end(life, record.time)
            self._leaving.append((record.time + SETTLED, life, record))
            return
        self.report(life)
        self._stop(life, record)
        model.processes.end(life, record.time)

    def _stop(self, life: Life, record: Exit) -> None:
        model, image = self._model, self.image_of(life, record.time)
        user, session = model.accounts.user(record.ids), life.session
        time, status = model.clock.micros(record.time), record.status

        def stop(process: Process) -> None:
            ended = replace(process, end_time=time)
            if status is not None:
                ended = replace(ended, exit_code=status >> 8 & 0xFF, exit_signal=status & 0x7F)
            model.emit(ProcessStop(time=time, user=user, session=session, process=ended))

        image.when_ready(stop)

    def tick(self, now: int) -> None:
        """Report forks that live on; forget what ended. `now` in nanoseconds since boot."""
        forked = self._forked
        while forked and (forked[0][0] <= now or forked[0][1].seen or forked[0][1].ended):
            _, life = forked.popleft()
            if not life.ended:
                self.report(life)
        leaving = self._leaving
        while leaving and leaving[0][0] <= now:
            _, life, record = leaving.popleft()
            if not life.seen and self._is_folded(life, record.time):
                continue
            self.report(life)
            self._stop(life, record)
        self._model.processes.forget_ended(now - ENDED_KEPT)

    def life(self, record: Acted) -> Life:
        """Give the life that a record speaks of; /proc or the record itself tells when its start was lost."""
        life = self._model.processes.get(record.pid, record.start)
        if life is not None:
            return life
        if not record.start:
            return self._stranger(record.pid)
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
        held, life.held = life.held, None
        starter, life.starter = life.starter, None
        if held is None:
            user = self._model.accounts.user(life.ids)
            self._start(life, self.image_of(life, life.start), self._model.processes.start_time(life), user)
            return
        if starter is not None:
            self.report(starter)
        repeats = self._repeats.tell(held.key, held.time)
        self._start(life, held.image, self._model.clock.micros(held.time), held.user, repeats=repeats)

    def finish(self) -> None:
        """Decide on what is held back: nobody will learn what becomes of it."""
        self.tick(1 << 62)
        for life in self._model.processes:
            if life.held is not None:
                self.report(life)

    def _is_folded(self, life: Life, now: int) -> bool:
        """Leave out a life that repeated another one, did nothing that was told and has ended; counts it."""
        savings = self._model.savings
        if savings.level < REPEATS or life.below:
            return False
        if life.held is not None:
            key: Key | None = life.held.key
        else:
            parent = _process_of(life.parent)
            key = key_of_fork(parent, life.ids) if parent is not None else None
            if key is not None and not self._repeats.is_repeat(key, now):
                self._repeats.tell(key, now)
                return False
        if key is None:
            return False
        self._repeats.fold(key)
        savings.count("process_start")
        savings.count("process_stop")
        life.seen, life.held = True, None
        starter, life.starter = life.starter, None
        if starter is not None:
            starter.below -= 1
        return True

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

    def _stranger(self, pid: int) -> Life:
        """Give a life that is in no table: nothing but its PID is known (0: not even that), and it is gone."""
        life = Life(pid, 0, "", None)
        life.seen = True
        life.run(Image({"pid": pid} if pid else {}, since=0, started_by=None))
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

    def _start(self, life: Life, image: Image, time: int, user: User, *, repeats: int = 0) -> None:
        emit, session = self._model.emit, life.session
        process = image.process
        if process is not None and not repeats:
            emit(ProcessStart(time=time, user=user, session=session, process=process))
            return

        def tell(ready: Process) -> None:
            told = replace(ready, repeats=repeats) if repeats else ready
            emit(ProcessStart(time=time, user=user, session=session, process=told))

        image.when_ready(tell)


def _process_of(image: Image | None) -> Process | None:
    return image.process if image is not None else None
