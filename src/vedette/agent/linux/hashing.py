"""Digests and facts of files, once for each version of a file, in threads of their own.

The event threads never open a file: a dead network mount or a slow disk would stop them. They ask here and
go on; the answer comes back through `finished`.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from queue import SimpleQueue
from typing import NamedTuple

from vedette.agent.linux.examine import BLOCK, Content, Question, examine
from vedette.probes.records import Inode

KEPT = 16_384
"""Versions of files whose facts are remembered."""
STUCK = 10.0
"""Seconds after which a thread that hangs in a file system is left there and another one takes over."""
MOST_STUCK = 4
RATE, BURST = 16 << 20, 512 << 20
"""Bytes of written files that are read a second, over time, and at once: databases are written all day.
16 MiB/s is about 4 % of a core."""
PER_FILE = 32 << 10
"""Bytes that opening a file counts for: many small files cost as much as a large one."""


class Version(NamedTuple):
    """One state of one file: its time of change cannot be set by programs. `device` as the kernel writes it."""

    device: int
    number: int
    changed: int
    size: int


def version_of(inode: Inode) -> Version:
    """Give the version that a record of the kernel speaks of."""
    return Version(inode.device, inode.number, inode.changed, inode.size)


class Budget:
    """How many bytes may be read now: `rate` a second, `burst` at most after a quiet time."""

    def __init__(self, *, rate: int, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._left, self._at = float(burst), clock()

    def set_rate(self, rate: int) -> None:
        """Fill at another rate from now on."""
        self._rate = rate

    def take(self, size: int) -> bool:
        """Say whether `size` bytes may be read, and count them."""
        now = self._clock()
        self._left = min(float(self._burst), self._left + (now - self._at) * self._rate)
        self._at = now
        if self._left <= 0:
            return False
        self._left -= size + PER_FILE  # may go below 0: a large file is paid for by those that follow
        return True


class _Lane:
    """Questions of one sort and the thread that answers them."""

    def __init__(self, name: str, answer: Callable[[Question, bytearray], None]) -> None:
        self._name, self._answer = name, answer
        self._questions: SimpleQueue[Question | None] = SimpleQueue()
        self._since = 0.0
        self._thread: threading.Thread | None = None
        self.stuck = 0
        self._start()

    def put(self, question: Question) -> None:
        self._questions.put(question)

    def stop(self) -> None:
        self._questions.put(None)

    def watch(self, now: float) -> None:
        """Let another thread take over from one that hangs."""
        since = self._since
        if since and now - since > STUCK and self.stuck < MOST_STUCK:
            self.stuck += 1
            self._start()

    def _start(self) -> None:
        self._since = 0.0
        self._thread = threading.Thread(target=self._work, name=f"hash-{self._name}-{self.stuck}", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        buffer, me = bytearray(BLOCK), threading.current_thread()
        while self._thread is me and (question := self._questions.get()) is not None:
            self._since = time.monotonic()
            self._answer(question, buffer)
            if self._thread is me:
                self._since = 0.0


class Hasher:
    """Answers questions about files. At most `waiting` questions wait; more are refused."""

    def __init__(self, *, largest: int, waiting: int = 8192, budget: Budget | None = None) -> None:
        self._largest, self._limit = largest, waiting
        self._budget = budget or Budget(rate=RATE, burst=BURST)
        self._answers: deque[tuple[int, Content]] = deque()
        self._known: dict[Version, Content] = {}
        self._asked = self._answered = 0
        self._programs, self._files = _Lane("programs", self._answer), _Lane("files", self._answer)

    def set_largest(self, largest: int) -> None:
        """Take another bound, in bytes, for files that are hashed."""
        self._largest = largest

    def set_rate(self, rate: int) -> None:
        """Read so many bytes of written files a second from now on, over time."""
        self._budget.set_rate(rate)

    def forget(self) -> None:
        """Let go of half of what is remembered, the oldest first."""
        for old in list(self._known)[: len(self._known) // 2]:
            del self._known[old]

    def known(self, version: Version) -> Content | None:
        """Give what is known of this version of a file."""
        return self._known.get(version)

    def remember(self, version: Version, content: Content) -> None:
        """Keep an answer for the next event about the same version."""
        if len(self._known) >= KEPT:
            for old in list(self._known)[: KEPT // 8]:
                del self._known[old]
        self._known[version] = content

    def waiting(self) -> int:
        """Questions without an answer."""
        return self._asked - self._answered

    def ask(self, questions: list[Question]) -> list[Question]:
        """Take questions; give back those for which there is no room."""
        room = max(0, self._limit - self.waiting())
        taken, refused = questions[:room], questions[room:]
        self._asked += len(taken)
        for question in taken:
            (self._programs if question.program else self._files).put(question)
        return refused

    def finished(self) -> Iterable[tuple[int, Content]]:
        """Take the answers that have come: (ticket, content)."""
        if self.waiting():
            now = time.monotonic()
            self._programs.watch(now)
            self._files.watch(now)
        while self._answers:
            self._answered += 1
            yield self._answers.popleft()

    def stuck(self) -> int:
        """Threads that hang in a file system."""
        return self._programs.stuck + self._files.stuck

    def stop(self) -> None:
        """End the threads after what they do now."""
        self._programs.stop()
        self._files.stop()

    def _answer(self, question: Question, buffer: bytearray) -> None:
        allow = (lambda _: True) if question.program else self._budget.take
        self._answers.append((question.ticket, examine(question, largest=self._largest, buffer=buffer, allow=allow)))
