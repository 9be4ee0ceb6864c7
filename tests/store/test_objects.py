"""Objects: what is read is what was written, or an error; nothing on disk tells what it is."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.runtime.errors import NotFoundError, StoreError
from vedette.store.objects import MAGIC, PIECE, ObjectFiles, Written

KEY = b"k" * 32


def put(files: ObjectFiles, *parts: bytes) -> Written:
    with files.writing() as writer:
        for part in parts:
            writer.write(part)
        written = writer.finish()
        files.keep(written)
        return written


@pytest.fixture
def files(tmp_path: Path) -> ObjectFiles:
    return ObjectFiles(tmp_path, KEY)


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE])
def test_an_object_is_read_as_it_was_written_whatever_its_size(files: ObjectFiles, size: int) -> None:
    data = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    written = put(files, data[: size // 3], data[size // 3 :])
    assert written.size == size
    assert files.read(written.sha256) == data
    assert put(files, data).sha256 == written.sha256
    (only,) = files.present()
    assert only[0] == written.sha256
    content = (files.folder / written.sha256[:2] / f"{written.sha256}.obj").read_bytes()
    assert size < 16 or data[:16] not in content
    files.remove(written.sha256)
    files.remove(written.sha256)
    with pytest.raises(NotFoundError):
        files.read(written.sha256)


@given(at=st.integers(0, 2 * PIECE + 200), change=st.integers(1, 255))
def test_a_changed_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, at: int, change: int) -> None:
    files = ObjectFiles(tmp_path_factory.mktemp("objects"), KEY)
    written = put(files, b"y" * (2 * PIECE + 5))
    path = files.folder / written.sha256[:2] / f"{written.sha256}.obj"
    content = bytearray(path.read_bytes())
    content[at % len(content)] ^= change
    path.write_bytes(content)
    with pytest.raises(StoreError):
        files.read(written.sha256)


def test_what_is_cut_swapped_or_of_another_key_is_refused(files: ObjectFiles) -> None:
    written = put(files, b"a" * PIECE + b"b" * PIECE + b"c")
    path = files.folder / written.sha256[:2] / f"{written.sha256}.obj"
    whole, head, piece = path.read_bytes(), len(MAGIC) + 16, PIECE + 16
    swapped = whole[:head] + whole[head + piece : head + 2 * piece] + whole[head : head + piece] + whole[-17:]
    for content in (whole[:head], whole[: head + piece], whole[:-1], swapped, b"", whole[:4]):
        path.write_bytes(content)
        with pytest.raises(StoreError):
            files.read(written.sha256)
    path.write_bytes(whole)
    with pytest.raises(StoreError):
        ObjectFiles(files.folder, b"K" * 32).read(written.sha256)
    other = put(files, b"other")
    (files.folder / other.sha256[:2] / f"{other.sha256}.obj").write_bytes(whole)
    with pytest.raises(StoreError, match="not what its name says"):
        files.read(other.sha256)


def test_a_writer_that_ends_early_leaves_nothing(files: ObjectFiles) -> None:
    with files.writing() as writer:
        writer.write(b"x" * 10)
        assert len(list(files.folder.iterdir())) == 1
    assert list(files.folder.iterdir()) == []
    (files.folder / ".left").write_bytes(b"by a kill")
    files.sweep()
    assert list(files.folder.iterdir()) == []
