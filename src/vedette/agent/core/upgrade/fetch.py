"""Fetches an archive in pieces: what is there stays there, so that a cut connection or a restart loses one piece."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from vedette.runtime.errors import IdentityError
from vedette.schema.tasks import Archive

Wait = Callable[[float], None]
"""Waits so many seconds; raises what ends the task (it was cancelled, the agent stops)."""


class Pieces(Protocol):
    """Where an archive comes from."""

    def release_piece(self, sha256: str, offset: int) -> bytes:
        """Give the bytes at `offset`, at least one. Raises UnreachableError or RefusedError."""
        ...


def fetch(
    source: Pieces, archive: Archive, path: Path, *, rate: int, wait: Wait, progress: Callable[[int], None]
) -> None:
    """Fetch `archive` into `path`, at most `rate` bytes a second; goes on where an earlier call ended.

    `progress` is told how many bytes are there. Raises IdentityError when the digest is wrong (the file is then
    removed), what `source` raises, what `wait` raises, and OSError.
    """
    with path.open("ab") as file:
        if file.tell() > archive.size:
            file.truncate(0)
            file.seek(0)
        while (held := file.tell()) < archive.size:
            began = time.monotonic()
            piece = source.release_piece(archive.sha256, held)[: archive.size - held]
            file.write(piece)
            file.flush()
            progress(held + len(piece))
            wait(max(0.0, len(piece) / rate - (time.monotonic() - began)))
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != archive.sha256:
        path.unlink()
        raise IdentityError("the archive's digest is not the one in the task", reason="bad_digest")
