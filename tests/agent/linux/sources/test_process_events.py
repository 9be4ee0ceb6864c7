"""Starts and ends of processes: one identity from fork to exit, parents that are right, digests that arrive later."""

from __future__ import annotations

import pytest
from tests.agent.linux.conftest import OURS, SECOND, World, content_of, inode_of

from vedette.agent.linux.examine import Content
from vedette.agent.linux.inventory import Found
from vedette.agent.linux.sources.decoder import boot_id
from vedette.probes.records import INTERPRETED, SECURE, STRINGS_CUT
from vedette.schema.events.process import ProcessStart, ProcessStop


def test_a_program_is_reported_with_its_parent_and_its_end(world: World) -> None:
    shell = world.shell()
    start = world.fork(51, parent=(50, shell))
    inode = world.exec(51, start, "/usr/bin/curl", "curl", "-s", "a b", parent=(50, shell))
    world.tick()
    world.hasher.answer(content_of(inode, mark="c"))
    world.tick()
    world.exit(51, start, status=3 << 8)
    (began,), (ended,) = world.of(ProcessStart), world.of(ProcessStop)
    process = began.process
    assert process is not None
    assert process.file is not None
    assert process.parent is not None
    assert process.parent.file is not None
    assert (process.command_line, process.args) == ("curl -s a b", ("curl", "-s", "a b"))
    assert (process.file.path, process.file.directory, process.file.md5) == ("/usr/bin/curl", "/usr/bin", "c" * 32)
    assert (process.parent.pid, process.parent.file.path, process.parent.command_line) == (50, "/bin/sh", "sh")
    assert process.parent.file.sha256 == "a" * 64
    assert process.env == {"A": "1", "MY_TOKEN": "<redacted>"}
    assert process.kind == "exec"
    assert ended.process is not None
    assert (ended.process.entity_id, ended.process.exit_code, ended.process.exit_signal) == (process.entity_id, 3, 0)
    assert ended.process.end_time == ended.time


def test_a_signal_is_told_apart_from_an_exit_code(world: World) -> None:
    start = world.shell()
    world.exit(50, start, status=9)
    (ended,) = world.of(ProcessStop)
    assert ended.process is not None
    assert (ended.process.exit_code, ended.process.exit_signal) == (0, 9)


def test_the_user_is_the_one_whose_rights_are_used(world: World) -> None:
    start = world.shell()
    world.exit(50, start)
    user = world.of(ProcessStop)[0].user
    assert user is not None
    assert user.real is not None
    assert user.effective is not None
    assert (user.name, user.real.name, user.effective.group) == ("u0", "u1000", "g0")
    assert user.login is None


def test_a_start_waits_for_its_digests_and_what_the_process_does_waits_with_it(world: World) -> None:
    start = world.fork(51)
    inode = world.exec(51, start, "/tmp/new", "new")
    world.exit(51, start)
    world.tick()
    assert world.events == []
    world.hasher.answer(content_of(inode))
    world.tick()
    assert [type(event) for event in world.events] == [ProcessStart, ProcessStop]


def test_a_start_goes_without_digests_after_two_seconds(world: World) -> None:
    start = world.fork(51)
    world.exec(51, start, "/tmp/new", "new")
    world.tick()
    world.tick(2.5)
    process = world.of(ProcessStart)[0].process
    assert process is not None
    assert process.file is not None
    assert (process.file.path, process.file.sha256, process.file.hash_status) == ("/tmp/new", None, "late")
    assert process.file.size == 100  # what the kernel said


def test_no_room_for_a_question_is_told(world: World) -> None:
    world.hasher.room = 0
    start = world.fork(51)
    world.exec(51, start, "/tmp/new", "new")
    world.tick()
    process = world.of(ProcessStart)[0].process
    assert process is not None
    assert process.file is not None
    assert process.file.hash_status == "busy"


def test_a_known_program_is_not_looked_at_again_and_shares_its_file(world: World) -> None:
    world.shell(50)
    start = world.fork(60)
    world.exec(60, start, "/bin/sh", "sh", "-c", "again")
    world.tick()
    assert world.hasher.questions == []
    start = world.fork(61)
    world.exec(61, start, "/bin/sh", "sh", "-c", "more")
    first, second = (event.process for event in world.of(ProcessStart))
    assert first is not None
    assert second is not None
    assert first.file is second.file


def test_an_exec_in_a_chain_keeps_the_identity(world: World) -> None:
    start = world.shell()
    inode = world.exec(50, start, "/bin/busybox", "busybox")
    world.tick()
    world.hasher.answer(content_of(inode))
    world.tick()
    world.exit(50, start)
    (second,), (ended,) = world.of(ProcessStart), world.of(ProcessStop)
    assert second.process is not None
    assert ended.process is not None
    assert second.process.entity_id == ended.process.entity_id
    assert ended.process.command_line == "busybox"


def test_a_fork_that_runs_a_program_at_once_is_one_start(world: World) -> None:
    shell = world.shell()
    start = world.fork(51, parent=(50, shell))
    world.exec(51, start, "/bin/sh", "sh", parent=(50, shell))
    world.tick(5)
    assert len(world.of(ProcessStart)) == 1


def test_a_fork_that_lives_on_is_reported_after_a_second(world: World) -> None:
    shell = world.shell()
    world.fork(51, parent=(50, shell))
    world.tick(0.5)
    assert world.events == []
    world.tick(1)
    process = world.of(ProcessStart)[0].process
    assert process is not None
    assert process.parent is not None
    assert (process.kind, process.command_line, process.pid, process.parent.pid) == ("fork", "sh", 51, 50)


def test_a_fork_that_ends_is_reported_with_start_and_stop(world: World) -> None:
    shell = world.shell()
    start = world.fork(51, parent=(50, shell))
    world.exit(51, start)
    assert [type(event) for event in world.events] == [ProcessStart, ProcessStop]


def test_a_subshell_between_shell_and_program_is_reported_so_that_the_chain_is_whole(world: World) -> None:
    shell = world.shell()
    sub = world.fork(51, parent=(50, shell))
    start = world.fork(52, parent=(51, sub))
    world.exec(52, start, "/bin/sh", "sh", "-c", "x", parent=(51, sub))
    middle, last = (event.process for event in world.of(ProcessStart))
    assert middle is not None
    assert last is not None
    assert last.parent is not None
    assert (middle.kind, middle.pid, last.parent.entity_id) == ("fork", 51, middle.entity_id)


def test_the_parent_is_the_one_that_forked_even_when_it_ended(world: World) -> None:
    shell = world.shell()
    start = world.fork(51, parent=(50, shell))
    world.exit(50, shell)
    world.exec(51, start, "/bin/sh", "sh", parent=(1, 0))  # init took it over meanwhile
    process = world.of(ProcessStart)[0].process
    assert process is not None
    assert process.parent is not None
    assert process.parent.pid == 50


def test_the_parent_is_the_program_that_forked_not_the_one_it_became(world: World) -> None:
    shell = world.shell()
    start = world.fork(51, parent=(50, shell))
    other = world.exec(50, shell, "/bin/other", "other")
    world.tick()
    world.hasher.answer(content_of(other))
    world.tick()
    world.exec(51, start, "/bin/sh", "sh", parent=(50, shell))
    process = world.of(ProcessStart)[-1].process
    assert process is not None
    assert process.parent is not None
    assert process.parent.command_line == "sh"


@pytest.mark.parametrize(
    ("path", "flags", "mode", "links", "kind"),
    [
        ("/bin/x", 0, 0o100755, 1, "exec"),
        ("/bin/x", INTERPRETED, 0o100755, 1, "interpreted"),
        ("/bin/x", SECURE, 0o104755, 1, "setuid"),
        ("/bin/x", SECURE, 0o100755, 1, "exec"),
        ("/memfd:x", 0, 0o100777, 0, "memory"),
    ],
)
def test_the_kind_of_a_process(path: str, flags: int, mode: int, links: int, kind: str) -> None:
    world = World()
    start = world.fork(51)
    inode = inode_of(3, mode=mode, links=links)
    world.exec(51, start, path, "x", flags=flags, inode=inode)
    world.tick()
    world.hasher.answer(content_of(inode))
    world.tick()
    process = world.of(ProcessStart)[0].process
    assert process is not None
    assert process.kind == kind


def test_cut_arguments_are_told(world: World) -> None:
    start = world.fork(51)
    world.exec(51, start, "/bin/x", "x", flags=STRINGS_CUT)
    world.tick(3)
    process = world.of(ProcessStart)[0].process
    assert process is not None
    assert process.args_truncated is True


def test_more_arguments_than_a_list_may_hold_are_cut_and_told(world: World) -> None:
    start = world.fork(51)
    world.exec(51, start, "/bin/x", *("a" for _ in range(5000)))
    world.tick(3)
    process = world.of(ProcessStart)[0].process
    assert process is not None
    assert process.args is not None
    assert (len(process.args), process.args_truncated) == (4096, True)


def test_a_restarted_agent_gives_a_process_the_same_identity(world: World) -> None:
    start = world.shell()
    before = world.model.processes.get(50, start)
    restarted = World()
    # /proc tells the start in hundredths of a second only.
    restarted.processes.adopt(Found(pid=50, parent=1, start=start // 10_000_000 * 10_000_000, args=(b"sh",)))
    after = restarted.model.processes.get(50, start)
    assert before is not None
    assert after is not None
    assert before.entity_id == after.entity_id
    child = restarted.fork(51, parent=(50, start))
    restarted.exec(51, child, "/bin/x", "x", parent=(50, start))
    restarted.tick(3)
    process = restarted.of(ProcessStart)[0].process
    assert process is not None
    assert process.parent is not None
    assert (process.parent.entity_id, process.parent.command_line) == (before.entity_id, "sh")


def test_a_parent_whose_start_was_lost_is_looked_up(world: World) -> None:
    world.found[40] = Found(pid=40, parent=1, start=5 * SECOND, args=(b"daemon",))
    start = world.fork(51, parent=(40, 5 * SECOND))
    world.exec(51, start, "/bin/x", "x", parent=(40, 5 * SECOND))
    world.tick(3)
    process = world.of(ProcessStart)[0].process
    assert process is not None
    assert process.parent is not None
    assert process.parent.command_line == "daemon"


def test_a_pid_that_was_used_again_is_another_process(world: World) -> None:
    first = world.shell()
    world.found[50] = Found(pid=50, parent=1, start=99 * SECOND, args=(b"somebody else",))
    world.exit(50, first)
    second = world.fork(50)
    world.exit(50, second)
    ids = {event.process.entity_id for event in world.of(ProcessStop) if event.process}
    assert len(ids) == 2


def test_an_end_is_reported_once(world: World) -> None:
    start = world.shell()
    world.exit(50, start)
    world.exit(50, start)
    assert len(world.of(ProcessStop)) == 1


def test_kernel_threads_are_known_but_not_reported(world: World) -> None:
    world.processes.adopt(Found(pid=2, parent=0, start=0, kernel_thread=True, name=b"kthreadd"))
    start = world.fork(70, parent=(2, 0))
    world.tick(2)
    world.exit(70, start, parent=(2, 0))
    assert world.events == []


def test_ended_processes_are_forgotten(world: World) -> None:
    start = world.shell()
    world.exit(50, start)
    world.tick(10)
    assert world.model.processes.get(50, start) is None


def test_a_deleted_program_still_has_what_the_kernel_said(world: World) -> None:
    start = world.fork(51)
    world.exec(51, start, "/tmp/gone", "gone")
    world.tick()
    world.hasher.answer(Content(status="deleted"))
    world.tick()
    process = world.of(ProcessStart)[0].process
    assert process is not None
    assert process.file is not None
    assert (process.file.hash_status, process.file.size, process.file.mode) == ("deleted", 100, "0755")


@pytest.mark.root
def test_this_boot_has_an_id() -> None:
    assert len(boot_id()) == 36


def test_a_program_of_another_mount_namespace_is_looked_for_through_others_that_run_there(world: World) -> None:
    world.namespace, world.elsewhere = OURS + 1, {50}
    world.exec(50, world.fork(50), "/entry", "entry")
    world.exec(60, world.fork(60), "/tool", "tool")
    world.tick()
    assert [question.paths for question in world.hasher.questions] == [
        (b"/proc/50/root/entry", b"/proc/50/exe"),
        (b"/proc/60/root/tool", b"/proc/60/exe", b"/proc/50/root/tool"),
    ]
