"""Where the file of an event is found."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from vedette.agent.linux.objects import open_object, own_mount_namespace, places
from vedette.probes.records import text
from vedette.schema.entities import File, Process


def content(process: Process, file: File, *, program: bool = False) -> bytes:
    for handle in open_object(process, file, program=program):
        try:
            return os.pread(handle, 100, 0)
        finally:
            os.close(handle)
    raise AssertionError("nothing was given")


def test_a_file_is_opened_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"inside")
    assert content(Process(pid=1), File(path=str(tmp_path / "x"))) == b"inside"


def test_a_name_that_is_no_utf8_is_found(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/caf\xe9"
    Path(os.fsdecode(raw)).write_bytes(b"odd")
    assert content(Process(pid=1), File(path=text(raw))) == b"odd"


def test_a_name_with_a_real_backslash_is_found(tmp_path: Path) -> None:
    (tmp_path / r"a\xe9").write_bytes(b"backslash")
    assert content(Process(pid=1), File(path=str(tmp_path / r"a\xe9"))) == b"backslash"


def test_a_running_program_without_a_name_is_found(tmp_path: Path) -> None:
    program = tmp_path / "sleeper"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    with subprocess.Popen([program, "30"]) as running:
        program.unlink()
        file = File(path=str(program))
        assert content(Process(pid=running.pid, file=file), file, program=True)[:4] == b"\x7fELF"
        running.kill()


@pytest.mark.parametrize("kind", ["link", "folder", "pipe", "absent"])
def test_what_is_no_regular_file_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    if kind == "link":
        path.symlink_to("/etc/passwd")
    elif kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    with pytest.raises(OSError, match=r"\[Errno \d+\]"):
        content(Process(pid=1), File(path=str(path)))


def test_a_file_of_another_mount_namespace_is_reached_through_its_process() -> None:
    file = File(path="/etc/x")
    own = Process(pid=9, mount_namespace=own_mount_namespace())
    other = Process(pid=9, mount_namespace=own_mount_namespace() + 1)
    assert places(own, file, program=False) == [b"/etc/x"]
    assert places(other, file, program=False) == [b"/proc/9/root/etc/x"]


def test_a_name_that_is_no_path_leads_to_the_process_alone() -> None:
    file = File(path="memfd:payload")
    assert places(Process(pid=9, file=file), file, program=True) == [b"/proc/9/exe"]
