"""Releases: what is written is read back, and nothing but that is accepted."""

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from vedette.central.pki import public_pem
from vedette.runtime.errors import IdentityError, WireError
from vedette.wire import limits
from vedette.wire.release import (
    PROGRAM,
    Manifest,
    ReleaseReader,
    check_archive,
    newer,
    read_manifest,
    sign_manifest,
    verify_manifest,
    write_release,
)

MAIN = PROGRAM.format(python="3.11")
FILES = {MAIN: b"print('agent')\n", "lib/python3.11/site-packages/vedette/a.py": b"x" * 2000, "lib/empty": b""}
ABOUT = {"version": "2.0", "platform": "linux-x86_64", "python": "3.11"}


def manifest(files: dict[str, bytes] = FILES, **more: Any) -> bytes:
    listed = [
        {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for path, data in files.items()
    ]
    return msgspec.json.encode({**ABOUT, "files": listed, **more})


def packed(members: list[tuple[tarfile.TarInfo, bytes]], tail: bytes = bytes(1024)) -> io.BytesIO:
    data = b"".join(
        info.tobuf(tarfile.USTAR_FORMAT) + content + bytes(-len(content) % 512) for info, content in members
    )
    return io.BytesIO(zstandard.ZstdCompressor().compress(data + tail))


def member(name: str, data: bytes, **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def archive(files: dict[str, bytes] = FILES) -> list[tuple[tarfile.TarInfo, bytes]]:
    return [member("manifest.json", manifest(files)), *(member(path, data) for path, data in files.items())]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for path, data in FILES.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    return tmp_path


def test_what_is_written_is_read_back_and_tar_reads_it_too(tree: Path) -> None:
    target = io.BytesIO()
    written = write_release(target, tree, **ABOUT)
    target.seek(0)
    reader = ReleaseReader(target)
    assert reader.manifest == written
    assert {file.path: b"".join(content) for file, content in reader.files()} == FILES
    plain = zstandard.ZstdDecompressor().stream_reader(target.getvalue()).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        assert tar.getnames()[1:] == sorted(FILES)


def test_the_same_tree_gives_the_same_archive(tree: Path) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    write_release(first, tree, **ABOUT)
    write_release(second, tree, **ABOUT)
    assert first.getvalue() == second.getvalue()


def test_a_tree_with_a_link_is_not_packed(tree: Path) -> None:
    (tree / "lib/link").symlink_to("/etc/passwd")
    with pytest.raises(WireError, match="plain files"):
        write_release(io.BytesIO(), tree, **ABOUT)


@pytest.mark.parametrize(
    "path",
    [
        "../evil", "lib/../../evil", "/lib/evil", "lib//evil", "lib/./evil", "lib/", "lib", "bin/python", "pyvenv.cfg",
        "lib/a\\..\\b", "lib/a\0b", "lib/\x1b[2J", "lib/ü", "lib/c:evil", "lib/" + "a" * 300,
    ],
)  # fmt: skip
def test_a_manifest_names_only_files_below_lib(path: str) -> None:
    with pytest.raises(WireError):
        read_manifest(manifest(FILES | {path: b""}))


def test_a_manifest_is_whole() -> None:
    twice = msgspec.json.decode(manifest())
    twice["files"].append(twice["files"][0])
    for broken in (
        msgspec.json.encode(twice),
        manifest(FILES | {"lib/a": b"", "lib/a/b": b""}),
        manifest({"lib/only": b""}),
        manifest({}),
        manifest(version="2.0.dev1"),
        manifest(version="../../etc"),
        manifest(python="3.11/.."),
        b"{",
        b"[" * 100_000,
    ):
        with pytest.raises(WireError):
            read_manifest(broken)


def test_sizes_are_bounded_before_anything_is_unpacked() -> None:
    large = msgspec.json.decode(manifest())
    for file in large["files"]:
        file["size"] = limits.RELEASE_BYTES // 2 + 1
    with pytest.raises(WireError, match="allowed are"):
        read_manifest(msgspec.json.encode(large))


LINK = member("lib/empty", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd")
HARD = member("lib/empty", b"", type=tarfile.LNKTYPE, linkname="/etc/passwd")
DEVICE = member("lib/empty", b"", type=tarfile.CHRTYPE)
FOLDER = member("lib/empty", b"", type=tarfile.DIRTYPE)
PAX = member("lib/empty", b"", type=tarfile.XHDTYPE)
SPARSE = member("lib/empty", b"", type=tarfile.GNUTYPE_SPARSE)


@pytest.mark.parametrize("entry", [LINK, HARD, DEVICE, FOLDER, PAX, SPARSE])
def test_what_is_no_plain_file_is_refused(entry: tuple[tarfile.TarInfo, bytes]) -> None:
    with pytest.raises(WireError, match="plain files"):
        check_archive(packed([*archive()[:-1], entry]))


Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], list[tuple[tarfile.TarInfo, bytes]]]
CHANGES: dict[str, Change] = {
    "another name": lambda held: [*held[:-1], member("../../evil", b"")],
    "another content": lambda held: [held[0], member(MAIN, b"print('evil!')\n"), *held[2:]],
    "a longer file": lambda held: [held[0], member(MAIN, held[1][1] + b"x"), *held[2:]],
    "another order": lambda held: [held[0], *reversed(held[1:])],
    "one too few": lambda held: held[:-1],
    "one too many": lambda held: [*held, member("lib/more", b"")],
    "no manifest": lambda held: held[1:],
    "two manifests": lambda held: [held[0], *held],
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_archive_that_is_not_its_manifest_is_refused(name: str) -> None:
    check_archive(packed(archive()))
    with pytest.raises(WireError):
        check_archive(packed(CHANGES[name](archive())))


def test_a_bomb_is_not_unpacked() -> None:
    """A gigabyte of zeros after the last file costs no more than its first blocks."""
    compressor = zstandard.ZstdCompressor(level=3)
    plain = b"".join(info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % 512) for info, data in archive())
    bomb = io.BytesIO()
    with compressor.stream_writer(bomb, closefd=False) as writer:
        writer.write(plain)
        for _ in range(64):
            writer.write(bytes(1 << 24))
    bomb.seek(0)
    with pytest.raises(WireError, match="more than its manifest"):
        check_archive(bomb)


@given(st.binary(max_size=3000))
def test_any_bytes_are_refused_and_nothing_else_happens(data: bytes) -> None:
    for content in (data, zstandard.ZstdCompressor().compress(data)):
        with pytest.raises(WireError):
            check_archive(io.BytesIO(content))


@given(st.data())
def test_a_flipped_bit_is_refused_or_changes_nothing(data: st.DataObject) -> None:
    whole = zstandard.ZstdDecompressor().stream_reader(packed(archive()).getvalue()).read()
    at = data.draw(st.integers(0, len(whole) - 1))
    flipped = bytearray(whole)
    flipped[at] ^= 1 << data.draw(st.integers(0, 7))
    source = io.BytesIO(zstandard.ZstdCompressor().compress(bytes(flipped)))
    try:
        reader = ReleaseReader(source)
        content = {file.path: b"".join(parts) for file, parts in reader.files()}
    except WireError:
        return
    assert set(content) == {file.path for file in reader.manifest.files}
    assert [hashlib.sha256(content[file.path]).hexdigest() for file in reader.manifest.files] == [
        file.sha256 for file in reader.manifest.files
    ]


def test_only_the_updates_key_makes_a_manifest_count() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    document = sign_manifest(manifest(), key)
    assert isinstance(verify_manifest(document, public_pem(key)), Manifest)
    with pytest.raises(IdentityError):
        verify_manifest(document, public_pem(other))
    with pytest.raises(IdentityError):
        verify_manifest(msgspec.structs.replace(document, body=manifest(version="9.9")), public_pem(key))
    with pytest.raises(IdentityError):
        verify_manifest(document, "")


@pytest.mark.parametrize(
    ("version", "than", "is_newer"),
    [
        ("0.2", "0.1", True), ("0.10.0", "0.9.9", True), ("0.1", "0.1.0", False), ("0.1.0", "0.1", False),
        ("1.0.0.1", "1.0", True), ("0.9", "1.0", False),
    ],
)  # fmt: skip
def test_versions_compare_by_their_numbers(version: str, than: str, *, is_newer: bool) -> None:
    assert newer(version, than) is is_newer
