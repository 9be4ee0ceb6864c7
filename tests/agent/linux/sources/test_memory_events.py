"""What comes into being without a file."""

from __future__ import annotations

import pytest
from tests.agent.linux.conftest import World, inode_of

from vedette.probes import records
from vedette.probes.records import FileAct, Text
from vedette.schema.entities import File
from vedette.schema.events.files import DriverLoad, FileCreate


def _loaded(world: World, kind: int, data: bytes, **fields: int) -> File:
    start = world.shell()
    record = Text(**world.act(kind, 50, start), number=fields.get("number", 0), sort=fields.get("sort", 0), data=data)
    (world.memory.program if kind == records.PROGRAM else world.memory.module)(record)
    (event,) = world.of(DriverLoad)
    assert event.process is not None
    assert event.process.pid == 50
    assert event.file is not None
    return event.file


@pytest.mark.parametrize(("sort", "kind"), [(2, "kprobe"), (26, "tracing"), (99, "99")])
def test_a_bpf_program_has_its_name_and_type(world: World, sort: int, kind: str) -> None:
    file = _loaded(world, records.PROGRAM, b"hook", sort=sort)
    assert (file.name, file.path, file.type, file.hash_status) == (
        "bpf:hook", "bpf:hook", f"bpf program, {kind}", "in_memory",
    )  # fmt: skip


def test_a_module_from_memory_has_its_name_and_size(world: World) -> None:
    file = _loaded(world, records.MODULE, b"dummy", number=4711)
    assert (file.name, file.path, file.size, file.type) == ("dummy", None, 4711, "kernel module, memory")


def test_a_file_in_memory_is_made_in_no_folder(world: World) -> None:
    start = world.shell()
    world.memory.file(FileAct(**world.act(records.MEMFD, 50, start), inode=inode_of(4), path=b"memfd:a/b\0"))
    (event,) = world.of(FileCreate)
    assert event.file is not None
    assert (event.file.path, event.file.directory, event.file.type) == ("memfd:a/b", "", "memory")
