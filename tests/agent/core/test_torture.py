"""What power cuts, full disks and rotten pages do to the buffer: it goes on, and says what is missing."""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from vedette.agent.core import buffer_db
from vedette.agent.core.buffer import Buffer, Facts
from vedette.agent.core.intake import Intake
from vedette.runtime.errors import SpoolFull
from vedette.schema.entities import Process
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStop

Make = Callable[[int], list[Event]]
PAGE = 4096


def noisy(count: int, size: int = 500) -> list[Event]:
    """Give events that do not compress."""
    draw = random.Random(count)
    return [
        ProcessStop(time=number, process=Process(command_line=draw.randbytes(size).hex())) for number in range(count)
    ]


def grown(path: Path, clock: Any) -> None:
    """Make a buffer at `path` as a power cut finds it: a database and a WAL with later changes."""
    buffer = Buffer(path, clock, boot=clock.boot)
    for _ in range(10):
        buffer.append(noisy(100), Facts())
    buffer._db.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for _ in range(6):
        buffer.append(noisy(60), Facts())
    buffer.settle([(1, 200)])
    for suffix in ("", "-wal"):
        shutil.copy(f"{path}{suffix}", f"{path}.cut{suffix}")
    buffer._db.connection.close()
    for suffix in ("", "-wal"):
        Path(f"{path}.cut{suffix}").replace(f"{path}{suffix}")


def checked(path: Path, clock: Any) -> str:
    """Open what is left; every batch that is given out is whole, and new events are taken. Gives the gap's reason."""
    buffer = Buffer(path, clock, boot=clock.boot)
    (gap,) = buffer.take_gaps()
    following = buffer.stats().next
    count = 0
    while (batch := buffer.pick()) is not None:
        assert 1 <= batch.first <= batch.last < following
        count += batch.count
    lost = sum(buffer.losses.totals().values())
    assert buffer.stats().events == count
    buffer.append(noisy(3), Facts())
    assert buffer.stats().next == following + 3
    if gap.reason == "unclean_stop":
        assert count + lost <= 1360
    else:
        assert (following, count) == (1, 0)
        assert list(path.parent.glob("*.damaged-*"))
    buffer.close()
    return str(gap.reason)


def torn_page(data: bytes, draw: random.Random) -> bytes:
    """Half of a page is of another time."""
    at = draw.randrange(len(data) // PAGE) * PAGE
    half = PAGE // 2
    return data[: at + half] + draw.randbytes(half) + data[at + PAGE :]


def zeroed_tail(data: bytes, draw: random.Random) -> bytes:
    at = draw.randrange(len(data))
    return data[:at] + bytes(len(data) - at)


def cut_short(data: bytes, draw: random.Random) -> bytes:
    return data[: draw.randrange(len(data))]


def garbage_header(data: bytes, draw: random.Random) -> bytes:
    return draw.randbytes(100) + data[100:]


@pytest.mark.parametrize("damage", [torn_page, zeroed_tail, cut_short, garbage_header])
@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_a_power_cut_leaves_a_buffer_that_opens_and_goes_on(
    tmp_path: Path, clock: Any, suffix: str, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    grown(tmp_path / "whole", clock)
    reasons = set()
    for seed in range(8):
        folder = tmp_path / str(seed)
        folder.mkdir()
        path = folder / "buffer.sqlite"
        for each in ("", "-wal"):
            shutil.copy(f"{tmp_path / 'whole'}{each}", f"{path}{each}")
        hit = Path(f"{path}{suffix}")
        hit.write_bytes(damage(hit.read_bytes(), random.Random(seed)))
        reasons.add(checked(path, clock))
    if suffix == "-wal":  # what the WAL had is gone or whole, but the database before it stands
        assert reasons == {"unclean_stop"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of 24 MiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.root
def test_a_full_disk_stops_the_buffer_counts_what_is_lost_and_is_over_when_there_is_room(
    disk: Path, clock: Any
) -> None:
    buffer = Buffer(disk / "buffer.sqlite", clock, boot=clock.boot)
    intake = Intake(lambda events: buffer.append(events, Facts()), buffer.losses, batch_events=100, capacity=500)
    buffer.append(noisy(100), Facts())
    filler = disk / "of somebody else"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, os.statvfs(disk).f_bavail * PAGE)
    for _ in range(3):
        for event in noisy(400):
            intake.emit(event)
        assert not intake.flush()
    made = buffer.stats().next - 1
    waiting, lost = intake.waiting(), buffer.losses.totals()["process_stop"]
    assert made + waiting + lost == 100 + 1200
    assert waiting <= 500 + 400  # the queue, and what the intake had taken from it
    assert lost > 0

    assert buffer.settle([(1, 100)]) == 100  # the reserve lets it get smaller all the same
    assert buffer.stats().events == made - 100
    filler.unlink()
    assert intake.flush()
    assert buffer.stats().next - 1 == made + waiting
    buffer.expire()
    assert (disk / "reserve").stat().st_size > 0
    buffer.close()
    again = Buffer(disk / "buffer.sqlite", clock, boot=clock.boot)
    assert again.losses.totals() == {"process_stop": lost}
    again.close()


@pytest.mark.root
def test_a_disk_that_is_mounted_read_only_is_waited_for(disk: Path, clock: Any, events: Make) -> None:
    buffer = Buffer(disk / "buffer.sqlite", clock, boot=clock.boot)
    buffer.append(events(10), Facts())
    buffer._db.connection.close()

    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(SpoolFull, match=r"buffer\.sqlite"):
        Buffer(disk / "buffer.sqlite", clock, boot=clock.boot)
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    again = Buffer(disk / "buffer.sqlite", clock, boot=clock.boot)
    again.append(events(1), Facts())
    assert (again.stats().events, again.stats().next) == (11, 12)
    again.close()


@pytest.mark.parametrize(
    ("version", "newer"), [(1, ("passing", "aged", "overflowed", "throttled")), (2, ("throttled",))]
)
def test_a_buffer_of_a_version_before_is_taken_over(
    tmp_path: Path, clock: Any, events: Make, version: int, newer: tuple[str, ...]
) -> None:
    path = tmp_path / "buffer.sqlite"
    buffer = Buffer(path, clock, boot=clock.boot)
    buffer.append(events(10), Facts())
    for column in newer:
        buffer._db.connection.execute(f"ALTER TABLE state DROP COLUMN {column}")
    buffer._db.connection.execute("UPDATE state SET version = ?", (version,))
    epoch = buffer.epoch
    buffer._db.connection.close()
    again = Buffer(path, clock, boot=clock.boot)
    assert (again.epoch, again.stats().events, again.stats().next) == (epoch, 10, 11)
    again.append(events(1), Facts())
    again.expire()
    assert again.stats().events == 11
    again.close()


def test_damage_on_a_full_disk_is_mended_once_there_is_room(
    tmp_path: Path, clock: Any, events: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    buffer = Buffer(tmp_path / "buffer.sqlite", clock, boot=clock.boot)
    buffer.append(events(3), Facts())
    buffer.reserve.take()
    damaged = sqlite3.DatabaseError("database disk image is malformed")
    damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT

    def broken(*_: object) -> None:
        raise damaged

    def full(*_: object) -> None:
        raise SpoolFull("no room")

    with monkeypatch.context() as patch:
        patch.setattr(buffer_db, "_transaction", broken)
        patch.setattr(buffer_db, "open_file", full)
        patch.setattr(buffer.reserve, "take", lambda: False)
        for _ in range(2):
            with pytest.raises(SpoolFull, match="no room"):
                buffer.append(events(1), Facts())
    with pytest.raises(SpoolFull, match="a new one was started"):
        buffer.append(events(1), Facts())
    buffer.append(events(1), Facts())
    assert buffer.stats().next == 2
    assert [(gap.reason, gap.count) for gap in buffer.take_gaps()] == [("buffer_corrupt", 3)]
    buffer.close()
