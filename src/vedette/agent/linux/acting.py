"""Who acted: other sources ask the process table of the kernel source about the PID in their records.

The table belongs to the thread that decodes kernel records; questions wait until that thread serves them. A record of
a log comes at once, the kernel's record of the process a moment later: so a question rests first. When nobody serves
(the kernel source does not run here) it is answered with None in the end. Bounded.
"""

import math
import time
from collections import deque
from collections.abc import Callable
from typing import Final, NamedTuple

from vedette.agent.linux.processes import Image, Life
from vedette.schema.entities import Process
from vedette.schema.fields import Micros

REST: Final = 0.3
"""Seconds that a question rests before it is answered first."""
PATIENCE: Final = 2.5
"""Seconds after which a process that is in no table is given up."""
MOST: Final = 4096
"""Questions that wait at most; beyond that they are answered with None at once."""

Answer = Callable[[Life | None, Process | None], None]
Find = Callable[[int, Micros, bool], tuple[Life, Image] | None]
"""PID, time, whether /proc may be asked -> who ran there."""


class Question(NamedTuple):
    """Who was `pid` at `time`? It ran `executable`, when that is known."""

    pid: int
    time: Micros
    executable: str | None
    due: float
    deadline: float
    then: Answer


class ActingProcesses:
    """Questions about processes on their way from other sources to the owner of the table."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._waiting: deque[Question] = deque()
        self.unknown = 0
        """Questions to which there was no answer."""

    def __len__(self) -> int:
        return len(self._waiting)

    def ask(self, pid: int, at: Micros, then: Answer, *, executable: str | None = None) -> None:
        """Have `then` called, on another thread, with life and process of `pid` at `at`."""
        if len(self._waiting) >= MOST:
            self.unknown += 1
            then(None, None)
            return
        now = self._monotonic()
        self._waiting.append(Question(pid, at, executable, now + REST, now + PATIENCE, then))

    def serve(self, find: Find, *, final: bool = False) -> None:
        """Answer what is due; for the thread that owns the table. `final`: it stops, all is due."""
        now = math.inf if final else self._monotonic()
        for _ in range(len(self._waiting)):
            if not self._waiting or self._waiting[0].due > now:
                return
            question = self._waiting.popleft()
            last = question.deadline <= now
            found = find(question.pid, question.time, last)
            if found is not None:
                _answer(question, *found)
            elif last:
                self.unknown += 1
                question.then(None, None)
            else:
                self._waiting.append(question._replace(due=now + REST))

    def finish(self, *, seconds: float = 1.5) -> None:
        """Wait a little for the answers that are missing, then go on without; for a source that stops."""
        end = time.monotonic() + seconds
        while self._waiting and time.monotonic() < end:
            time.sleep(0.05)
        self.expire(grace=-math.inf)

    def expire(self, *, grace: float = 1.0) -> None:
        """Answer with None what nobody served; for the thread that asks."""
        late = self._monotonic() - grace
        while True:
            try:
                question = self._waiting.popleft()
            except IndexError:
                return
            if question.deadline > late:
                self._waiting.appendleft(question)
                return
            self.unknown += 1
            question.then(None, None)


def _answer(question: Question, life: Life, image: Image) -> None:
    """Answer once the file of the process is known: the program that the record names, where a life had several."""
    former = life.previous
    wanted = question.executable

    def ready(process: Process) -> None:
        if wanted and former is not None and former.process is not None and not _runs(process, wanted):
            process = former.process if _runs(former.process, wanted) else process
        question.then(life, process)

    image.when_ready(ready)


def _runs(process: Process, executable: str) -> bool:
    return process.file is not None and process.file.path == executable
