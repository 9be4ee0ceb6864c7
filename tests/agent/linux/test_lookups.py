"""Waiting for answers about files, never longer than allowed."""

from __future__ import annotations

import pytest
from tests.agent.linux.conftest import SECOND, FakeHasher, content_of, inode_of

from vedette.agent.linux import lookups as module
from vedette.agent.linux.examine import Content
from vedette.agent.linux.hashing import version_of
from vedette.agent.linux.lookups import DELETED, LATE, Lookups

INODE = inode_of(5)
VERSION = version_of(INODE)


@pytest.fixture
def hasher() -> FakeHasher:
    return FakeHasher()


@pytest.fixture
def lookups(hasher: FakeHasher) -> Lookups:
    made = Lookups(hasher)  # type: ignore[arg-type]
    made.poll(SECOND)
    return made


def test_one_version_is_asked_for_once_and_all_are_told(lookups: Lookups, hasher: FakeHasher) -> None:
    told: list[Content] = []
    for _ in range(3):
        lookups.ask((b"/x",), told.append, version=VERSION, modified=INODE.modified)
    lookups.submit()
    assert len(hasher.questions) == 1
    hasher.answer(content_of(INODE))
    lookups.poll(SECOND)
    assert told == [content_of(INODE)] * 3
    assert lookups.known(VERSION) == content_of(INODE)


def test_an_answer_about_a_later_version_is_told_but_not_remembered(lookups: Lookups, hasher: FakeHasher) -> None:
    told: list[Content] = []
    lookups.ask((b"/x",), told.append, version=VERSION, modified=INODE.modified)
    lookups.submit()
    later = content_of(inode_of(5, size=101))
    hasher.answer(later)
    lookups.poll(SECOND)
    assert told == [later]
    assert lookups.known(VERSION) is None


def test_who_waits_two_seconds_goes_on_without_and_the_late_answer_is_dropped(
    lookups: Lookups, hasher: FakeHasher
) -> None:
    told: list[Content] = []
    lookups.ask((b"/x",), told.append)
    lookups.submit()
    lookups.poll(2 * SECOND)
    assert told == []
    lookups.poll(4 * SECOND)
    hasher.answer(Content())
    lookups.poll(4 * SECOND)
    assert told == [LATE]
    assert lookups.late == 1


def test_a_question_settled_before_it_was_sent_is_never_sent(lookups: Lookups, hasher: FakeHasher) -> None:
    told: list[Content] = []
    ticket = lookups.ask((b"/x",), told.append)
    lookups.settle(ticket, DELETED)
    lookups.submit()
    assert hasher.questions == []
    assert told == [DELETED]


def test_too_many_that_wait_let_the_oldest_go(lookups: Lookups, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 5)
    told: list[int] = []
    for number in range(8):
        lookups.ask((b"/x",), lambda _, number=number: told.append(number))  # type: ignore[misc]
    lookups.submit()
    lookups.poll(SECOND)
    assert told == [0, 1, 2]
    assert lookups.waiting() == 5
