"""Files that are whole or absent, never half-written."""

import os
from pathlib import Path


def fsync_directory(path: Path) -> None:
    """Make renames and creations in `path` survive a power cut (no-op where directories cannot be opened)."""
    if os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_atomic(path: Path, *parts: bytes | memoryview, mode: int = 0o600) -> None:
    """Replace `path` by `parts`, one after the other: written beside it, synced, renamed, directory synced."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_CLOEXEC", 0), mode)
    try:
        with os.fdopen(handle, "wb") as file:
            file.writelines(parts)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    fsync_directory(path.parent)
