"""Tasks of this host: each order is checked, written down before it is begun, run once, and reported at each change.

The journal (`tasks.json`) holds the ids that were taken and the tasks that are not over. A task whose agent was
killed goes on if it had not begun or its runner can resume it, else it has failed. A report is in the buffer before the
journal forgets its task: a kill in between gives the same report twice, never none.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from vedette.runtime.clock import DAY, Clock
from vedette.runtime.errors import IdentityError, VedetteError, WireError
from vedette.runtime.files import write_atomic
from vedette.schema.entities import Task
from vedette.schema.events.logs import TaskReport
from vedette.schema.tasks import CANCEL, CancelOrder, SignedTask, TaskId, TaskOrder
from vedette.wire.task import read_task

log = logging.getLogger(__name__)

REMEMBERED: Final = 30 * DAY
"""How long after its end an id is known, should the clock go back."""

Report = Callable[[TaskReport], None]
"""Puts a report into the buffer: on return it is durable."""


class TaskEndedError(VedetteError):
    """A task is over, and not as it should be; `state` is a final state of a task."""

    def __init__(self, problem: str, *, state: str = "failed") -> None:
        self.state = state
        super().__init__(problem)


class StoppingError(VedetteError):
    """The agent stops: the task goes on with the next start."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A task that was accepted and is not over."""

    order: TaskOrder
    started: int
    about: str = ""
    begun: bool = False


class Journal(msgspec.Struct, frozen=True, kw_only=True):
    """What must not be forgotten."""

    taken: dict[TaskId, int] = {}
    """Id -> until when it is known."""
    entries: list[Entry] = []


class Work:
    """What a runner gets: the order, and how to say how far it is."""

    def __init__(self, desk: "TaskDesk", entry: Entry, stop: threading.Event) -> None:
        self.order, self._desk, self._entry, self._stop = entry.order, desk, entry, stop

    def now(self) -> int:
        """Give the time, microseconds UTC."""
        return self._desk.clock()

    def report(self, step: str, *, progress: int | None = None, total: int | None = None) -> None:
        """Say what runs now."""
        self._desk.report(self._entry, "running", step=step, progress=progress, total=total)

    def wait(self, seconds: float) -> None:
        """Wait. Raises StoppingError, or TaskEndedError when the task was cancelled or its time is over."""
        if self._stop.wait(seconds):
            raise StoppingError("the agent stops")
        if self._desk.clock() >= self.order.expires:
            raise TaskEndedError("it was not done in time", state="expired")
        if self.order.id in self._desk.cancelled:
            raise TaskEndedError("", state="cancelled")


class Runner(Protocol):
    """Runs the tasks of one type."""

    resumes: bool
    """Whether a task goes on after the agent was started anew."""

    def about(self, order: TaskOrder) -> str:
        """Say what the task is about. Raises WireError when its parameters cannot be read."""
        ...

    def run(self, work: Work) -> bool:
        """Run it; False: it is not over, and whoever ends it calls `TaskDesk.end`. Raises TaskEndedError."""
        ...


class TaskDesk:
    """Takes orders from the uplink's thread and runs them in its own, one at a time."""

    def __init__(self, path: Path, *, tenant: str, host: str, report: Report, clock: Clock) -> None:
        self._path, self._tenant, self._host = path, tenant, host
        self._report, self.clock = report, clock
        self.key = ""
        """PEM of the key that signs tasks; empty: none is known yet, so none is taken."""
        self.runners: Mapping[str, Runner] = {}
        self.cancelled: set[TaskId] = set()
        self.problem = ""
        self._journal = self._load()
        self._lock = threading.Lock()
        self._queue = deque(self._journal.entries)
        self._woken = threading.Event()
        self._seen = 0

    def wants(self, number: int) -> bool:
        """Say whether there is a task that was not looked at."""
        return bool(self.key) and number > self._seen

    def take(self, documents: Sequence[SignedTask], number: int) -> None:
        """Take what the Central Node handed over when its newest task was `number`."""
        for document in documents:
            try:
                self._take(read_task(document, self.key, tenant=self._tenant, host=self._host))
            except (IdentityError, WireError) as error:
                self.problem = str(error)
                log.warning("task refused problem=%s", error)
        if documents:
            self._seen = number

    def open(self, task: TaskId) -> Entry | None:
        """Give a task that is not over."""
        with self._lock:
            return next((entry for entry in self._journal.entries if entry.order.id == task), None)

    def end(self, task: TaskId, state: str, error: str = "") -> None:
        """Report the end of a task and forget it; nothing happens for one that is over."""
        entry = self.open(task)
        if entry is not None:
            self.report(entry, state, error=error)
            with self._lock:
                self._keep(entries=[one for one in self._journal.entries if one is not entry])

    def report(
        self, entry: Entry, state: str, *, error: str = "", step: str = "", progress: int | None = None,
        total: int | None = None,
    ) -> None:  # fmt: skip
        """Put a report of a task's state into the buffer."""
        now, order = self.clock(), entry.order
        over = state not in {"accepted", "running"}
        task = Task(
            id=order.id, type=order.type, object=entry.about or None, state=state, step=step or None,
            progress=progress, total=total, started=entry.started, finished=now if over else None, error=error or None,
        )  # fmt: skip
        log.info("task id=%s type=%s state=%s step=%s error=%s", order.id, order.type, state, step, error)
        self._report(TaskReport(time=now, task=task))

    def loop(self, stop: threading.Event) -> None:
        """Run what was accepted, one task after another, until `stop`."""
        while True:
            self._woken.clear()
            while self._queue and not stop.is_set():
                try:
                    self._run(self._queue.popleft(), stop)
                except StoppingError:
                    return
            if stop.is_set():
                return
            self._woken.wait()

    def wake(self) -> None:
        """Have the loop look: something was accepted, or it is to end."""
        self._woken.set()

    def _run(self, entry: Entry, stop: threading.Event) -> None:
        order, runner = entry.order, self.runners.get(entry.order.type)
        if self.open(order.id) is None:
            return  # it ended while it waited: its trial was taken back
        if runner is None:
            self.end(order.id, "failed", f"this version knows no task of type {order.type!r}")
            return
        if entry.begun and not runner.resumes:
            self.end(order.id, "failed", "the agent ended while it ran")
            return
        entry = self._replace(entry, msgspec.structs.replace(entry, begun=True))
        work = Work(self, entry, stop)
        try:
            work.wait(0)
            if runner.run(work):
                self.end(order.id, "done")
        except TaskEndedError as error:
            self.end(order.id, error.state, str(error))
        except StoppingError:
            raise
        except Exception as error:  # a supervisor: the task failed, the desk goes on
            log.exception("task failed id=%s", order.id)
            self.end(order.id, "failed", f"{type(error).__name__}: {error}")

    def _take(self, order: TaskOrder) -> None:
        if order.id in self._journal.taken:
            return
        now = self.clock()
        entry = Entry(order=order, started=now)
        with self._lock:
            taken = {task: until for task, until in self._journal.taken.items() if until > now}
            taken[order.id] = order.expires + REMEMBERED
            self._keep(taken=taken, entries=[*self._journal.entries, entry])
        if order.expires <= now:
            self.end(order.id, "expired", "it came too late")
        elif order.type == CANCEL:
            self._cancel(entry)
        else:
            self._accept(entry)

    def _accept(self, entry: Entry) -> None:
        order = entry.order
        runner = self.runners.get(order.type)
        if runner is None:
            self.end(order.id, "failed", f"this version knows no task of type {order.type!r}")
            return
        try:
            known = msgspec.structs.replace(entry, about=runner.about(order))
        except WireError as error:
            self.end(order.id, "failed", str(error))
            return
        self._replace(entry, known)
        self.report(known, "accepted")
        self._queue.append(known)
        self.wake()

    def _replace(self, entry: Entry, by: Entry) -> Entry:
        with self._lock:
            self._keep(entries=[by if one is entry else one for one in self._journal.entries])
        return by

    def _cancel(self, entry: Entry) -> None:
        """Mark a task; it ends where it next looks. One that is past that ends by itself."""
        try:
            task = msgspec.json.decode(entry.order.parameters, type=CancelOrder).task
        except msgspec.DecodeError as error:
            self.end(entry.order.id, "failed", str(error))
            return
        if self.open(task) is None:
            self.end(entry.order.id, "failed", "that task is not open here")
            return
        self.cancelled.add(task)
        self.end(entry.order.id, "done")

    def _load(self) -> Journal:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=Journal)
        except FileNotFoundError:
            return Journal()
        except (OSError, msgspec.DecodeError) as error:
            # Ids are lost with it, so an order that has not expired could be taken twice; runners must bear that.
            log.warning("task journal not used problem=%s", error)
            return Journal()

    def _keep(self, *, entries: list[Entry], taken: dict[TaskId, int] | None = None) -> None:
        """Write the journal, then go by it: what could not be written was not taken."""
        journal = Journal(taken=self._journal.taken if taken is None else taken, entries=entries)
        write_atomic(self._path, msgspec.json.encode(journal))
        self._journal = journal
