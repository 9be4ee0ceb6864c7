"""Files as a process with another root sees them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.agent.linux.inside import open_inside


@pytest.fixture
def rooted(tmp_path: Path) -> Iterator[bytes]:
    """The folder /proc/PID/root of a process whose root is `tmp_path`."""
    with subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as child:
        folder = tmp_path / "root"
        folder.mkdir()
        (folder / "script").write_text("inside")
        (folder / "link").symlink_to("/script")
        (folder / "out").symlink_to("../../../../../../../../../etc/passwd")
        code = f"import os; os.chroot({str(folder)!r}); print(flush=True); input()"
        with subprocess.Popen(["/usr/bin/python3", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            yield b"/proc/%d/root" % other.pid
            other.communicate(b"\n")
        child.communicate()


def _read(path: bytes) -> bytes:
    handle = open_inside(path, os.O_RDONLY)
    try:
        return os.read(handle, 100)
    finally:
        os.close(handle)


@pytest.mark.root
def test_links_lead_to_what_they_mean_there(rooted: bytes) -> None:
    assert _read(rooted + b"/script") == _read(rooted + b"/link") == b"inside"
    with pytest.raises(FileNotFoundError):
        _read(rooted + b"/out")


def test_a_name_without_a_process_is_looked_up_here(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("here")
    (tmp_path / "y").symlink_to("x")
    assert _read(os.fsencode(tmp_path / "y")) == b"here"


def test_descriptors_of_the_agent_are_not_given_away(tmp_path: Path) -> None:
    (tmp_path / "own").write_text("secret")
    (tmp_path / "link").symlink_to("/proc/self/fd")
    with (tmp_path / "own").open() as own, pytest.raises(OSError, match="symbolic links"):
        open_inside(os.fsencode(tmp_path / f"link/{own.fileno()}"), os.O_RDONLY)
