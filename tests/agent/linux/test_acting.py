"""Questions about processes between sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vedette.agent.linux.acting import MOST, PATIENCE, REST, ActingProcesses
from vedette.agent.linux.processes import Image, Life
from vedette.schema.entities import File, Process

if TYPE_CHECKING:
    from collections.abc import Callable

SU = File(path="/usr/bin/su", name="su")
SHELL = File(path="/bin/sh", name="sh")


class Desk:
    """The questions, a clock that the test moves, a table and the answers."""

    def __init__(self) -> None:
        self.now = 100.0
        self.acting = ActingProcesses(lambda: self.now)
        self.table: dict[int, tuple[Life, Image]] = {}
        self.asked: list[bool] = []
        self.answers: list[Process | None] = []

    def find(self, pid: int, at: int, look: bool) -> tuple[Life, Image] | None:  # noqa: FBT001 - as `Find`
        assert at == 7
        self.asked.append(look)
        return self.table.get(pid)

    def ask(self, pid: int, executable: str | None = None) -> None:
        self.acting.ask(pid, 7, lambda _, process: self.answers.append(process), executable=executable)

    def serve(self, seconds: float) -> list[Process | None]:
        self.now += seconds
        self.acting.serve(self.find)
        return self.answers

    def run(self, pid: int, *files: File) -> Callable[[File], None]:
        """Let programs run in a life, one after another; gives how to tell the last one's file."""
        life = Life(pid, 0, f"id{pid}", None)
        for file in files:
            life.run(Image({"pid": pid, "file": file}, since=0, started_by=None))
        image = life.image
        assert image is not None
        self.table[pid] = (life, image)
        return image.set_file


def test_a_question_rests_until_the_kernel_has_told_of_the_process() -> None:
    desk = Desk()
    desk.run(5, SU)
    desk.ask(5)
    assert desk.serve(REST / 2) == []
    (process,) = desk.serve(REST)
    assert process is not None
    assert process.file == SU


def test_a_process_that_is_in_no_table_is_looked_for_again_and_given_up_in_the_end() -> None:
    desk = Desk()
    desk.ask(5)
    assert desk.serve(REST) == []
    assert desk.serve(REST) == []
    assert desk.asked == [False, False]
    assert desk.serve(PATIENCE) == [None]
    assert desk.asked[-1] is True
    assert desk.acting.unknown == 1


def test_the_program_that_the_record_names_is_taken_where_a_life_had_two() -> None:
    desk = Desk()
    desk.run(5, SU, SHELL)
    desk.ask(5, "/usr/bin/su")
    desk.ask(5, "/bin/sh")
    desk.ask(5, "/elsewhere")
    files = [process.file for process in desk.serve(REST) if process is not None]
    assert files == [SU, SHELL, SHELL]


def test_the_answer_comes_when_the_digests_of_the_file_are_known() -> None:
    desk = Desk()
    life = Life(5, 0, "id5", None)
    image = Image({"pid": 5}, since=0, started_by=None, file_known=False)
    life.run(image)
    desk.table[5] = (life, image)
    desk.ask(5)
    assert desk.serve(REST) == []
    image.set_file(SU)
    (process,) = desk.answers
    assert process is not None
    assert process.file == SU


def test_without_anybody_who_serves_the_answer_is_none() -> None:
    desk = Desk()
    desk.ask(5)
    desk.acting.expire()
    assert desk.answers == []
    desk.now += PATIENCE + 1.1
    desk.acting.expire()
    assert desk.answers == [None]


def test_when_the_owner_of_the_table_stops_everything_is_answered() -> None:
    desk = Desk()
    desk.run(5, SU)
    desk.ask(5)
    desk.ask(6)
    desk.acting.serve(desk.find, final=True)
    assert [process is None for process in desk.answers] == [False, True]
    assert len(desk.acting) == 0


def test_when_a_source_stops_nothing_stays_unanswered() -> None:
    desk = Desk()
    desk.ask(5)
    desk.acting.finish(seconds=0)
    assert desk.answers == [None]


def test_questions_are_bounded() -> None:
    desk = Desk()
    for _ in range(MOST + 3):
        desk.ask(5)
    assert desk.answers == [None] * 3
    assert len(desk.acting) == MOST
