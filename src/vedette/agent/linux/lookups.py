"""Events that wait for what is found in a file: bounded in time and number, the wait never blocks a thread."""

from collections import deque
from collections.abc import Callable

import msgspec

from vedette.agent.linux.examine import Content, Question
from vedette.agent.linux.hashing import Hasher, Version

LONGEST = 2_000_000_000
"""Nanoseconds that an event is held back at most."""
MOST = 8192
"""Questions that wait at most; then the oldest go on without an answer."""

Answer = Callable[[Content], None]
LATE, BUSY, DELETED = Content(status="late"), Content(status="busy"), Content(status="deleted")


class Ticket(msgspec.Struct, gc=False):
    """One question and who waits for its answer."""

    number: int
    deadline: int
    question: Question
    version: Version | None
    modified: int
    answers: list[Answer]


class Lookups:
    """Asks the hasher once for each version of a file and tells all who wait. One thread uses it."""

    def __init__(self, hasher: Hasher) -> None:
        self._hasher = hasher
        self._open: dict[int, Ticket] = {}
        self._by_version: dict[Version, Ticket] = {}
        self._order: deque[Ticket] = deque()
        self._new: list[Ticket] = []
        self._number = self._now = 0
        self.late = self.refused = 0

    def known(self, version: Version) -> Content | None:
        """Give what is known of a version already."""
        return self._hasher.known(version)

    def ask(
        self,
        paths: tuple[bytes, ...],
        answer: Answer,
        *,
        version: Version | None = None,
        modified: int = 0,
        program: bool = False,
        script: tuple[int, int] | None = None,
    ) -> Ticket:
        """Have `answer` called with what is in the file; `modified` (nanoseconds) belongs to `version`.

        `program`: a process or module waits; it goes before other files. `script`: see `Question`.

        Nothing is sent to the threads before `submit`, so that a file which is deleted at once costs nothing.
        """
        if version is not None and (waiting := self._by_version.get(version)) is not None:
            waiting.answers.append(answer)
            return waiting
        self._number += 1
        device, number = (version.device, version.number) if version else (0, 0)
        question = Question(self._number, paths, device, number, digests=True, program=program, script=script)
        ticket = Ticket(self._number, self._now + LONGEST, question, version, modified, [answer])
        self._open[ticket.number] = ticket
        self._order.append(ticket)
        self._new.append(ticket)
        if version is not None:
            self._by_version[version] = ticket
        return ticket

    def settle(self, ticket: Ticket, content: Content) -> None:
        """Answer a ticket now; whoever asks the same question meanwhile gets another ticket."""
        if self._open.pop(ticket.number, None) is None:
            return
        if ticket.version is not None:
            self._by_version.pop(ticket.version, None)
        answers, ticket.answers = ticket.answers, []
        for answer in answers:
            answer(content)

    def submit(self) -> None:
        """Send the new questions that are still open to the threads."""
        new, self._new = self._new, []
        wanted = [ticket for ticket in new if ticket.number in self._open]
        if not wanted:
            return
        refused = {question.ticket for question in self._hasher.ask([ticket.question for ticket in wanted])}
        self.refused += len(refused)
        for ticket in wanted:
            if ticket.number in refused:
                self.settle(ticket, BUSY)

    def poll(self, now: int) -> None:
        """Hand out the answers that came; whoever waited too long goes on without. `now` in nanoseconds."""
        self._now = now
        for number, content in self._hasher.finished():
            ticket = self._open.get(number)
            if ticket is None:
                continue
            version = ticket.version
            same = version is not None and content.size == version.size and content.modified == ticket.modified // 1000
            if version is not None and same and content.status in (None, "too_large"):
                self._hasher.remember(version, content)
            self.settle(ticket, content)
        order = self._order
        while order and (order[0].number not in self._open or order[0].deadline <= now or len(self._open) > MOST):
            ticket = order.popleft()
            if ticket.number in self._open:
                self.late += 1
                self.settle(ticket, LATE)

    def waiting(self) -> int:
        """Questions without an answer."""
        return len(self._open)
