"""What the kernel source leaves out over the budget, what it never does, and that all of it is counted."""

from __future__ import annotations

import pytest
from tests.agent.linux.conftest import World, content_of, inode_of

from vedette.agent.core.orders import Orders
from vedette.agent.linux.sources.savings import Savings
from vedette.probes import records
from vedette.probes.records import LAST, UNLINK
from vedette.schema.events.files import FileChange, FileCreate, ModuleLoad

SECOND = 1_000_000_000
DATA = {"mode": 0o100644}


def over(world: World, level: int) -> int:
    """A shell on a host whose budget is exceeded; gives its start."""
    start = world.shell()
    world.model.savings.obey(Orders(level=level, because="cpu"))
    return start


def make(world: World, start: int, path: str, **facts: int) -> None:
    inode = inode_of(hash(path) % 1_000_000, **facts)
    world.file(records.CREATE, 50, start, path, inode)
    world.file(records.CLOSE, 50, start, path, inode, flags=LAST)
    world.tick()


def write(world: World, start: int, path: str, version: int, **facts: int) -> None:
    inode = inode_of(77, changed=world.now + version, **facts)
    world.file(records.CLOSE, 50, start, path, inode, flags=LAST)
    world.tick()
    world.hasher.answer(content_of(inode))
    world.tick()


def test_a_file_that_is_written_again_and_again_is_told_once_in_a_while(world: World) -> None:
    start = over(world, 1)
    for version in range(20):
        write(world, start, "/srv/log", version, **DATA)
    assert len(world.of(FileChange)) == 1
    assert world.model.savings.throttled() == {"file_change/budget.cpu": 19}
    world.now += 11 * SECOND
    write(world, start, "/srv/log", 100, **DATA)
    assert len(world.of(FileChange)) == 2


def test_a_program_that_is_written_again_is_told_each_time(world: World) -> None:
    start = over(world, 1)
    for version in range(5):
        write(world, start, "/srv/tool", version)
    assert len(world.of(FileChange)) == 5


@pytest.mark.parametrize("folder", ["/tmp", "/var/tmp/x", "/var/cache/apt", "/home/u/.cache/pip", "/srv/__pycache__"])
def test_files_for_a_while_are_left_out_from_level_2_and_programs_never(world: World, folder: str) -> None:
    start = over(world, 2)
    make(world, start, f"{folder}/data", **DATA)
    write(world, start, f"{folder}/data", 5, **DATA)
    world.named(UNLINK, 50, start, folder, "data")
    assert world.events == []
    assert world.model.savings.throttled() == {"file_create/budget.cpu": 1, "file_change/budget.cpu": 2}
    make(world, start, f"{folder}/tool")
    world.hasher.answer(content_of(inode_of(1)))
    world.tick()
    assert len(world.of(FileCreate)) == 1


def test_written_files_are_not_hashed_from_level_2_and_say_so(world: World) -> None:
    start = over(world, 2)
    make(world, start, "/srv/data", **DATA)
    write(world, start, "/srv/other", 5, **DATA)
    files = [*(event.file for event in world.of(FileCreate)), *(event.file for event in world.of(FileChange))]
    assert [(file.hash_status, file.sha256, file.size, file.owner) for file in files if file] == [
        ("budget", None, 100, "u0"),
        ("budget", None, 100, "u0"),
    ]


def test_a_library_of_the_system_is_told_once_for_its_version(world: World) -> None:
    start = over(world, 1)
    inode = inode_of(5)
    for _ in range(10):
        world.file(records.MAP, 50, start, "/usr/lib/libc.so", inode)
        world.tick()
        world.hasher.answer(content_of(inode))
        world.tick()
    assert len(world.of(ModuleLoad)) == 1
    assert world.model.savings.throttled() == {"module_load/budget.cpu": 9}
    changed = inode_of(5, changed=10 * SECOND)
    world.file(records.MAP, 50, start, "/usr/lib/libc.so", changed)
    world.tick()
    world.hasher.answer(content_of(changed))
    world.tick()
    assert len(world.of(ModuleLoad)) == 2


@pytest.mark.parametrize(
    ("path", "facts"),
    [("/home/u/lib.so", {}), ("/usr/lib/lib.so", {"uid": 1000}), ("/usr/lib/lib.so", {"mode": 0o100757})],
)
def test_a_library_that_is_not_the_systems_own_is_always_told(world: World, path: str, facts: dict[str, int]) -> None:
    start = over(world, 4)
    inode = inode_of(5, **facts)
    for _ in range(3):
        world.file(records.MAP, 50, start, path, inode)
        world.tick()
        world.hasher.answer(content_of(inode))
        world.tick()
    assert len(world.of(ModuleLoad)) == 3


def test_within_the_budget_nothing_is_left_out(world: World) -> None:
    start = over(world, 4)
    world.model.savings.obey(Orders())
    make(world, start, "/tmp/data", **DATA)
    world.named(UNLINK, 50, start, "/tmp", "data")
    assert len(world.of(FileCreate)) + len(world.of(FileChange)) == 2
    assert world.model.savings.throttled() == {}


def test_the_pace_of_the_kernel_follows_level_and_budget() -> None:
    savings, paces = Savings(), []
    for level in range(5):
        savings.obey(Orders(level=level, because="bytes", cpu=0.1))
        paces.append(savings.pace())
    assert [pace.each for pace in paces[:2]] == [0, 0]
    assert paces[2].each > paces[3].each > paces[4].each > 0
    savings.obey(Orders(level=4, because="cpu", cpu=0.01))
    assert 0 < savings.pace().together < paces[4].together
