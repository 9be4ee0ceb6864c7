"""The spool: what is acknowledged is kept once, through crashes, retries, failed disks and full ones."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from vedette.runtime.errors import StoreError
from vedette.store import spool as module
from vedette.store import streams as streams_module
from vedette.store.spool import Outcome, Record, Spool, SpoolLimits, read_segment
from vedette.store.streams import StreamKey

AGENT = "a" * 32
EPOCH = "1" * 16
SMALL = SpoolLimits(events=100, size=64 * 1024, headroom=0)


class Clock:
    """A clock that tests move."""

    def __init__(self) -> None:
        self.time = 1_700_000_000_000_000

    def __call__(self) -> int:
        return self.time


def record(first: int, last: int, *, agent: str = AGENT, epoch: str = EPOCH, size: int = 20) -> Record:
    body = (f"{first}-{last} ".encode() * size)[:size]
    return Record(agent=agent, epoch=epoch, first=first, last=last, count=last - first + 1, received=17, body=body)


def open_spool(folder: Path, clock: Clock | None = None, limits: SpoolLimits = SMALL) -> Spool:
    return Spool(folder, clock=clock or Clock(), limits=limits)


def stored(folder: Path) -> list[tuple[str, int, int]]:
    """Every record in sealed segments, in order of the numbers."""
    return [
        (record.agent, record.first, record.last)
        for path in sorted(folder.glob("*.seg"))
        for record in read_segment(path)
    ]


def numbers(folder: Path) -> list[int]:
    return [int(path.stem) for path in sorted(folder.glob("*.seg"))]


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    sent = [record(1, 10, size=1000), record(11, 20, size=0), record(1, 5, agent="b" * 32)]
    assert spool.append(sent) == [Outcome.STORED] * 3
    spool.close()
    (path,) = tmp_path.glob("*.seg")
    assert read_segment(path) == sent


def test_a_batch_sent_again_is_acknowledged_and_not_written(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    assert spool.append([record(1, 10), record(1, 10)]) == [Outcome.STORED, Outcome.DUPLICATE]
    assert spool.append([record(1, 10)]) == [Outcome.DUPLICATE]
    spool.close()
    assert stored(tmp_path) == [(AGENT, 1, 10)]
    assert spool.streams.state(StreamKey(AGENT, EPOCH)).duplicates == 20


def test_overlapping_ranges_are_refused(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append([record(1, 10)])
    assert spool.append([record(5, 15), record(11, 15)]) == [Outcome.OVERLAP, Outcome.STORED]


def test_a_segment_is_sealed_at_its_events(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append([record(n * 50 + 1, n * 50 + 50) for n in range(5)])
    assert len(numbers(tmp_path)) == 2
    sealed = spool.take_sealed()
    assert [(s.events, [stream.ranges for stream in s.streams]) for s in sealed] == [
        (100, [((1, 100),)]),
        (100, [((1, 200),)]),
    ]
    assert spool.take_sealed() == []


def test_a_segment_is_sealed_at_its_bytes(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append([record(n + 1, n + 1, size=30_000) for n in range(4)])
    assert [len(read_segment(path)) for path in sorted(tmp_path.glob("*.seg"))] == [3]


def test_a_segment_is_sealed_at_its_age(tmp_path: Path) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock)
    spool.append([record(1, 1)])
    clock.time += 999_999
    spool.tick()
    assert numbers(tmp_path) == []
    clock.time += 1
    spool.tick()
    assert len(numbers(tmp_path)) == 1


def test_numbers_are_never_used_again(tmp_path: Path) -> None:
    used: list[int] = []
    for turn in range(4):
        spool = open_spool(tmp_path)
        spool.append([record(turn + 1, turn + 1)])
        if turn % 2:
            spool.close()  # else as after kill -9
        else:
            spool = open_spool(tmp_path)
        used += numbers(tmp_path)
        for path in tmp_path.glob("*.seg"):
            path.unlink()  # as the pipeline does
    assert used == sorted(set(used))
    assert len(used) == 4


def test_numbers_stay_apart_past_a_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NUMBER_STEP", 2)
    for turn in range(3):
        spool = open_spool(tmp_path, limits=SpoolLimits(events=1, headroom=0))
        spool.append([record(turn * 10 + n, turn * 10 + n) for n in range(5)])
    assert len(numbers(tmp_path)) == 15


def test_a_lost_next_file_does_not_bring_numbers_back(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append([record(1, 1)])
    spool.close()
    (first,) = numbers(tmp_path)
    (tmp_path / "next").unlink()
    next(tmp_path.glob("*.seg")).unlink()
    spool = open_spool(tmp_path)
    spool.append([record(2, 2)])
    spool.close()
    assert numbers(tmp_path)[0] > first


def test_a_damaged_next_file_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "next").write_bytes(b"what")
    with pytest.raises(StoreError, match="next is damaged"):
        open_spool(tmp_path)


@pytest.mark.parametrize("junk", [b"", b"\0" * 500, b"VDS1 half a record", b"\xff" * 2000])
def test_recovery_cuts_at_the_first_bad_record_and_seals_what_is_whole(tmp_path: Path, junk: bytes) -> None:
    spool = open_spool(tmp_path)
    spool.append([record(1, 10), record(11, 20)])
    (path,) = tmp_path.glob("*.open")
    data = path.read_bytes().rstrip(b"\0")
    path.write_bytes(data + junk)
    spool = open_spool(tmp_path)
    assert stored(tmp_path) == [(AGENT, 1, 10), (AGENT, 11, 20)]
    assert spool.append([record(1, 10)]) == [Outcome.DUPLICATE]
    assert [sealed.events for sealed in spool.take_sealed()] == [20]


def test_a_flipped_bit_anywhere_in_a_record_is_seen(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append([record(1, 10)])
    spool.close()
    (path,) = tmp_path.glob("*.seg")
    data = path.read_bytes()
    for at in range(len(data)):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        with pytest.raises(StoreError, match="damaged"):
            read_segment(path)


def test_segments_still_there_are_known_even_without_the_streams_log(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append([record(1, 10)])
    spool.close()
    (tmp_path / "streams.log").unlink()
    spool = open_spool(tmp_path)
    assert spool.append([record(1, 10)]) == [Outcome.DUPLICATE]
    assert spool.backlog().events == 10


def test_a_flipped_bit_in_a_waiting_segment_does_not_hide_later_batches(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append([record(1, 10)])
    spool.close()
    (path,) = tmp_path.glob("*.seg")
    data = bytearray(path.read_bytes())
    data[12 + 4 + 32 + 16 + 8 + 2] ^= 0xFF  # the third byte of `last`
    data[20] = 0xE9  # no ASCII
    path.write_bytes(data)
    spool = open_spool(tmp_path)
    assert spool.append([record(11, 20), record(1, 10)]) == [Outcome.STORED, Outcome.DUPLICATE]


def test_the_backlog_shrinks_as_segments_are_taken(tmp_path: Path) -> None:
    spool = open_spool(tmp_path)
    spool.append([record(n * 100 + 1, n * 100 + 100) for n in range(3)])
    before = spool.backlog()
    assert (before.segments, before.events, before.drained) == (3, 300, 0)
    next(tmp_path.glob("*.seg")).unlink()
    after = spool.backlog()
    assert (after.segments, after.events, after.drained) == (2, 200, 100)
    spool.append([record(1_000, 1_009)])
    assert (spool.backlog().segments, spool.backlog().events) == (2, 210)


def test_a_failed_sync_acknowledges_nothing_and_forgets_the_ranges(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = open_spool(tmp_path)
    spool.append([record(1, 10)])

    def broken(_handle: int) -> None:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", broken)
        assert spool.append([record(11, 20), record(11, 20)]) == [Outcome.FULL, Outcome.FULL]
    assert spool.append([record(11, 20)]) == [Outcome.STORED]
    spool.close()
    assert stored(tmp_path) == [(AGENT, 1, 10), (AGENT, 11, 20)]


def test_without_the_next_reserve_nothing_is_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = open_spool(tmp_path)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", full)
        assert spool.append([record(1, 10)]) == [Outcome.FULL]
    assert spool.append([record(1, 10)]) == [Outcome.STORED]


def test_the_headroom_of_the_store_is_left_alone(tmp_path: Path) -> None:
    spool = open_spool(tmp_path, limits=SpoolLimits(headroom=1 << 60))
    assert spool.append([record(1, 10)]) == [Outcome.FULL]
    assert list(tmp_path.glob("*.open")) == []


def test_a_seal_that_fails_is_tried_again_and_nothing_is_promised_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    spool = open_spool(tmp_path, clock)
    spool.append([record(1, 10)])
    clock.time += 2_000_000

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(spool.streams, "commit", full)
        spool.tick()
        assert spool.append([record(11, 20)]) == [Outcome.FULL]
    spool.tick()
    assert stored(tmp_path) == [(AGENT, 1, 10)]
    assert spool.append([record(11, 20)]) == [Outcome.STORED]


class CrashError(BaseException):
    """The process ends here."""


CALLS = ((os, "pwritev"), (os, "pwrite"), (os, "fdatasync"), (os, "fsync"), (os, "ftruncate"), (os, "truncate"),
         (os, "posix_fallocate"), (os, "open"), (Path, "rename"), (Path, "replace"), (Path, "unlink"))  # fmt: skip


def crash_at(patched: pytest.MonkeyPatch, number: int) -> list[str]:
    """Let the process end before system call `number`, counted over all that change files; gives the names."""
    made: list[str] = []

    def watched(name: str, call: Any) -> Any:
        def run(*arguments: Any, **options: Any) -> Any:
            made.append(name)
            if len(made) > number:
                raise CrashError
            return call(*arguments, **options)

        return run

    for owner, name in CALLS:
        patched.setattr(owner, name, watched(name, getattr(owner, name)))
    return made


def test_a_crash_before_any_system_call_keeps_each_batch_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "NUMBER_STEP", 2)
    monkeypatch.setattr(streams_module, "LOG_BYTES", 300)
    limits = SpoolLimits(events=20, headroom=0)
    crashes = 0
    for name in ("fsync", "fdatasync"):  # the pages of a dead process stay: only the order counts here
        monkeypatch.setattr(os, name, lambda _handle: None)
    for number in range(1000):
        folder = tmp_path / str(number)
        acknowledged: list[int] = []
        crashed = False
        with monkeypatch.context() as patched:
            crash_at(patched, number)
            try:
                spool = open_spool(folder, limits=limits)
                for first in range(1, 60, 10):
                    sent = [record(first + n * 5, first + n * 5 + 4) for n in range(2)]
                    outcomes = spool.append([*sent, sent[0]])
                    assert outcomes == [Outcome.STORED, Outcome.STORED, Outcome.DUPLICATE]
                    acknowledged += [one.first for one in sent]
                spool.close()
            except CrashError:
                crashed = True
        crashes += crashed
        early = {path.stem for path in folder.glob("*.seg")}
        spool = open_spool(folder, limits=limits)  # the agent sends all of it again
        again = [record(first, first + 4) for first in range(1, 60, 5)]
        assert set(spool.append(again)) <= {Outcome.STORED, Outcome.DUPLICATE}
        assert [spool.append([record(first, first + 4)]) for first in acknowledged] == [[Outcome.DUPLICATE]] * len(
            acknowledged
        )
        spool.close()
        assert sorted(first for _, first, _ in stored(folder)) == list(range(1, 60, 5))
        assert early <= {path.stem for path in folder.glob("*.seg")}
        if not crashed:
            break
    assert crashes > 50


class Crashing(RuleBasedStateMachine):
    """Batches, retries, seals, crashes and pipelines in any order: each acknowledged batch is kept once."""

    folders: Iterator[Path]

    @initialize()
    def start(self) -> None:
        self.folder = next(self.folders)
        self.clock = Clock()
        self.spool = open_spool(self.folder, self.clock)
        self.acknowledged: set[tuple[int, int]] = set()
        self.taken: list[tuple[int, int]] = []
        self.used: set[int] = set()
        self.next = 1

    @rule(lengths=st.lists(st.integers(1, 60), min_size=1, max_size=4))
    def send(self, lengths: list[int]) -> None:
        batch = []
        for length in lengths:
            batch.append(record(self.next, self.next + length - 1))
            self.next += length
        assert self.spool.append(batch) == [Outcome.STORED] * len(batch)
        self.acknowledged |= {(sent.first, sent.last) for sent in batch}

    @rule(pick=st.integers(0, 1000))
    def send_again(self, pick: int) -> None:
        if self.acknowledged:
            first, last = sorted(self.acknowledged)[pick % len(self.acknowledged)]
            assert self.spool.append([record(first, last)]) == [Outcome.DUPLICATE]

    @rule(later=st.integers(0, 2_000_000))
    def wait(self, later: int) -> None:
        self.clock.time += later
        self.spool.tick()

    @rule(junk=st.binary(max_size=30))
    def crash(self, junk: bytes) -> None:
        for path in self.folder.glob("*.open"):
            path.write_bytes(path.read_bytes().rstrip(b"\0") + junk)
        self.spool = open_spool(self.folder, self.clock)

    @rule()
    def close(self) -> None:
        self.spool.close()
        self.spool = open_spool(self.folder, self.clock)

    @rule()
    def pipeline(self) -> None:
        for path in self.folder.glob("*.seg"):
            assert int(path.stem) not in self.used
            self.used.add(int(path.stem))
            self.taken += [(kept.first, kept.last) for kept in read_segment(path)]
            path.unlink()

    @invariant()
    def nothing_is_taken_twice(self) -> None:
        if hasattr(self, "taken"):
            assert len(self.taken) == len(set(self.taken))

    def teardown(self) -> None:
        if hasattr(self, "spool"):
            self.spool.close()
            self.pipeline()
            assert sorted(self.taken) == sorted(self.acknowledged)


def test_any_order_of_events_keeps_each_batch_once(tmp_path: Path) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    def folders() -> Iterator[Path]:
        number = 0
        while True:
            number += 1
            yield tmp_path / str(number)

    Crashing.folders = folders()
    run_state_machine_as_test(Crashing, settings=settings(max_examples=40, stateful_step_count=25, deadline=None))


WRITER = """
import sys
from pathlib import Path
from vedette.runtime.clock import now
from vedette.store.spool import Outcome, Record, Spool, SpoolLimits
spool = Spool(Path(sys.argv[1]), clock=now, limits=SpoolLimits(events=500, age=20_000, headroom=0))
number = int(sys.argv[2])
while True:
    group = [
        Record(agent="a" * 32, epoch="1" * 16, first=n, last=n, count=1, received=now(), body=b"x" * (n % 9000))
        for n in range(number, number + 7)
    ]
    assert spool.append(group) == [Outcome.STORED] * 7
    number += 7
    print(number, flush=True)
    spool.tick()
"""


def test_kill_9_loses_nothing_acknowledged_and_keeps_nothing_twice(tmp_path: Path) -> None:
    following = 1
    for _ in range(5):
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(following)], stdout=subprocess.PIPE, text=True
        ) as writer:
            assert writer.stdout is not None
            for _line in range(60):
                following = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout:
                following = int(line)
        # what was written but not acknowledged may be there: an agent would send it again
        spool = open_spool(tmp_path)
        again = [record(n, n) for n in range(following, following + 7)]
        outcomes = spool.append(again)
        assert set(outcomes) <= {Outcome.STORED, Outcome.DUPLICATE}
        spool.close()
        following += 7
    kept = [first for _, first, _ in stored(tmp_path)]
    assert sorted(kept) == list(range(1, following))


@pytest.mark.root
def test_a_full_disk_refuses_keeps_what_it_promised_and_recovers(small_disk: Path) -> None:
    folder = small_disk / "spool"
    limits = SpoolLimits(events=100_000, size=1 << 20, headroom=0)
    spool = open_spool(folder, limits=limits)
    promised: list[int] = []
    refused = 0
    for number in range(1, 400):
        (outcome,) = spool.append([record(number, number, size=100_000)])
        if outcome is Outcome.STORED:
            promised.append(number)
        else:
            assert outcome is Outcome.FULL
            refused += 1
    assert promised
    assert refused
    spool.tick()
    assert spool.append([record(1, 1)]) == [Outcome.DUPLICATE]

    spool = open_spool(folder, limits=limits)  # a crash on a full disk
    taken = []
    for path in sorted(folder.glob("*.seg")):
        taken += [kept.first for kept in read_segment(path)]
        path.unlink()
    assert spool.append([record(1000, 1000, size=100_000)]) == [Outcome.STORED]
    spool.close()
    taken += [first for _, first, _ in stored(folder)]
    assert sorted(taken) == [*promised, 1000]
