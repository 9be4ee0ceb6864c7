"""Processes that /proc tells of."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vedette.agent.linux import inventory
from vedette.agent.linux.kernel_time import TICK
from vedette.probes.records import NO_ID

STAT = b"1234 (odd ) (name) S 1 1234 1234 34816 1234 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2 3"


def test_a_name_with_brackets_and_spaces_is_read() -> None:
    found = inventory.parse_stat(STAT)
    assert found is not None
    assert (found.pid, found.parent, found.name, found.start) == (1234, 1, b"odd ) (name", 98765 * TICK)
    assert not found.kernel_thread


def test_a_kernel_thread_is_told_by_its_flag() -> None:
    found = inventory.parse_stat(STAT.replace(b"4194304", b"2129984"))
    assert found is not None
    assert found.kernel_thread


@given(st.binary(max_size=200))
def test_any_line_is_read_without_an_error(line: bytes) -> None:
    inventory.parse_stat(line)


def test_this_process_is_found_as_it_is() -> None:
    found = inventory.look(os.getpid())
    assert found is not None
    assert found.parent == os.getppid()
    assert found.ids[:4] == (os.getuid(), os.getgid(), os.geteuid(), os.getegid())
    assert os.fsdecode(found.path) == str(Path("/proc/self/exe").readlink())
    assert os.fsdecode(found.directory) == os.getcwd()  # noqa: PTH109
    assert found.inode is not None
    assert found.inode.number == os.stat("/proc/self/exe").st_ino  # noqa: PTH116
    assert found.args
    assert found.args[0]
    assert found.mount_namespace == os.stat("/proc/self/ns/mnt").st_ino  # noqa: PTH116


def test_arguments_and_environment_are_those_it_was_started_with() -> None:
    with subprocess.Popen(["/bin/sleep", "30", "0.5"], env={"A": "1", "B": "x y"}, executable="/bin/sleep") as child:
        # The kernel lays them down a moment after the new program has taken over.
        while (found := inventory.look(child.pid)) is not None and not found.args:
            pass
        child.kill()
    assert found is not None
    assert found.args == (b"/bin/sleep", b"30", b"0.5")
    assert found.env == b"A=1\0B=x y\0"


def test_a_process_that_is_gone_is_none() -> None:
    with subprocess.Popen(["/bin/true"]) as child:
        child.wait()
    assert inventory.look(child.pid) is None


def test_parents_come_before_their_children() -> None:
    seen: set[int] = set()
    for found in inventory.running():
        assert found.parent in seen or found.parent == 0 or found.pid in (1, 2) or found.session == NO_ID
        seen.add(found.pid)
    assert os.getpid() in seen
