"""Scripts that interpreters run."""

from __future__ import annotations

from msgspec.structs import replace
from tests.agent.linux.conftest import World, content_of, inode_of

from vedette.probes.records import INTERPRETED
from vedette.schema.events.scripts import ScriptRun

SCRIPT = content_of(inode_of(9), mark="b")


def _told(world: World, *, beginning: str | None = "echo $TOKEN") -> ScriptRun:
    """The only script that was run, after its file was looked at."""
    for _ in range(2):
        world.tick()
        world.hasher.answers += [
            (question.ticket, replace(SCRIPT, beginning=beginning) if question.script else content_of(inode_of(1)))
            for question in world.hasher.questions
        ]
        world.hasher.questions = []
    world.tick()
    (event,) = world.of(ScriptRun)
    return event


def test_a_file_with_a_first_line_is_told_with_its_digests_and_its_beginning(world: World) -> None:
    start = world.fork(50)
    world.exec(50, start, "/usr/bin/dash", "/bin/sh", "./tool", "x", flags=INTERPRETED, name=b"./tool")
    world.tick()
    wanted = [question for question in world.hasher.questions if question.script]
    assert [question.paths for question in wanted] == [(b"/proc/50/root/home/u/tool", b"/home/u/tool")]
    assert wanted[0].script == (0, 0)
    event = _told(world)
    assert event.file is not None
    assert (event.file.path, event.file.sha256) == ("/home/u/tool", "b" * 64)
    assert event.script is not None
    assert (event.script.path, event.script.sha256, event.script.content) == (
        "/home/u/tool", "b" * 64, "echo $TOKEN",
    )  # fmt: skip
    assert (event.script.app_name, event.script.content_name) == ("dash", "./tool")
    assert event.process is not None
    assert event.process.pid == 50


def test_an_argument_of_an_interpreter_is_a_script(world: World) -> None:
    world.exec(50, world.fork(50), "/usr/bin/python3.11", "python3", "-u", "/opt/tool.py", "x")
    event = _told(world, beginning=None)
    assert event.script is not None
    assert (event.script.path, event.script.content, event.script.app_name) == ("/opt/tool.py", None, "python3.11")


def test_a_text_among_the_arguments_is_a_script_without_a_file(world: World) -> None:
    world.exec(50, world.fork(50), "/bin/bash", "bash", "-lc", "MY_TOKEN=abc run")
    event = _told(world)
    assert event.file is None
    assert event.script is not None
    assert (event.script.content, event.script.path) == ("MY_TOKEN=<redacted> run", None)


def test_a_module_is_told_by_its_name(world: World) -> None:
    world.exec(50, world.fork(50), "/usr/bin/python3", "python3", "-m", "http.server")
    event = _told(world)
    assert event.script is not None
    assert (event.script.content_name, event.script.content) == ("-m http.server", None)


def test_env_in_the_first_line_is_told_once_by_what_it_starts(world: World) -> None:
    start = world.fork(50)
    world.exec(50, start, "/usr/bin/env", "/usr/bin/env", "python3", "./x.py", flags=INTERPRETED, name=b"./x.py")
    world.exec(50, start, "/usr/bin/python3", "python3", "./x.py")
    event = _told(world)
    assert event.script is not None
    assert event.script.app_name == "python3"


def test_what_is_read_from_a_descriptor_is_not_looked_for(world: World) -> None:
    world.exec(50, world.fork(50), "/bin/bash", "bash", "/dev/fd/63")
    assert not [question for question in world.hasher.questions if question.script]
    event = _told(world)
    assert event.script is not None
    assert (event.script.path, event.script.sha256) == ("/dev/fd/63", None)


def test_a_name_that_is_no_text_is_looked_for_as_it_is(world: World) -> None:
    world.exec(50, world.fork(50), "/bin/sh", "sh", "x")
    world.events.clear()
    start = world.fork(51)
    world.exec(51, start, "/bin/sh", "sh", name=b"/t/\xff", flags=INTERPRETED)
    world.tick()
    assert world.hasher.questions[-1].paths[1] == b"/t/\xff"


def test_other_programs_run_no_script(world: World) -> None:
    world.exec(50, world.fork(50), "/bin/ls", "ls", "-c", "x.sh")
    world.tick()
    assert not [question for question in world.hasher.questions if question.script]
    assert world.of(ScriptRun) == []
