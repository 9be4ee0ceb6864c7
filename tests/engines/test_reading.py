"""Files are read whole or not at all."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.engines.objects import Reason
from vedette.engines.reading import read_whole

SIZE = 100_007


@pytest.fixture
def handle(tmp_path: Path) -> Iterator[int]:
    path = tmp_path / "file"
    path.write_bytes(b"x" * SIZE)
    opened = os.open(path, os.O_RDONLY)
    yield opened
    os.close(opened)


def test_a_file_is_read_with_its_digests(handle: int) -> None:
    data = b"x" * SIZE
    reading = read_whole(handle, 1 << 30)
    assert (reading.data, reading.size, reading.problem) == (data, len(data), None)
    assert reading.sha256 == hashlib.sha256(data).hexdigest()
    assert reading.md5 == hashlib.md5(data).hexdigest()


def test_it_is_read_from_its_start_wherever_the_handle_stands(handle: int) -> None:
    os.lseek(handle, 10, os.SEEK_SET)
    assert len(read_whole(handle, 1 << 30).data) == SIZE


def test_one_above_the_limit_is_not_read_and_tells_sizes(handle: int) -> None:
    reading = read_whole(handle, 100)
    assert (reading.problem, reading.data, reading.sha256) == (Reason.TOO_LARGE, b"", None)
    assert reading.detail == f"{SIZE} bytes, limit 100"


def test_one_that_shrinks_while_it_is_read_is_truncated(handle: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pread", lambda _handle, _size, offset: b"y" * 5 if offset == 0 else b"")
    reading = read_whole(handle, 1 << 30)
    assert (reading.problem, reading.data) == (Reason.TRUNCATED, b"")


def test_one_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        reading = read_whole(folder, 1 << 30)
    finally:
        os.close(folder)
    assert (reading.problem, reading.detail) == (Reason.UNREADABLE, "Is a directory")
