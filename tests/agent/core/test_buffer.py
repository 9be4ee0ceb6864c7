"""The buffer: nothing kept is lost, nothing is numbered twice, and what goes is counted."""

import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vedette.agent.core import buffer_db
from vedette.agent.core.buffer import CORRUPT, Batch, Buffer, Facts
from vedette.runtime.clock import DAY, HOUR, MINUTE
from vedette.runtime.errors import SpoolFull
from vedette.schema.entities import Host, Os, Process
from vedette.schema.events.base import Event
from vedette.schema.events.process import ProcessStop
from vedette.wire.batch import BatchHeader, decode, frame, rows

FACTS = Facts(Host(name="ws1"), Os(family="linux"))
Open = Callable[..., Buffer]
Make = Callable[[int], list[Event]]


def waiting(buffer: Buffer) -> list[Batch]:
    """Everything in the buffer, in the order in which it would be sent."""
    found = []
    while (batch := buffer.pick()) is not None:
        found.append(batch)
    for batch in found:
        buffer.release(batch.first)
    return found


def content(batch: Batch) -> list[dict[str, Any]]:
    header = BatchHeader(agent="a" * 32, epoch="b" * 16, first=batch.first, last=batch.last, count=batch.count, sent=1)
    return rows(decode(frame(header, batch.payload)))


def test_events_are_numbered_from_one_without_gaps(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    for count in (1, 20, 3):
        buffer.append(events(count), FACTS)
    assert [(batch.first, batch.last) for batch in waiting(buffer)] == [(1, 1), (2, 21), (22, 24)]
    numbers = [row["event.sequence"] for batch in waiting(buffer) for row in content(batch)]
    assert numbers == list(range(1, 25))


def test_what_was_kept_is_there_after_a_restart_with_the_same_epoch(open_buffer: Open, events: Make) -> None:
    first = open_buffer()
    first.append(events(5), FACTS)
    before = waiting(first)
    first.close()
    second = open_buffer()
    assert second.epoch == first.epoch
    assert [batch.payload for batch in waiting(second)] == [batch.payload for batch in before]
    second.append(events(1), FACTS)
    assert waiting(second)[-1].first == 6
    assert second.take_gaps() == []


def test_the_host_is_told_as_it_was_when_the_batch_was_made(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    buffer.append(events(1), FACTS)
    buffer.append(events(1), Facts(Host(name="renamed")))
    assert [batch.facts.host.name for batch in waiting(buffer)] == ["ws1", "renamed"]


def test_two_files_have_two_epochs(tmp_path: Path, clock: Any) -> None:
    epochs = set()
    for name in ("a", "b"):
        buffer = Buffer(tmp_path / name, clock)
        epochs.add(buffer.epoch)
        buffer.close()
    assert len(epochs) == 2


def test_a_batch_goes_only_when_a_range_covers_it(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    for _ in range(4):
        buffer.append(events(10), FACTS)
    assert buffer.settle([(1, 9), (12, 20), (21, 30)]) == 10
    assert [batch.first for batch in waiting(buffer)] == [1, 11, 31]
    assert buffer.settle([(1, 40)]) == 30
    assert buffer.stats().events == buffer.stats().bytes == buffer.stats().batches == 0
    assert buffer.stats().next == 41


def test_a_batch_in_flight_is_not_picked_twice(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    buffer.append(events(1), FACTS)
    batch = buffer.pick()
    assert batch is not None
    assert buffer.pick() is None
    buffer.release(batch.first)
    again = buffer.pick()
    assert again is not None
    assert (batch.fresh, again.fresh, again.payload) == (True, False, batch.payload)


def test_live_batches_go_before_the_backlog(open_buffer: Open, events: Make, clock: Any) -> None:
    buffer = open_buffer()
    buffer.append(events(1), FACTS)
    clock.move(HOUR)
    buffer.append(events(1), FACTS)
    buffer.append(events(1), FACTS)
    picked = [buffer.pick(live=MINUTE) for _ in range(4)]
    assert [batch and batch.first for batch in picked] == [2, 3, 1, None]


def test_events_older_than_21_days_expire_and_are_counted(open_buffer: Open, events: Make, clock: Any) -> None:
    buffer = open_buffer()
    buffer.append(events(3), FACTS)
    clock.move(DAY)
    buffer.append(events(4), FACTS)
    clock.move(20 * DAY)
    assert buffer.expire() == 0
    clock.move(1)
    assert buffer.expire() == 3
    assert (buffer.stats().expired, [batch.first for batch in waiting(buffer)]) == (3, [4])
    buffer.close()
    assert open_buffer().stats().expired == 3


def test_beyond_the_quota_the_oldest_go_and_are_counted(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    for _ in range(10):
        buffer.append(events(100), FACTS)
    size = buffer.stats().bytes // 10
    buffer.quota = 4 * size + size // 2
    assert buffer.expire() == 600
    assert [batch.first for batch in waiting(buffer)] == [601, 701, 801, 901]


def test_a_batch_in_flight_does_not_expire(open_buffer: Open, events: Make, clock: Any) -> None:
    buffer = open_buffer()
    buffer.append(events(1), FACTS)
    buffer.append(events(1), FACTS)
    buffer.pick()
    clock.move(22 * DAY)
    assert buffer.expire() == 1
    assert buffer.settle([(1, 2)]) == 1
    assert buffer.stats().expired == 1


def test_losses_survive_a_restart(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    buffer.losses.add("file_change", 5)
    buffer.append(events(1), FACTS)
    buffer._db.connection.close()
    assert open_buffer().losses.totals() == {"file_change": 5}


def test_what_was_throttled_survives_a_restart_and_ends_with_its_stream(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    buffer.throttled.observe("kernel", {"file_change/budget.cpu": 5})
    buffer.append(events(1), FACTS)
    buffer._db.connection.close()
    again = open_buffer()
    assert again.throttled.totals() == {"file_change/budget.cpu": 5}
    again.begin_epoch()
    assert again.throttled.totals() == {}


def test_a_buffer_of_an_older_agent_is_taken_over(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    buffer.append(events(3), FACTS)
    buffer.losses.add("file_change", 2)
    buffer.sign_of_life()
    buffer._db.connection.execute("ALTER TABLE state DROP COLUMN throttled")
    buffer._db.connection.execute("UPDATE state SET version = 2")
    buffer._db.connection.close()
    again = open_buffer()
    assert (again.epoch, again.stats().events, again.losses.totals()) == (buffer.epoch, 3, {"file_change": 2})
    again.throttled.add("file_change/budget.cpu")
    again.append(events(1), FACTS)
    again._db.connection.close()
    assert open_buffer().throttled.totals() == {"file_change/budget.cpu": 1}


def test_a_stop_out_of_order_is_a_gap(open_buffer: Open, events: Make, clock: Any) -> None:
    buffer = open_buffer()
    buffer.append(events(1), FACTS)
    alive = clock()
    buffer._db.connection.close()
    clock.move(HOUR)
    (gap,) = open_buffer().take_gaps()
    assert (gap.reason, gap.start, gap.end) == ("unclean_stop", alive, alive + HOUR)


def test_signs_of_life_shorten_the_gap(open_buffer: Open, clock: Any) -> None:
    buffer = open_buffer()
    clock.move(HOUR)
    buffer.sign_of_life()
    buffer._db.connection.close()
    (gap,) = open_buffer().take_gaps()
    assert gap.start == clock()


def test_a_second_agent_on_the_same_buffer_is_refused(open_buffer: Open, tmp_path: Path) -> None:
    open_buffer()
    code = (
        "import sys; from pathlib import Path; from vedette.agent.core.buffer import Buffer\n"
        "from vedette.runtime.clock import now; from vedette.runtime.errors import ConfigError\n"
        "try: Buffer(Path(sys.argv[1]), now)\n"
        "except ConfigError as error: print(error)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "buffer.sqlite")], capture_output=True, text=True, check=True
    )
    assert "in use: another agent runs" in found.stdout


def test_the_file_is_for_its_owner_only(open_buffer: Open, tmp_path: Path, events: Make) -> None:
    open_buffer().append(events(1), FACTS)
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


# Another stream.


def test_a_new_epoch_numbers_what_waits_anew_and_loses_nothing(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    for count in (3, 20, 300, 7):
        buffer.append(events(count), FACTS)
    buffer.settle([(1, 3)])
    buffer.losses.add("file_change", 2)
    before = [[row["event.time"] for row in content(batch)] for batch in waiting(buffer)]
    epoch = buffer.epoch
    buffer.begin_epoch()
    assert buffer.epoch != epoch
    assert [(batch.first, batch.last) for batch in waiting(buffer)] == [(1, 20), (21, 320), (321, 327)]
    assert [[row["event.time"] for row in content(batch)] for batch in waiting(buffer)] == before
    assert (buffer.stats().next, buffer.stats().events, buffer.losses.totals()) == (328, 327, {})
    buffer.append(events(1), FACTS)
    buffer.close()
    again = open_buffer()
    assert (again.epoch, waiting(again)[-1].first) == (buffer.epoch, 328)


def test_another_identity_is_another_stream(tmp_path: Path, clock: Any, events: Make) -> None:
    epochs = []
    for agent in ("a" * 32, "a" * 32, "b" * 32, "b" * 32):
        buffer = Buffer(tmp_path / "buffer.sqlite", clock, agent=agent)
        epochs.append(buffer.epoch)
        buffer.append(events(2), FACTS)
        buffer.settle([(1, 2)])
        buffer.close()
    assert epochs[0] == epochs[1] != epochs[2] == epochs[3]


def test_a_rotten_payload_does_not_stop_a_new_epoch(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    for _ in range(3):
        buffer.append(events(10), FACTS)
    buffer._db.connection.execute("UPDATE batch SET payload = x'00' WHERE first = 11")
    buffer.begin_epoch()
    assert [(batch.first, batch.last) for batch in waiting(buffer)] == [(1, 10), (11, 20)]


# Damage.


@pytest.mark.parametrize("at", [0, 20, 4096 + 8, 3 * 4096])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(
    open_buffer: Open, events: Make, tmp_path: Path, at: int
) -> None:
    path = tmp_path / "buffer.sqlite"
    buffer = open_buffer()
    for _ in range(20):
        buffer.append(events(500), FACTS)
    buffer._db.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    buffer._db.connection.close()
    noise = bytearray(path.read_bytes())
    noise[at : at + 2000] = random.Random(at).randbytes(2000)
    path.write_bytes(noise)
    again = open_buffer()
    (gap,) = again.take_gaps()
    if gap.reason == "buffer_corrupt":
        assert again.epoch != buffer.epoch
        assert len(list(tmp_path.glob("buffer.sqlite.damaged-*"))) == 1
        again.append(events(1), FACTS)
        assert [batch.first for batch in waiting(again)] == [1]
    else:  # the noise hit a payload: found when it is read
        waiting(again)
        assert again.losses.totals()[CORRUPT] % 500 == 0


def test_only_the_last_damaged_file_is_kept(open_buffer: Open, tmp_path: Path, clock: Any) -> None:
    for _ in range(3):
        (tmp_path / "buffer.sqlite").write_bytes(b"no database at all" * 1000)
        clock.move(1)
        open_buffer()._db.connection.close()
    assert len(list(tmp_path.glob("*.damaged-*"))) == 1


def test_a_torn_file_is_set_aside(open_buffer: Open, events: Make, tmp_path: Path) -> None:
    path = tmp_path / "buffer.sqlite"
    buffer = open_buffer()
    for _ in range(20):
        buffer.append(events(500), FACTS)
    buffer.close()
    whole = path.read_bytes()
    for length in (0, 1, 100, 4096, len(whole) // 2):
        path.write_bytes(whole[:length])
        path.with_name("buffer.sqlite-wal").unlink(missing_ok=True)
        again = open_buffer()
        again.append(events(1), FACTS)
        assert waiting(again)
        again._db.connection.close()


def test_a_payload_that_rotted_is_counted_and_not_sent(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    for _ in range(3):
        buffer.append(events(10), FACTS)
    buffer._db.connection.execute("UPDATE batch SET payload = x'00' WHERE first = 1")
    assert [batch.first for batch in waiting(buffer)] == [11, 21]
    assert buffer.losses.totals() == {CORRUPT: 10}


def test_a_full_disk_keeps_nothing_and_uses_no_number(open_buffer: Open, events: Make) -> None:
    buffer = open_buffer()
    buffer.append(events(1), FACTS)
    pages = buffer._db.connection.execute("PRAGMA page_count").fetchone()[0]
    buffer._db.connection.execute(f"PRAGMA max_page_count = {pages}")
    noise: list[Event] = [ProcessStop(time=1, process=Process(command_line=random.Random(1).randbytes(20_000).hex()))]
    with pytest.raises(SpoolFull, match="full"):
        buffer.append(noise, FACTS)
    buffer._db.connection.execute("PRAGMA max_page_count = 100000")
    buffer.append(noise, FACTS)
    assert [(batch.first, batch.last) for batch in waiting(buffer)] == [(1, 1), (2, 2)]


def test_damage_while_it_runs_begins_a_new_file(open_buffer: Open, events: Make, monkeypatch: Any) -> None:
    buffer = open_buffer()
    buffer.append(events(3), FACTS)
    epoch = buffer.epoch
    damaged = sqlite3.DatabaseError("database disk image is malformed")
    damaged.sqlite_errorcode = sqlite3.SQLITE_CORRUPT

    def broken(*_: object) -> None:
        raise damaged

    with monkeypatch.context() as patch:
        patch.setattr(buffer_db, "_transaction", broken)
        with pytest.raises(SpoolFull, match="damaged"):
            buffer.append(events(1), FACTS)
    buffer.append(events(1), FACTS)
    (gap,) = buffer.take_gaps()
    assert (gap.reason, gap.count, buffer.epoch == epoch) == ("buffer_corrupt", 3, False)


def test_space_is_given_back_once_the_backlog_is_gone(open_buffer: Open, tmp_path: Path) -> None:
    buffer = open_buffer()
    noise = random.Random(1)
    for _ in range(40):
        text = noise.randbytes(30_000).hex()
        events: list[Event] = [
            ProcessStop(time=1, process=Process(command_line=text[n * 1000 : n * 1000 + 1000])) for n in range(60)
        ]
        for _ in range(10):
            buffer.append(events, FACTS)
    buffer.settle([(1, 10**6)])
    buffer.expire()
    buffer.close()
    assert (tmp_path / "buffer.sqlite").stat().st_size < 6 << 20


# kill -9.

WRITER = """
import sys
from pathlib import Path
from vedette.agent.core.buffer import Buffer, Facts
from vedette.runtime.clock import now
from vedette.schema.events.process import ProcessStop
buffer = Buffer(Path(sys.argv[1]), now)
print("epoch", buffer.epoch, flush=True)
number = int(sys.argv[2])
while True:
    number += 1
    size = number * 7919 % 40 + 1
    first = buffer.stats().next
    buffer.append([ProcessStop(time=first + n) for n in range(size)], Facts())
    print("kept", first, first + size - 1, flush=True)
    if number % 5 == 0:
        batch = buffer.pick()
        buffer.settle([(batch.first, batch.last)])
        print("settled", batch.first, batch.last, flush=True)
"""


@pytest.mark.slow
def test_killed_at_any_moment_the_buffer_has_no_gap_and_no_double(tmp_path: Path, clock: Any) -> None:
    path, draw = tmp_path / "buffer.sqlite", random.Random(7)
    kept: dict[int, int] = {}
    settled: set[int] = set()
    epochs = set()
    for round_number in range(12):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path), str(round_number * 1000)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        epochs.add(process.stdout.readline())
        time.sleep(draw.uniform(0.0, 0.25))
        process.kill()
        for line in process.stdout.read().splitlines(keepends=True):
            if line.endswith("\n"):
                what, first, last = line.split()
                if what == "kept":
                    kept[int(first)] = int(last)
                else:
                    settled.add(int(first))
        process.wait()
        process.stdout.close()
        buffer = Buffer(path, clock)
        found = {batch.first: batch.last for batch in waiting(buffer)}
        following = buffer.stats().next
        buffer._db.connection.close()
        # Committed just before the kill, but not said any more:
        unsaid = {first: last for first, last in found.items() if first not in kept}
        gone = {first for first in kept if first not in found} - settled
        assert len(unsaid) <= 1
        assert len(gone) <= 1
        kept |= unsaid
        settled |= gone
        assert found == {first: last for first, last in kept.items() if first not in settled}
        numbers = [number for first, last in sorted(kept.items()) for number in range(first, last + 1)]
        assert numbers == list(range(1, following))
    assert len(epochs) == 1
    assert len(kept) > 20
