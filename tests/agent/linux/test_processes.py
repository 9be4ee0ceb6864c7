"""The table of processes: bounded, and exact about who is who."""

from __future__ import annotations

import pytest

from vedette.agent.linux import processes
from vedette.agent.linux.kernel_time import KernelTime
from vedette.agent.linux.processes import Image, Processes
from vedette.schema.entities import File, Process


@pytest.fixture
def table() -> Processes:
    return Processes("host", "boot", KernelTime())


def test_identity_comes_from_host_boot_pid_and_start(table: Processes) -> None:
    life = table.add(7, 10_000_000, None)
    other_boot = Processes("host", "other boot", KernelTime()).add(7, 10_000_000, None)
    other_host = Processes("other", "boot", KernelTime()).add(7, 10_000_000, None)
    assert len({life.entity_id, other_boot.entity_id, other_host.entity_id}) == 3
    assert len(life.entity_id) == 32
    assert table.add(7, 20_000_000, None).entity_id != life.entity_id


def test_a_start_is_cut_to_what_proc_tells(table: Processes) -> None:
    life = table.add(7, 12_345_678, None)
    assert table.get(7, 10_000_000) is life
    assert (life.start, life.started) == (10_000_000, 12_345_678)


def test_a_pid_used_again_ends_its_former_life(table: Processes) -> None:
    former = table.add(7, 10_000_000, None)
    later = table.add(7, 50_000_000, None)
    assert former.ended
    assert table.running(7) is later


def test_the_table_is_bounded(table: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "MOST", 10)
    for pid in range(1, 40):
        table.add(pid, pid * 10_000_000, None)
    assert len(table) == 10
    assert table.running(39) is not None
    assert table.running(1) is None


def test_ended_lives_are_bounded(table: Processes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "ENDED_KEPT", 5)
    for pid in range(1, 40):
        table.end(table.add(pid, pid * 10_000_000, None), 1)
    assert len(table) == 5


def test_an_image_is_ready_when_file_and_parent_are() -> None:
    parent = Image({"pid": 1}, since=0, started_by=None, file_known=False)
    child = Image({"pid": 2}, since=0, started_by=parent, file_known=False)
    told: list[Process] = []
    child.when_ready(told.append)
    child.set_file(File(name="c"))
    assert told == []
    parent.set_file(File(name="p", md5="m"))
    (process,) = told
    assert process.parent is not None
    assert process.parent.file is not None
    assert (process.file, process.parent.pid, process.parent.file.md5) == (File(name="c"), 1, "m")
    child.when_ready(told.append)
    assert told == [process, process]


def test_a_long_chain_of_parents_is_not_kept() -> None:
    image = Image({"pid": 0}, since=0, started_by=None)
    for pid in range(1, 2000):
        image = Image({"pid": pid}, since=0, started_by=image)
    assert image.started_by is None
    assert image.process is not None
    assert image.process.parent is not None
    assert image.process.parent.pid == 1998


def test_a_forked_image_is_its_parents_with_another_identity() -> None:
    parent = Image({"pid": 1, "command_line": "sh -c x", "args": ("sh",)}, since=0, started_by=None)
    child = Image({"pid": 2, "kind": "fork"}, since=0, started_by=parent, forked=True)
    process = child.process
    assert process is not None
    assert process.parent is not None
    assert (process.pid, process.command_line, process.kind, process.parent.pid) == (2, "sh -c x", "fork", 1)
