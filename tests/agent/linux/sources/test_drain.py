"""The queue between the two threads: bounded, file records go first, all losses counted by kind."""

from __future__ import annotations

import pytest

from vedette.agent.linux.sources import drain as module
from vedette.agent.linux.sources.drain import Drain
from vedette.probes.records import CREATE, EXEC
from vedette.probes.ring import Chunk


class FakeRing:
    """Gives the chunks it was filled with."""

    size = 1000

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []

    def put(self, kind: int, count: int, *, size: int = 100) -> None:
        data = (kind.to_bytes(2, "little") + bytes(size - 2)) * count
        self.chunks.append(Chunk(data, [(n * size, size) for n in range(count)]))

    def read(self) -> Chunk | None:
        return self.chunks.pop(0) if self.chunks else None

    def fill(self) -> int:
        return sum(len(chunk.data) for chunk in self.chunks)

    def close(self) -> None:
        self.chunks = []


@pytest.fixture
def control() -> FakeRing:
    return FakeRing()


@pytest.fixture
def bulk() -> FakeRing:
    return FakeRing()


@pytest.fixture
def drain(control: FakeRing, bulk: FakeRing, monkeypatch: pytest.MonkeyPatch) -> Drain:
    monkeypatch.setattr(module, "QUEUE_BYTES", 1000)
    return Drain(control, bulk, lambda _: None)


def test_process_records_come_before_the_file_records_of_the_same_look(
    drain: Drain, control: FakeRing, bulk: FakeRing
) -> None:
    bulk.put(CREATE, 2)
    control.put(EXEC, 1)
    assert drain.look() == 300
    taken = drain.take(0)
    assert taken is not None
    assert (len(taken.control), len(taken.bulk), taken.size) == (1, 1, 300)
    assert drain.backlog() == 0


def test_nothing_comes_of_nothing(drain: Drain) -> None:
    assert drain.look() == 0
    assert drain.take(0) is None


def test_a_full_queue_drops_file_records_and_counts_them_by_kind(
    drain: Drain, control: FakeRing, bulk: FakeRing
) -> None:
    bulk.put(CREATE, 11)
    drain.look()
    bulk.put(CREATE, 5)
    control.put(EXEC, 3)
    drain.look()
    assert dict(drain.lost) == {CREATE: 5}
    drain.take(0)
    second = drain.take(0)
    assert second is not None
    assert (len(second.control), second.bulk) == (1, [])


def test_a_queue_twice_as_full_drops_all_and_counts_all(drain: Drain, control: FakeRing, bulk: FakeRing) -> None:
    control.put(EXEC, 21)
    drain.look()
    bulk.put(CREATE, 5)
    control.put(EXEC, 3)
    drain.look()
    assert dict(drain.lost) == {CREATE: 5, EXEC: 3}


def test_a_queue_that_was_emptied_takes_again(drain: Drain, bulk: FakeRing) -> None:
    bulk.put(CREATE, 30)
    drain.look()
    drain.take(0)
    bulk.put(CREATE, 1)
    drain.look()
    assert drain.take(0) is not None
    assert not drain.lost
