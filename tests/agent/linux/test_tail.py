"""New bytes of files, and positions that are kept."""

from __future__ import annotations

from pathlib import Path

from vedette.agent.linux.cursor import Cursor
from vedette.agent.linux.tail import Tail


def test_new_whole_units_are_given_once(tmp_path: Path) -> None:
    file = tmp_path / "wtmp"
    file.write_bytes(b"aabb")
    tail = Tail(file, 2)
    tail.skip()
    assert tail.read() == b""
    with file.open("ab") as log:
        log.write(b"ccd")
    assert (tail.read(), tail.read()) == (b"cc", b"")
    with file.open("ab") as log:
        log.write(b"d")
    assert tail.read() == b"dd"


def test_a_rotated_or_emptied_file_is_read_from_its_start(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"old")
    tail = Tail(file)
    tail.skip()
    file.rename(tmp_path / "log.1")
    file.write_bytes(b"new file")
    assert tail.read() == b"new file"
    file.write_bytes(b"x")
    assert tail.read() == b"x"
    file.unlink()
    assert tail.read() == b""


def test_it_goes_on_where_it_was_if_the_file_is_the_same(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"one\ntwo")
    first = Tail(file)
    assert first.read() == b"one\ntwo"
    position = first.position(behind=3)
    again = Tail(file)
    assert again.resume(position)
    assert again.read() == b"two"
    assert not again.resume("1:0")
    assert not again.resume("nonsense")
    assert not Tail(tmp_path / "gone").resume(position)


def test_a_cursor_is_kept_over_restarts(tmp_path: Path) -> None:
    cursor = Cursor()
    cursor.save("lost")
    cursor.keep_in(tmp_path / "sources" / "x")
    assert cursor.value == ""
    cursor.save("s=1;i=2")
    again = Cursor()
    again.keep_in(tmp_path / "sources" / "x")
    assert again.value == "s=1;i=2"


def test_a_disk_that_cannot_write_does_not_stop_the_source(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    cursor = Cursor()
    cursor.keep_in(tmp_path / "file" / "below")
    cursor.save("a")
    assert cursor.value == "a"
