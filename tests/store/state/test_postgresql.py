"""What is PostgreSQL's alone: turns, lost connections, a server that is killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.conftest import until
from tests.postgresql import PostgreSQL, empty, fetch

from vedette.runtime.errors import ConfigError, StoreError
from vedette.store.state import State, database, migrate, open_state

INSERT = text("INSERT INTO segment (number, settled, stored, dead_letter) VALUES (:number, 0, 0, 0)")
NUMBERS = text("SELECT number FROM segment ORDER BY number")
HIGHEST = text("SELECT COALESCE(max(number), 0) FROM segment")
WAITING = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgreSQL]:
    fetch()
    own = PostgreSQL(tmp_path_factory.mktemp("own") / "pg", "synchronous_commit=off")
    own.start()
    migrate(own.url())
    yield own
    own.stop()


@pytest.fixture
def connect(server: PostgreSQL) -> Iterator[Callable[[], State]]:
    """Give a function that opens the emptied state; all are closed with the test."""
    empty(server.url())
    with ExitStack() as opened:
        yield lambda: opened.enter_context(closing(open_state(server.url())))


def add_next(state: State, times: int) -> None:
    """Write the number after the highest one: two at the same time would write the same number."""
    for _ in range(times):
        with state.write() as db:
            db.execute(INSERT, {"number": db.execute(HIGHEST).scalar_one() + 1})


def test_writers_take_turns_and_each_sees_what_the_one_before_wrote(connect: Callable[[], State]) -> None:
    writers = [threading.Thread(target=add_next, args=(connect(), 50)) for _ in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with connect().read() as db:
        assert db.execute(NUMBERS).scalars().all() == list(range(1, 201))


def test_a_turn_that_does_not_come_is_an_error_in_time(
    connect: Callable[[], State], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(database._SESSION, "lock_timeout", "100ms")
    state = connect()
    with state.write(), pytest.raises(StoreError, match="lock timeout"), state.write():
        pytest.fail("two have the turn")
    add_next(state, 1)


def test_a_commit_waits_for_the_disk_whatever_the_server_is_told(connect: Callable[[], State]) -> None:
    with connect().write() as db:
        assert db.execute(text("SHOW synchronous_commit")).scalar_one() == "on"


def test_a_read_changes_nothing(connect: Callable[[], State]) -> None:
    with pytest.raises(StoreError, match="read-only"), connect().read() as db:
        db.execute(INSERT, {"number": 1})


def test_who_waits_for_a_turn_gets_it_when_its_owner_dies(connect: Callable[[], State]) -> None:
    state, other = connect(), connect()
    got = threading.Thread(target=add_next, args=(other, 1))
    with pytest.raises(StoreError), state.write() as db:  # noqa: PT012 - the last line of the block is what fails
        db.execute(INSERT, {"number": 7})
        owner = db.execute(text("SELECT pg_backend_pid()")).scalar_one()
        got.start()
        with other.read() as look:
            until(
                lambda: look.execute(WAITING).scalar_one(), seconds=20, every=0.05, what="waiting", alive=lambda: None
            )
            look.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": owner})
        got.join(20)
        db.execute(INSERT, {"number": 8})
    with state.read() as db:
        assert db.execute(NUMBERS).scalars().all() == [1]


def test_kill_9_of_the_server_loses_nothing_that_was_committed(
    server: PostgreSQL, connect: Callable[[], State]
) -> None:
    state, stop = connect(), threading.Event()
    committed: list[int] = []

    def write() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            try:
                with state.write() as db:
                    db.execute(INSERT, {"number": number})
            except StoreError:
                stop.wait(0.01)
            else:
                committed.append(number)

    def further() -> None:
        wanted = len(committed) + 30
        until(lambda: len(committed) >= wanted, seconds=60, every=0.02, what="commits", alive=lambda: None)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(2):
            further()
            server.kill()
            server.start()
        further()
    finally:
        stop.set()
        writer.join()
    with state.read() as db:
        assert set(committed) <= set(db.execute(NUMBERS).scalars())


def test_a_server_that_is_not_there_is_said_so_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql+psycopg://vedette:opensesame@/state?host={tmp_path}"
    for ask in (open_state, migrate):
        with pytest.raises(StoreError, match="the state database cannot be") as caught:
            ask(url)
        assert "opensesame" not in str(caught.value)


@pytest.mark.parametrize("url", ["mysql://u:opensesame@h/x", "opensesame", "postgresql+nothing://u:opensesame@h/x"])
def test_another_kind_of_database_is_refused(url: str) -> None:
    for ask in (open_state, migrate):
        with pytest.raises(ConfigError, match="SQLite") as caught:
            ask(url)
        assert "opensesame" not in str(caught.value)
