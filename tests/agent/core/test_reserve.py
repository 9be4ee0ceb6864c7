"""Space kept aside for a full disk."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from vedette.agent.core.buffer import Buffer, Facts
from vedette.agent.core.reserve import Reserve
from vedette.runtime.errors import SpoolFull
from vedette.schema.entities import Process
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStop


def test_the_space_is_taken_once_and_made_again(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1 << 20)
    assert not reserve.take()
    assert reserve.make()
    assert reserve.make()
    assert (tmp_path / "reserve").stat().st_size == 1 << 20
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1 << 20
    assert reserve.take()
    assert not reserve.take()
    assert not (tmp_path / "reserve").exists()


def test_no_reserve_is_made_where_it_would_fill_the_disk(tmp_path: Path) -> None:
    assert not Reserve(tmp_path / "reserve", 1 << 60).make()
    assert not Reserve(tmp_path / "absent" / "reserve").make()
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a file system of 12 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(buffer: Buffer, make: Callable[[], list[Event]]) -> int:
    """Append until nothing fits; gives how many batches did."""
    for kept in range(1000):
        try:
            buffer.append(make(), Facts())
        except SpoolFull:
            return kept
    raise AssertionError("the disk is not small")


@pytest.mark.root
def test_on_a_full_disk_what_was_delivered_still_goes_and_nothing_else_is_lost(small_disk: Path, clock: Any) -> None:
    draw = Random(1)

    def make() -> list[Event]:
        return [ProcessStop(time=1, process=Process(command_line=draw.randbytes(100).hex())) for _ in range(300)]

    buffer = Buffer(small_disk / "buffer.sqlite", clock)
    kept = fill(buffer, make)
    assert kept > 50
    for _ in range(3):
        with pytest.raises(SpoolFull):
            buffer.append(make(), Facts())
    assert buffer.settle([(1, 3000)]) == 3000
    buffer.quota = buffer.stats().bytes // 2
    gone = buffer.expire()
    buffer.append(make(), Facts())
    buffer._db.connection.close()  # killed on a disk that is still nearly full

    buffer = Buffer(small_disk / "buffer.sqlite", clock)
    stats = buffer.stats()
    assert (stats.next, stats.expired) == (kept * 300 + 301, gone)
    assert stats.events == kept * 300 + 300 - 3000 - gone
    numbers: list[int] = []
    while (batch := buffer.pick()) is not None:
        numbers += range(batch.first, batch.last + 1)
        buffer.settle([(batch.first, batch.last)])
    assert numbers == list(range(3001 + gone, stats.next))
    buffer.close()
