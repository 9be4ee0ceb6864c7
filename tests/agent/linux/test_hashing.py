"""Questions about files, answered by other threads, bounded."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.agent.linux import hashing
from vedette.agent.linux.examine import Content, Question
from vedette.agent.linux.hashing import PER_FILE, Budget, Hasher, Version


@pytest.fixture
def hasher() -> Iterator[Hasher]:
    hasher = Hasher(largest=1 << 20, waiting=10)
    yield hasher
    hasher.stop()


def _answers(hasher: Hasher, count: int) -> dict[int, Content]:
    found: dict[int, Content] = {}
    deadline = time.monotonic() + 10
    while len(found) < count and time.monotonic() < deadline:
        found.update(hasher.finished())
        threading.Event().wait(0.005)
    return found


def test_every_question_gets_its_answer(hasher: Hasher, tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / str(number)).write_text(str(number))
    questions = [
        Question(n, (os.fsencode(tmp_path / str(n)),), 0, 0, digests=True, program=bool(n % 2)) for n in range(5)
    ]
    assert hasher.ask(questions) == []
    answers = _answers(hasher, 5)
    assert {n: answers[n].status for n in range(5)} == {0: None, 1: None, 2: None, 3: None, 4: "deleted"}
    assert hasher.waiting() == 0


def test_questions_beyond_the_room_are_given_back(hasher: Hasher, tmp_path: Path) -> None:
    questions = [Question(n, (os.fsencode(tmp_path / "x"),), 0, 0, digests=True) for n in range(12)]
    assert [question.ticket for question in hasher.ask(questions)] == [10, 11]


def test_what_was_found_is_remembered_up_to_a_bound(hasher: Hasher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hashing, "KEPT", 16)
    for number in range(40):
        hasher.remember(Version(1, number, 0, 0), Content(size=number))
    assert hasher.known(Version(1, 39, 0, 0)) == Content(size=39)
    assert hasher.known(Version(1, 0, 0, 0)) is None


def test_a_budget_allows_a_burst_then_its_rate() -> None:
    now = [0.0]
    unit = PER_FILE
    budget = Budget(rate=10 * unit, burst=100 * unit, clock=lambda: now[0])
    assert budget.take(89 * unit)
    assert budget.take(49 * unit)  # the last one may be larger than what is left
    assert not budget.take(0)
    now[0] = 4.1
    assert budget.take(0)
    now[0] = 1000
    assert budget.take(99 * unit)
    assert not budget.take(0)


def test_programs_are_hashed_beyond_the_budget(tmp_path: Path) -> None:
    hasher = Hasher(largest=1 << 20, budget=Budget(rate=0, burst=0))
    path = tmp_path / "x"
    path.write_text("x")
    names = (os.fsencode(path),)
    hasher.ask([Question(1, names, 0, 0, digests=True, program=True), Question(2, names, 0, 0, digests=True)])
    answers = _answers(hasher, 2)
    hasher.stop()
    assert (answers[1].status, answers[2].status) == (None, "budget")


def test_a_thread_that_hangs_in_a_file_system_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def hang(question: Question, **_: object) -> Content:
        if question.ticket == 1:
            release.wait(20)
        return Content(size=question.ticket)

    monkeypatch.setattr(hashing, "examine", hang)
    monkeypatch.setattr(hashing, "STUCK", 0.05)
    hasher = Hasher(largest=1)
    hasher.ask([Question(1, (), 0, 0, digests=True), Question(2, (), 0, 0, digests=True)])
    assert _answers(hasher, 1) == {2: Content(size=2)}
    assert hasher.stuck() == 1
    release.set()
    hasher.stop()
