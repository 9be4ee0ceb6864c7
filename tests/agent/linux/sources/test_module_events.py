"""Loads of shared objects."""

from __future__ import annotations

from tests.agent.linux.conftest import World, content_of, inode_of

from vedette.probes.records import MAP
from vedette.schema.events.files import ModuleLoad

LIBRARY = inode_of(900)


def test_a_module_is_looked_at_once_and_its_file_is_shared(world: World) -> None:
    start = world.shell()
    world.file(MAP, 50, start, "/lib/libc.so.6", LIBRARY)
    world.tick()
    assert world.events == []
    assert world.hasher.questions[0].program
    world.hasher.answer(content_of(LIBRARY, mark="7"))
    world.tick()
    world.file(MAP, 50, start, "/lib/libc.so.6", LIBRARY)
    first, second = world.of(ModuleLoad)
    assert first.file is not None
    assert (first.file.path, first.file.md5) == ("/lib/libc.so.6", "7" * 32)
    assert first.file is second.file


def test_two_loads_before_the_answer_ask_once(world: World) -> None:
    start = world.shell()
    world.file(MAP, 50, start, "/lib/a.so", LIBRARY)
    world.file(MAP, 50, start, "/lib/a.so", LIBRARY)
    world.tick()
    assert len(world.hasher.questions) == 1
    world.hasher.answer(content_of(LIBRARY))
    world.tick()
    assert len(world.of(ModuleLoad)) == 2


def test_a_changed_module_is_looked_at_again(world: World) -> None:
    start = world.shell()
    world.file(MAP, 50, start, "/lib/a.so", LIBRARY)
    world.tick()
    world.hasher.answer(content_of(LIBRARY))
    world.tick()
    world.file(MAP, 50, start, "/lib/a.so", inode_of(900, changed=1))
    world.tick()
    assert len(world.hasher.questions) == 1
