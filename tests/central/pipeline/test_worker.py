"""The loop over segments: exactly once, patient with what passes, not stopped by what does not."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from struct import pack
from typing import Any

import pytest

from vedette.central.detection.detector import Detected
from vedette.central.pipeline import dead_letter
from vedette.central.pipeline import prepare as preparing
from vedette.central.pipeline import worker as module
from vedette.central.pipeline.portions import portions
from vedette.central.pipeline.worker import Folders, Links, Share, Worker
from vedette.runtime.errors import StoreError
from vedette.store.events import EventStoreError
from vedette.store.segment import Record, pack_head
from vedette.store.state.claims import Claim
from vedette.store.state.ledger import StreamCount
from vedette.store.state.tasks import TaskUpdate
from vedette.wire import merge as merging
from vedette.wire.merge import KNOWN_TYPES

AGENT, RECEIVED = "a" * 32, 1_790_000_000_000_000
Make = Callable[..., Record]
Content = Callable[[dict[str, dict[str, Any]]], bytes]
Step = Callable[[int], None]


def numbers(*values: int) -> tuple[bytes, bytes]:
    """Give a column of integers as the wire has it."""
    return pack(f"<{len(values)}q", *values), b""


def no_fault(_: int) -> None:
    """Let everything succeed."""


class Node:
    """Folders on disk and a store and a state in memory; `fault` is asked before each insert."""

    def __init__(self, folder: Path) -> None:
        self.folders = Folders(folder / "spool", folder / "dead")
        self.folders.spool.mkdir()
        self.folders.dead_letter.mkdir()
        self.inserted: dict[str, bytes] = {}
        self.updates: list[TaskUpdate] = []
        self.settled: dict[int, tuple[StreamCount, ...]] = {}
        self.fault: Step = no_fault
        self.state_fault: Step = no_fault
        self.stop = threading.Event()
        self.claim: Callable[[int, list[Record]], Claim] | None = None

    def seal(self, number: int, *records: Record) -> Path:
        path = self.folders.spool / f"{number:012d}.seg"
        path.write_bytes(b"".join(pack_head(record) + record.body for record in records))
        return path

    def run(self, *, until: int, share: Share | None = None) -> None:
        """Work until so many segments are settled."""
        self._until = until
        links = Links(
            tenants=self._tenants,
            insert=self._insert,
            detect=lambda _: Detected(),
            settle=self._settle,
            update_tasks=self.updates.extend,
            claim=self.claim,
        )
        Worker(self.folders, links, share or Share(0, 1), self.stop).run()
        self.stop.clear()

    def _tenants(self) -> Mapping[str, str]:
        return {AGENT: "default"}

    def _insert(self, data: bytes, token: str) -> None:
        self.fault(int(token.partition("/")[0]))
        self.inserted[token] = data

    def _settle(self, number: int, counts: tuple[StreamCount, ...], _: Detected) -> None:
        self.state_fault(number)
        self.settled.setdefault(number, counts)
        if len(self.settled) >= self._until:
            self.stop.set()

    def left(self) -> list[str]:
        return sorted(path.name for path in self.folders.spool.iterdir())

    def dead(self) -> list[str]:
        return sorted(path.name for path in self.folders.dead_letter.iterdir())


@pytest.fixture
def node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Node:
    monkeypatch.setattr(module, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(module, "LONGEST_DELAY", 0.002)
    return Node(tmp_path)


class Failing:
    """Fails so many times."""

    def __init__(self, error: Exception, times: int) -> None:
        self.error, self.times = error, times

    def __call__(self, _: int) -> None:
        if self.times:
            self.times -= 1
            raise self.error


def test_segments_are_stored_settled_and_removed_in_order(node: Node, make_record: Make) -> None:
    for number in range(5):
        node.seal(number, make_record(number * 2 + 1, 2))
    node.run(until=5)
    assert list(node.inserted) == [f"{number}/0" for number in range(5)]
    assert list(node.settled) == list(range(5))
    assert node.settled[3][0].stored == 2
    assert (node.left(), node.dead()) == ([], [])


def test_a_share_leaves_the_others_alone(node: Node, make_record: Make) -> None:
    for number in range(4):
        node.seal(number, make_record())
    node.run(until=2, share=Share(1, 2))
    assert list(node.settled) == [1, 3]
    assert node.left() == ["000000000000.seg", "000000000002.seg"]


@pytest.mark.parametrize("error", [StoreError("not started"), EventStoreError("no space", code=243), OSError("disk")])
def test_what_passes_is_waited_for(node: Node, make_record: Make, error: Exception) -> None:
    node.seal(1, make_record())
    node.fault = Failing(error, 12)
    node.state_fault = Failing(StoreError("locked"), 3)
    node.run(until=1)
    assert list(node.inserted) == ["1/0"]
    assert (node.left(), node.dead()) == ([], [])


def test_a_segment_that_the_store_will_not_have_is_set_aside_and_counted(node: Node, make_record: Make) -> None:
    node.seal(1, make_record(1, 3))
    node.seal(2, make_record(4, 1))

    def fault(number: int) -> None:
        if number == 1:
            raise EventStoreError("type mismatch", code=53)

    node.fault = fault
    node.run(until=2)
    assert list(node.inserted) == ["2/0"]
    assert (node.settled[1][0].stored, node.settled[1][0].dead_letter) == (0, 3)
    assert node.dead() == ["000000000001.json", "000000000001.seg"]
    assert node.left() == []


def test_a_segment_that_cannot_be_prepared_is_set_aside_and_counted(
    node: Node, make_record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def prepare(records: list[Record], *_: object) -> None:
        tried.append(len(records))
        raise MemoryError

    monkeypatch.setattr(module, "prepare", prepare)
    node.seal(1, make_record(1, 3))
    node.run(until=1)
    assert tried == [1] * module.PREPARE_TRIES
    assert node.settled[1] == (StreamCount(agent=AGENT, epoch="e" * 16, dead_letter=3, received=RECEIVED),)
    assert node.dead() == ["000000000001.json", "000000000001.seg"]


def test_of_a_damaged_segment_the_whole_records_are_stored_and_the_file_is_kept(node: Node, make_record: Make) -> None:
    path = node.seal(1, make_record(1, 2), make_record(3, 2))
    path.write_bytes(path.read_bytes()[:-1])
    node.run(until=1)
    assert node.settled[1][0].stored == 2
    assert list(node.inserted) == ["1/0"]
    assert node.dead() == ["000000000001.json", "000000000001.seg"]


def test_broken_batches_do_not_hold_the_others(node: Node, make_record: Make) -> None:
    node.seal(1, make_record(1, 2, payload=b"?"), make_record(3, 1))
    node.seal(2, make_record(4, 1, payload=b"?"))
    node.run(until=2)
    assert list(node.inserted) == ["1/0"]
    assert node.settled[2][0].dead_letter == 1
    assert node.dead() == [f"00000000000{n}-000.{kind}" for n in (1, 2) for kind in ("json", "seg")]


def test_a_segment_that_unpacks_to_much_is_stored_in_portions_and_settled_once(
    node: Node, make_record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "portions", lambda records: portions(records, limit=1))

    def fault(number: int) -> None:
        if number == 2 and "2/0" in node.inserted:
            raise EventStoreError("too large", code=161)

    node.fault = fault
    for number in (1, 2, 3):
        node.seal(number, make_record(1, 2), make_record(3, 1))
    node.run(until=3)
    assert list(node.inserted) == ["1/0", "1/1", "2/0", "3/0", "3/1"]
    totals = {
        n: (sum(c.stored for c in counts), sum(c.dead_letter for c in counts)) for n, counts in node.settled.items()
    }
    assert totals == {1: (3, 0), 2: (2, 1), 3: (3, 0)}
    assert node.dead() == ["000000000002.json", "000000000002.seg"]


def test_told_to_stop_it_leaves_what_is_not_stored(node: Node, make_record: Make) -> None:
    node.seal(1, make_record())

    def fault(_: int) -> None:
        node.stop.set()
        raise StoreError("away")

    node.fault = fault
    node.run(until=1)
    assert node.left() == ["000000000001.seg"]
    assert not node.settled
    node.fault = no_fault
    node.run(until=1)
    assert (list(node.settled), node.left()) == ([1], [])


def test_a_crash_before_the_removal_settles_once(node: Node, make_record: Make) -> None:
    content = node.seal(1, make_record()).read_bytes()
    node.run(until=1)
    first = node.inserted["1/0"]
    (node.folders.spool / "000000000001.seg").write_bytes(content)
    node.run(until=1)
    assert node.inserted["1/0"] == first, "the same token must carry the same rows"
    assert node.left() == []


def test_an_unexpected_error_ends_the_process_for_its_supervisor(node: Node, make_record: Make) -> None:
    node.seal(1, make_record())
    node.state_fault = Failing(ZeroDivisionError("a bug"), 1)
    with pytest.raises(ZeroDivisionError):
        node.run(until=1)
    assert node.left() == ["000000000001.seg"]


def redrive(node: Node, name: str, number: int) -> bool:
    return dead_letter.send_again(node.folders.dead_letter, name, number)


def test_a_redriven_batch_is_stored_once_and_no_dead_letter_any_more(
    node: Node, make_record: Make, make_content: Content, monkeypatch: pytest.MonkeyPatch
) -> None:
    types = {
        "process_stop": {"n": 1, "columns": {"event.sequence": numbers(1)}},
        "from_the_future": {"n": 2, "columns": {"event.sequence": numbers(2, 3)}},
    }
    node.seal(1, make_record(1, 3, payload=make_content(types)), make_record(4, 2))
    node.run(until=1)
    assert node.dead() == ["000000000001-000.json", "000000000001-000.seg"]
    assert redrive(node, "000000000001-000", 100)
    assert not redrive(node, "000000000001-000", 101)
    node.run(until=2)
    assert (node.settled[-100][0].stored, node.settled[-100][0].dead_letter) == (0, 0)
    assert node.dead() == ["100-000.json", "100-000.seg", "again"]

    # A newer version knows the type: its events are stored, and those of the batch that were stored are not again.
    monkeypatch.setattr(preparing, "KNOWN_TYPES", KNOWN_TYPES | {"from_the_future"})
    monkeypatch.setattr(merging, "KNOWN_TYPES", KNOWN_TYPES | {"from_the_future"})
    node.fault = Failing(StoreError("away"), 3)
    assert redrive(node, "100-000", 200)
    node.run(until=3)
    (count,) = node.settled[-200]
    assert (count.stored, count.dead_letter, sum(day.stored for day in count.days)) == (2, -2, 2)
    assert list(node.inserted) == ["1/0", "-200/0"]
    assert node.dead() == ["again"]
    assert list(node.folders.again.iterdir()) == []


def test_what_the_store_refused_is_redriven_and_the_rest_of_its_segment_is_not(
    node: Node, make_record: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "portions", lambda records: portions(records, 1))
    node.seal(1, make_record(1, 2), make_record(3, 3), make_record(6, 4))

    refusals = iter([EventStoreError("not this", code=53)] * module.TRIES)

    def refuse_the_second(_: int) -> None:
        if list(node.inserted) == ["1/0"] and (error := next(refusals, None)) is not None:
            raise error

    node.fault = refuse_the_second
    node.run(until=1)
    assert [(one.stored, one.dead_letter) for one in node.settled[1]] == [(2, 0), (0, 3), (4, 0)]
    assert redrive(node, "000000000001", 100)
    node.run(until=2)
    assert [(one.stored, one.dead_letter) for one in node.settled[-100]] == [(3, -3)]
    assert list(node.inserted) == ["1/0", "1/2", "-100/0"]
    assert node.dead() == ["again"]


def test_a_crash_between_insert_and_settlement_redrives_with_the_same_token(node: Node, make_record: Make) -> None:
    broken = make_record(1, 5, payload=b"no zstd")
    node.seal(1, broken)
    node.run(until=1)
    assert redrive(node, "000000000001-000", 100)
    path = node.folders.again / "100.seg"
    whole = make_record(1, 5)
    path.write_bytes(pack_head(whole) + whole.body)  # as if a newer version could read it
    node.state_fault = Failing(StoreError("locked"), 2)
    node.run(until=2)
    assert list(node.inserted) == ["-100/0"]
    assert (node.settled[-100][0].stored, node.settled[-100][0].dead_letter) == (5, -5)


def test_damage_is_kept_and_not_redriven(node: Node, make_record: Make) -> None:
    path = node.seal(1, make_record(1, 2))
    path.write_bytes(path.read_bytes() + b"x" * 200)
    node.run(until=1)
    assert not redrive(node, "000000000001", 100)
    assert node.dead()[:2] == ["000000000001.json", "000000000001.seg"]


def test_only_what_no_other_segment_has_is_stored(node: Node, make_record: Make) -> None:
    told = {1: Claim(duplicates=(0,)), 2: Claim(duplicates=(0, 1)), 3: Claim()}
    node.claim = lambda number, _: told[number]
    for number in told:
        node.seal(number, make_record(number * 10 + 1, 2), make_record(number * 10 + 3, 3))
    node.run(until=3)
    assert list(node.inserted) == ["1/0", "3/0"]
    assert [sum(count.stored for count in node.settled[number]) for number in told] == [3, 0, 5]
    assert node.left() == node.dead() == []


def test_what_is_settled_already_only_goes(node: Node, make_record: Make) -> None:
    node.claim = lambda number, _: Claim(settled=number == 1)
    for number in (1, 2):
        node.seal(number, make_record(number * 10 + 1, 2))
    node.run(until=1)
    assert list(node.inserted) == ["2/0"]
    assert node.left() == []


def test_a_batch_that_overlaps_anothers_is_kept_aside_and_the_rest_stored(node: Node, make_record: Make) -> None:
    node.claim = lambda *_: Claim(overlaps=((1, 2),))
    node.seal(1, make_record(1, 2), make_record(3, 5))
    node.run(until=1)
    assert [(count.stored, count.dead_letter) for count in node.settled[1]] == [(0, 2), (2, 0)]
    assert node.left() == []
    assert node.dead() == ["000000000001.json", "000000000001.seg"]
    notes = dead_letter.read_notes(node.folders.dead_letter / "000000000001.seg")
    assert notes is not None
    assert "other boundaries" in notes.reason
