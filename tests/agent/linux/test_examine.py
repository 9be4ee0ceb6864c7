"""Looking at one file: digests, facts, and every reason why there are none."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from vedette.agent.linux.examine import BEGINNING, BLOCK, Content, Question, examine

LARGEST = 4 << 20


def _look(
    path: Path, *, number: int = 0, largest: int = LARGEST, digests: bool = True, allowed: bool = True
) -> Content:
    question = Question(1, (os.fsencode(path),), 0, number, digests)
    return examine(question, largest=largest, buffer=bytearray(BLOCK), allow=lambda _: allowed)


@pytest.mark.parametrize("size", [0, 1, 511, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 7])
def test_digests_are_those_of_the_whole_file(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    content = _look(path, number=path.stat().st_ino)
    assert content.status is None
    assert (content.md5, content.sha256) == (hashlib.md5(data).hexdigest(), hashlib.sha256(data).hexdigest())
    assert content.size == size


def test_facts_are_those_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text\n")
    path.chmod(0o4711)
    content, known = _look(path), path.stat()
    assert (content.mode, content.uid, content.gid) == (known.st_mode, known.st_uid, known.st_gid)
    assert content.modified == known.st_mtime_ns // 1000
    assert content.created is not None
    assert abs(content.created - known.st_ctime_ns // 1000) < 5_000_000
    assert (content.kind, content.extra_rights) == ("text", "")


def test_the_access_time_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("text\n")
    os.utime(path, (1, 1))
    _look(path)
    assert path.stat().st_atime == 1


def test_a_missing_file_was_deleted(tmp_path: Path) -> None:
    assert _look(tmp_path / "gone").status == "deleted"


def test_another_file_under_the_name_is_not_taken_for_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("another")
    content = _look(path, number=path.stat().st_ino + 1)
    assert (content.status, content.md5) == ("replaced", None)


def test_a_link_that_took_the_name_is_not_followed(tmp_path: Path) -> None:
    secret, link = tmp_path / "secret", tmp_path / "link"
    secret.write_text("secret")
    link.symlink_to(secret)
    assert _look(link, number=secret.stat().st_ino).status == "replaced"
    assert _look(link).status == "not_regular"


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    assert _look(path).status == "not_regular"
    assert _look(path, number=path.stat().st_ino).status == "replaced"


def test_a_large_file_has_facts_but_no_digests(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 1000)
    content = _look(path, largest=999)
    assert (content.status, content.size, content.md5, content.kind) == ("too_large", 1000, None, "text")


def test_a_file_beyond_the_budget_has_facts_but_no_digests(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    content = _look(path, allowed=False)
    assert (content.status, content.size, content.md5) == ("budget", 1, None)


def test_digests_can_be_left_out(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    content = _look(path, digests=False)
    assert (content.status, content.md5, content.size) == (None, None, 1)


def test_the_second_name_is_tried_when_the_first_is_gone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    question = Question(1, (os.fsencode(tmp_path / "gone"), os.fsencode(path)), 0, path.stat().st_ino, digests=True)
    content = examine(question, largest=LARGEST, buffer=bytearray(BLOCK), allow=lambda _: True)
    assert content.sha256 == hashlib.sha256(b"x").hexdigest()


def test_a_running_program_is_found_through_proc_after_its_file_is_gone(tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_bytes(Path("/bin/sleep").read_bytes())
    program.chmod(0o755)
    number = program.stat().st_ino
    with subprocess.Popen([program, "30"]) as running:
        program.unlink()
        paths = (os.fsencode(program), b"/proc/%d/exe" % running.pid)
        question = Question(1, paths, 0, number, digests=True)
        content = examine(question, largest=LARGEST, buffer=bytearray(BLOCK), allow=lambda _: True)
        running.kill()
    assert content.sha256 == hashlib.sha256(Path("/bin/sleep").read_bytes()).hexdigest()


def test_names_that_are_not_utf8_are_found(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xff\xfe"
    with open(name, "wb") as file:  # noqa: PTH123 - a name of bytes
        file.write(b"x")
    content = examine(
        Question(1, (name,), 0, 0, digests=True), largest=10, buffer=bytearray(BLOCK), allow=lambda _: True
    )
    assert content.sha256 == hashlib.sha256(b"x").hexdigest()


@pytest.mark.root
def test_file_capabilities_are_inherited_privileges(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    # Version 2, effective, permitted: cap_net_raw.
    os.setxattr(path, "security.capability", bytes.fromhex("0100000200200000000000000000000000000000"))
    assert _look(path).extra_rights == "capabilities"


@pytest.mark.root
@pytest.mark.parametrize(
    ("mode", "owner", "reader", "told"),
    [
        (0o644, 0, (1000, 1000), True),
        (0o600, 0, (1000, 1000), False),
        (0o600, 1000, (1000, 7), True),
        (0o040, 1000, (1000, 1000), False),
        (0o640, 0, (7, 1000), True),
        (0o640, 0, (7, 8), False),
        (0o000, 1000, (0, 0), True),
    ],
)
def test_the_beginning_of_a_script_is_told_to_those_who_may_read_it(
    tmp_path: Path, mode: int, owner: int, reader: tuple[int, int], *, told: bool
) -> None:
    path = tmp_path / "script"
    path.write_bytes(b"#!/bin/sh\n\xff" + b"x" * BEGINNING)
    (tmp_path / "link").symlink_to(path)
    os.chown(path, owner, 1000)
    path.chmod(mode)
    question = Question(1, (os.fsencode(tmp_path / "link"),), 0, 0, digests=True, script=reader)
    content = examine(question, largest=LARGEST, buffer=bytearray(BLOCK), allow=lambda _: True)
    assert content.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert content.beginning == ("#!/bin/sh\n\\xff" + "x" * (BEGINNING - 11) if told else None)


def test_a_script_that_is_a_pipe_or_gone_has_no_beginning(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, status in (("pipe", "replaced"), ("gone", "deleted")):
        question = Question(1, (os.fsencode(tmp_path / name),), 0, 0, digests=True, script=(0, 0))
        content = examine(question, largest=LARGEST, buffer=bytearray(BLOCK), allow=lambda _: True)
        assert (content.status, content.beginning) == (status, None)
