"""Files from one folder into another, with their digests; a failed copy leaves nothing."""

import ctypes
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vedette.central.backup.contents import Piece
from vedette.central.backup.manifest import BackupError, Kept

CHUNK = 1 << 20
"""Bytes read at once."""


@contextmanager
def new_folder(path: Path) -> Iterator[None]:
    """Have `path`, absent or empty before, for the block; what is in it goes when the block fails.

    Raises BackupError when something is there.
    """
    existed = path.exists()
    if existed and (not path.is_dir() or any(path.iterdir())):
        raise BackupError(f"{path} is not empty: name a folder that is new or empty")
    make_folders(path)
    path.chmod(0o700)
    try:
        yield
    except BaseException:
        for entry in path.iterdir():
            shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
        if not existed:
            path.rmdir()
        raise


def make_folders(path: Path) -> None:
    """Make a folder and those above it for this user alone. Raises OSError."""
    if not path.is_dir():
        make_folders(path.parent)
        path.mkdir(mode=0o700)


def need_room(path: Path, size: int) -> None:
    """Raise BackupError when the disk of `path` has less than `size` bytes."""
    disk = os.statvfs(path)
    if disk.f_bavail * disk.f_frsize < size:
        raise BackupError(f"{path} needs {size >> 20} MiB, its disk has {disk.f_bavail * disk.f_frsize >> 20} MiB left")


def copy(piece: Piece, folder: Path, *, mode: int | None = None) -> Kept:
    """Write one piece below `folder`, where it must not be yet; not synced. Raises OSError."""
    if isinstance(piece.source, bytes):
        return _write(folder / piece.name, iter([piece.source]), 0o600)
    handle = os.open(piece.source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(handle, "rb", buffering=0) as file:
        found = os.fstat(handle).st_mode & 0o777
        return _write(folder / piece.name, iter(lambda: file.read(CHUNK), b""), found if mode is None else mode)


def kept(path: Path) -> Kept:
    """Describe a file that is there already. Raises OSError."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    there = path.stat()
    return Kept(there.st_size, digest, there.st_mode & 0o777)


def _write(path: Path, chunks: Iterator[bytes], mode: int) -> Kept:
    make_folders(path.parent)
    digest, size = hashlib.sha256(), 0
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb", buffering=0) as file:
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            rest = memoryview(chunk)
            while rest:
                rest = rest[file.write(rest) :]
        os.fchmod(handle, mode)
    return Kept(size, digest.hexdigest(), mode)


def sync(folder: Path) -> None:
    """Make everything on the file system of `folder` durable: one wait instead of one a file. Raises OSError."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(handle):
            raise OSError(ctypes.get_errno(), f"{folder} could not be made durable")
    finally:
        os.close(handle)
