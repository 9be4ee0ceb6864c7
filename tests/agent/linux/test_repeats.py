"""Exact repetitions of a start are folded when the budget asks for it, and only those."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from tests.agent.linux.conftest import World, content_of, inode_of

from vedette.agent.core.orders import Orders
from vedette.agent.linux.repeats import MOST, Repeats
from vedette.probes import records
from vedette.probes.records import Inode
from vedette.schema.events.network import NetworkConnect
from vedette.schema.events.process import ProcessStart, ProcessStop
from vedette.schema.events.scripts import ScriptRun

OVER = Orders(level=1, because="cpu")
SHELL = 50
FOLDED = ("process_start/budget.cpu", "process_stop/budget.cpu")


@pytest.fixture
def shell(world: World) -> int:
    """Give the start of a shell; the budget is exceeded, the files of the programs are known."""
    start = world.shell(SHELL)
    for path in ("/bin/ls", "/bin/cat", "/bin/make", "/bin/sh"):
        ran = run(world, 99, start, path)
        world.tick()
        world.hasher.answer(content_of(ran))
        world.tick()
    world.events.clear()
    world.model.savings.obey(OVER)
    return start


def run(
    world: World, pid: int, shell: int, *command: str, act: Callable[[int], None] | None = None, **other: Any
) -> Inode:
    """Fork, start a program, maybe act, end."""
    start = world.fork(pid, parent=(SHELL, shell))
    inode = world.exec(pid, start, command[0], *command, parent=(SHELL, shell), **other)
    if act is not None:
        act(start)
    world.exit(pid, start, parent=(SHELL, shell))
    return inode


def counts(world: World) -> tuple[int, int, int, int]:
    """Starts and stops that were told, and that were folded."""
    world.tick(2)
    folded = Counter(world.model.savings.throttled())
    return len(world.of(ProcessStart)), len(world.of(ProcessStop)), folded[FOLDED[0]], folded[FOLDED[1]]


def test_a_program_started_again_and_again_is_told_once_with_the_number_of_those_left_out(
    world: World, shell: int
) -> None:
    for pid in range(100, 200):
        run(world, pid, shell, "/bin/ls", "-l")
    assert counts(world) == (1, 1, 99, 99)
    world.tick(61)
    run(world, 300, shell, "/bin/ls", "-l")
    starts = world.of(ProcessStart)
    assert [start.process and start.process.repeats for start in starts] == [None, 99]


@pytest.mark.parametrize(
    "other",
    [
        {"command": ("/bin/ls", "-a")},
        {"command": ("/bin/cat", "-l")},
        {"env": b"A=2\0"},
        {"flags": records.SECURE},
    ],
)
def test_another_start_is_no_repetition(world: World, shell: int, other: dict[str, Any]) -> None:
    command: Any = other.pop("command", ("/bin/ls", "-l"))
    run(world, 100, shell, "/bin/ls", "-l")
    run(world, 101, shell, *command, **other)
    assert counts(world) == (2, 2, 0, 0)


def test_another_version_of_the_file_is_no_repetition(world: World, shell: int) -> None:
    inode = run(world, 100, shell, "/bin/ls", "-l")
    inode.changed += 1
    run(world, 101, shell, "/bin/ls", "-l", inode=inode)
    world.tick()
    world.hasher.answer(content_of(inode))
    world.tick()
    assert counts(world) == (2, 2, 0, 0)


def test_nothing_is_folded_within_the_budget(world: World, shell: int) -> None:
    world.model.savings.obey(Orders())
    for pid in range(100, 110):
        run(world, pid, shell, "/bin/ls", "-l")
    assert counts(world) == (10, 10, 0, 0)


def test_a_repetition_that_acts_is_told_before_what_it_does(world: World, shell: int) -> None:
    run(world, 100, shell, "/bin/ls", "-l")
    run(world, 101, shell, "/bin/ls", "-l", act=lambda start: world.net(records.CONNECT, 101, start))
    assert counts(world) == (2, 2, 0, 0)
    kinds = [type(event) for event in world.events]
    assert kinds.index(NetworkConnect) > kinds.index(ProcessStart, 1)


def test_what_a_repetition_did_may_come_after_its_end(world: World, shell: int) -> None:
    run(world, 100, shell, "/bin/ls", "-l")
    start = world.fork(101, parent=(SHELL, shell))
    world.exec(101, start, "/bin/ls", "/bin/ls", "-l", parent=(SHELL, shell))
    world.exit(101, start, parent=(SHELL, shell))
    world.file(records.MAP, 101, start, "/home/u/evil.so", inode_of(5))
    world.tick()
    world.hasher.answer(content_of(inode_of(5)))
    world.tick()
    assert counts(world) == (2, 2, 0, 0)


def test_who_runs_a_script_is_always_told(world: World, shell: int) -> None:
    for pid in (100, 101):
        run(world, pid, shell, "/bin/sh", "-c", "date")
    assert counts(world) == (2, 2, 0, 0)
    assert len(world.of(ScriptRun)) == 2


def test_a_repetition_that_lives_on_is_told(world: World, shell: int) -> None:
    run(world, 100, shell, "/bin/ls", "-l")
    start = world.fork(101, parent=(SHELL, shell))
    world.exec(101, start, "/bin/ls", "/bin/ls", "-l", parent=(SHELL, shell))
    assert len(world.of(ProcessStart)) == 1
    world.tick(1.5)
    assert len(world.of(ProcessStart)) == 2


def test_a_repetition_with_a_child_that_is_told_is_told_too(world: World, shell: int) -> None:
    def twice(child_command: str) -> None:
        for pid in (100, 200):
            start = world.fork(pid, parent=(SHELL, shell))
            world.exec(pid, start, "/bin/make", "make", "all", parent=(SHELL, shell))
            child = world.fork(pid + 1, parent=(pid, start))
            world.exec(pid + 1, child, "/bin/ls", f"{child_command}{pid}", parent=(pid, start))
            world.exit(pid + 1, child, parent=(pid, start))
            world.exit(pid, start, parent=(SHELL, shell))

    twice("unique")
    assert counts(world) == (4, 4, 0, 0)


def test_a_whole_tree_that_repeats_is_folded(world: World, shell: int) -> None:
    for pid in range(100, 200, 2):
        start = world.fork(pid, parent=(SHELL, shell))
        world.exec(pid, start, "/bin/make", "make", "all", parent=(SHELL, shell))
        child = world.fork(pid + 1, parent=(pid, start))
        world.exec(pid + 1, child, "/bin/ls", "ls", parent=(pid, start))
        world.exit(pid + 1, child, parent=(pid, start))
        world.exit(pid, start, parent=(SHELL, shell))
    assert counts(world) == (2, 2, 98, 98)


def test_forks_that_do_nothing_are_folded(world: World, shell: int) -> None:
    for pid in range(100, 150):
        start = world.fork(pid, parent=(SHELL, shell))
        world.exit(pid, start, parent=(SHELL, shell))
    assert counts(world) == (1, 1, 49, 49)


def test_what_is_held_back_at_the_end_is_told(world: World, shell: int) -> None:
    run(world, 100, shell, "/bin/ls", "-l")
    start = world.fork(101, parent=(SHELL, shell))
    world.exec(101, start, "/bin/ls", "/bin/ls", "-l", parent=(SHELL, shell))
    world.processes.finish()
    assert len(world.of(ProcessStart)) == 2
    assert counts(world) == (2, 1, 0, 0)


def test_what_was_held_back_is_told_when_the_budget_is_kept_again(world: World, shell: int) -> None:
    run(world, 100, shell, "/bin/ls", "-l")
    run(world, 101, shell, "/bin/ls", "-l", act=lambda _: world.model.savings.obey(Orders()))
    assert counts(world) == (2, 2, 0, 0)


def test_memory_of_repetitions_is_bounded() -> None:
    repeats = Repeats()
    for number in range(3 * MOST):
        repeats.tell(number.to_bytes(4, "little"), number)
    assert len(repeats._starts) <= MOST
