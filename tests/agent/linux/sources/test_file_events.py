"""What happens to files: creations with digests, writes, renames, deletions, attributes."""

from __future__ import annotations

from typing import Any

from tests.agent.linux.conftest import World, content_of, inode_of

from vedette.agent.linux.examine import Content
from vedette.probes.records import (
    ATTRIBUTES,
    CHANGE,
    CLOSE,
    CREATE,
    LAST,
    LINK,
    RENAME,
    SYMLINK,
    UNLINK,
    Inode,
)
from vedette.schema.entities import ChangedFile, File
from vedette.schema.events.files import FileChange, FileCreate
from vedette.schema.events.process import ProcessStart

NEW = inode_of(700, size=0, mode=0o100640)


def _written(size: int = 6, **other: int) -> Inode:
    return inode_of(700, size=size, mode=0o100640, changed=200_000_000_000, **other)


def _file(event: FileCreate | FileChange) -> File:
    assert event.file is not None
    return event.file


def _change(event: FileChange) -> ChangedFile:
    assert event.file is not None
    return event.file


def test_a_creation_is_reported_when_it_is_closed_with_digests_and_final_size(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/new.txt", NEW)
    world.tick(0.5)
    assert world.events == []
    world.file(CLOSE, 50, start, "/tmp/new.txt", _written(), flags=LAST)
    world.tick()
    world.hasher.answer(content_of(_written(), mark="d"))
    world.tick()
    (event,) = world.of(FileCreate)
    file = _file(event)
    assert (file.path, file.directory, file.name) == ("/tmp/new.txt", "/tmp", "new.txt")
    assert (file.size, file.md5, file.sha256, file.hash_status) == (6, "d" * 32, "d" * 64, None)
    assert (file.mode, file.owner, file.type, file.inherited_privileges) == ("0640", "u0", "regular, text", "")
    assert event.process is not None
    assert event.process.command_line == "sh"


def test_the_mode_is_that_at_the_close_not_a_later_one(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/new", NEW)
    world.file(CLOSE, 50, start, "/tmp/new", _written(), flags=LAST)
    world.tick()
    world.hasher.answer(content_of(inode_of(700, size=6, mode=0o100777)))
    world.tick()
    assert _file(world.of(FileCreate)[0]).mode == "0640"


def test_a_file_that_stays_open_is_reported_after_two_seconds(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/log", NEW)
    world.tick(2.5)
    (event,) = world.of(FileCreate)
    assert _file(event).hash_status == "open"
    # Its end of writing is a change, then.
    world.file(CLOSE, 50, start, "/tmp/log", _written(), flags=LAST)
    world.tick()
    world.hasher.answer(content_of(_written()))
    world.tick()
    assert _change(world.of(FileChange)[0]).operation == "write"


def test_a_close_while_another_holds_the_file_open_does_not_end_the_writing(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/new", NEW)
    world.file(CLOSE, 50, start, "/tmp/new", NEW)
    world.tick()
    assert world.events == []
    assert world.hasher.questions == []


def test_a_file_made_and_deleted_at_once_costs_no_look_and_is_two_events(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/short", NEW)
    world.file(CLOSE, 50, start, "/tmp/short", _written(), flags=LAST)
    world.named(UNLINK, 50, start, "/tmp", "short")
    world.tick()
    assert world.hasher.questions == []
    (made,), (gone,) = world.of(FileCreate), world.of(FileChange)
    assert (_file(made).hash_status, _file(made).size) == ("deleted", 6)
    assert (_change(gone).operation, _change(gone).path) == ("delete", "/tmp/short")


def test_a_file_deleted_while_open_has_no_digests(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/x", NEW)
    world.named(UNLINK, 50, start, "/tmp", "x")
    world.file(CLOSE, 50, start, "/tmp/x", _written(links=0), flags=LAST)
    world.tick()
    assert world.hasher.questions == []
    assert _file(world.of(FileCreate)[0]).hash_status == "deleted"


def test_a_file_renamed_before_it_was_looked_at_is_found_under_its_new_name(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/part", NEW)
    world.file(CLOSE, 50, start, "/tmp/part", _written(), flags=LAST)
    world.named(RENAME, 50, start, "/tmp", "part", new="whole")
    world.tick()
    (question,) = world.hasher.questions
    assert question.paths == (b"/tmp/whole",)
    world.hasher.answer(content_of(_written(), mark="e"))
    world.tick()
    (made,), (moved,) = world.of(FileCreate), world.of(FileChange)
    assert (_file(made).path, _file(made).md5) == ("/tmp/part", "e" * 32)
    change = _change(moved)
    assert change.previous is not None
    assert (change.path, change.previous.path, change.md5) == ("/tmp/whole", "/tmp/part", "e" * 32)


def test_a_file_renamed_while_it_was_looked_for_is_looked_for_again(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/part", NEW)
    world.file(CLOSE, 50, start, "/tmp/part", _written(), flags=LAST)
    world.tick()
    world.named(RENAME, 50, start, "/tmp", "part", new="whole")
    world.hasher.answer(Content(status="deleted"))
    world.tick()
    (question,) = world.hasher.questions
    assert question.paths == (b"/tmp/whole",)
    world.hasher.answer(content_of(_written(), mark="e"))
    world.tick()
    assert _file(world.of(FileCreate)[0]).md5 == "e" * 32
    assert _change(world.of(FileChange)[0]).md5 == "e" * 32


def test_a_file_that_is_gone_before_its_rename_is_told_is_looked_for_once_more(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/part", NEW)
    world.file(CLOSE, 50, start, "/tmp/part", _written(), flags=LAST)
    world.tick()
    world.hasher.answer(Content(status="deleted"))
    world.tick()
    world.named(RENAME, 50, start, "/tmp", "part", new="whole")
    world.tick()
    assert [question.paths for question in world.hasher.questions] == [(b"/tmp/whole",)]
    world.hasher.answer(content_of(_written(), mark="e"))
    world.tick()
    assert _file(world.of(FileCreate)[0]).md5 == "e" * 32
    assert _change(world.of(FileChange)[0]).md5 == "e" * 32


def test_a_file_that_is_gone_is_looked_for_twice_and_no_more(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/part", NEW)
    world.file(CLOSE, 50, start, "/tmp/part", _written(), flags=LAST)
    for _ in range(2):
        world.tick()
        world.tick()
        world.hasher.answer(Content(status="deleted"))
    world.tick()
    assert _file(world.of(FileCreate)[0]).hash_status == "deleted"


def test_a_deletion_tells_what_the_file_was_when_it_is_known(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/x", NEW)
    world.file(CLOSE, 50, start, "/tmp/x", _written(), flags=LAST)
    world.tick()
    world.hasher.answer(content_of(_written(), mark="f"))
    world.tick()
    world.named(UNLINK, 50, start, "/tmp", "x")
    assert _change(world.of(FileChange)[0]).sha256 == "f" * 64


def test_a_name_relative_to_a_folder_is_made_whole(world: World) -> None:
    start = world.shell()
    world.named(UNLINK, 50, start, "/var/lib/app", "../other/./x")
    assert _change(world.of(FileChange)[0]).path == "/var/lib/other/x"


def test_a_removed_folder_is_a_folder(world: World) -> None:
    start = world.shell()
    world.named(UNLINK, 50, start, "/tmp", "d", argument=0x200)
    assert _change(world.of(FileChange)[0]).type == "directory"


def test_a_write_to_an_old_file_is_reported_with_digests(world: World) -> None:
    start = world.shell()
    world.file(CLOSE, 50, start, "/etc/hosts", _written(), flags=LAST)
    world.tick()
    world.hasher.answer(content_of(_written(), mark="b"))
    world.tick()
    change = _change(world.of(FileChange)[0])
    assert (change.operation, change.path, change.md5) == ("write", "/etc/hosts", "b" * 32)


def test_a_file_that_was_opened_for_writing_but_not_written_is_no_event(world: World) -> None:
    start = world.shell()
    world.file(CLOSE, 50, start, "/etc/hosts", inode_of(700, changed=1), flags=LAST)
    world.tick(3)
    assert world.events == []


def test_the_same_version_is_reported_as_written_once(world: World) -> None:
    start = world.shell()
    for _ in range(3):
        world.file(CLOSE, 50, start, "/etc/hosts", _written(), flags=LAST)
    world.tick(3)
    assert len(world.of(FileChange)) == 1


def test_a_change_of_mode_by_name_is_looked_at(world: World) -> None:
    start = world.shell()
    world.named(CHANGE, 50, start, "/tmp", "x")
    world.tick()
    world.hasher.answer(content_of(inode_of(1, mode=0o104755)))
    world.tick()
    change = _change(world.of(FileChange)[0])
    assert (change.operation, change.mode, change.inherited_privileges) == ("attributes", "4755", "setuid")


def test_a_change_of_mode_through_a_descriptor_needs_no_look(world: World) -> None:
    start = world.shell()
    world.file(ATTRIBUTES, 50, start, "/tmp/x", inode_of(1, mode=0o102755))
    change = _change(world.of(FileChange)[0])
    assert (change.operation, change.mode, change.inherited_privileges) == ("attributes", "2755", "setgid")


def test_a_change_of_mode_of_a_file_being_made_belongs_to_its_making(world: World) -> None:
    start = world.shell()
    world.file(CREATE, 50, start, "/tmp/x", NEW)
    world.file(ATTRIBUTES, 50, start, "/tmp/x", NEW)
    assert world.events == []


def test_a_symbolic_link_is_a_created_file_of_that_type(world: World) -> None:
    start = world.shell()
    world.named(SYMLINK, 50, start, "/tmp", "target", new="link")
    world.tick()
    assert world.hasher.questions[0].paths == (b"/tmp/link",)
    world.hasher.answer(Content(status="not_regular", mode=0o120777, size=6, uid=0, gid=0))
    world.tick()
    file = _file(world.of(FileCreate)[0])
    assert (file.path, file.type, file.hash_status) == ("/tmp/link", "symlink", None)


def test_a_hard_link_is_a_created_file(world: World) -> None:
    start = world.shell()
    world.named(LINK, 50, start, "/tmp", "old", new="other", new_folder="/srv")
    world.tick()
    world.hasher.answer(content_of(inode_of(1)))
    world.tick()
    assert _file(world.of(FileCreate)[0]).path == "/srv/other"


def test_excluded_paths_are_silent(world: World) -> None:
    start = world.shell()
    inode = _written()
    world.file(CREATE, 50, start, "/excluded/a", NEW)
    world.file(CLOSE, 50, start, "/excluded/a", inode, flags=LAST)
    world.file(CLOSE, 50, start, "/excluded/b", inode_of(5, changed=200_000_000_000), flags=LAST)
    world.named(UNLINK, 50, start, "/excluded", "a")
    world.tick(3)
    assert world.events == []


def test_a_fork_that_makes_a_file_is_reported_first(world: World) -> None:
    shell = world.shell()
    start = world.fork(51, parent=(50, shell))
    world.named(UNLINK, 51, start, "/tmp", "x")
    assert [type(event) for event in world.events] == [ProcessStart, FileChange]


def test_what_a_program_did_before_an_exec_is_its_own(world: World) -> None:
    start = world.shell()
    before = world.now
    inode = world.exec(50, start, "/bin/next", "next")
    world.tick()
    world.hasher.answer(content_of(inode))
    world.tick()
    world.events.clear()
    world.now = before - 5000  # the bulk ring is read after the control ring
    world.named(UNLINK, 50, start, "/tmp", "x")
    process = world.of(FileChange)[0].process
    assert process is not None
    assert process.command_line == "sh"


def test_all_events_of_a_program_share_one_process(world: World) -> None:
    start = world.shell()
    world.named(UNLINK, 50, start, "/tmp", "x")
    world.named(UNLINK, 50, start, "/tmp", "y")
    first, second = world.of(FileChange)
    assert first.process is second.process
    assert first.user is second.user


def test_files_of_another_mount_namespace_are_reached_through_their_process(world: World) -> None:
    start = world.shell()
    act = world.act

    def elsewhere(kind: int, pid: int, start: int, **other: Any) -> dict[str, Any]:
        return act(kind, pid, start, **other) | {"mount_namespace": 12345}

    world.act = elsewhere  # type: ignore[method-assign]
    world.file(CREATE, 50, start, "/data/x", NEW)
    world.file(CLOSE, 50, start, "/data/x", _written(), flags=LAST)
    world.tick()
    assert world.hasher.questions[0].paths == (b"/proc/50/root/data/x",)
