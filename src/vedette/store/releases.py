"""Archives of releases on disk, by digest: `<sha256>.tar.zst`, and `<sha256>.manifest`, the signed manifest as JSON."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from vedette.runtime.files import fsync_directory, write_atomic
from vedette.wire.release import SignedManifest

_UPLOAD: Final = ".upload-"


class ReleaseFiles:
    """The directory of releases. Digests are checked by the caller: 64 hex digits."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def upload(self) -> Iterator[BinaryIO]:
        """Give a file for an archive that comes in; it is gone afterwards unless `keep` took it."""
        path = self.folder / f"{_UPLOAD}{secrets.token_hex(8)}"
        try:
            with path.open("x+b") as file:
                os.fchmod(file.fileno(), 0o600)
                yield file
        finally:
            path.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Remove what uploads that were cut left behind."""
        for path in self.folder.glob(f"{_UPLOAD}*"):
            path.unlink(missing_ok=True)

    def keep(self, upload: BinaryIO, sha256: str, manifest: SignedManifest) -> None:
        """Make an upload and its manifest durable; again does no harm."""
        os.fsync(upload.fileno())
        write_atomic(self._manifest(sha256), msgspec.json.encode(manifest))
        Path(upload.name).rename(self._archive(sha256))
        fsync_directory(self.folder)

    def remove(self, sha256: str) -> None:
        """Remove an archive; hosts that fetch it are refused from now on."""
        self._archive(sha256).unlink(missing_ok=True)
        self._manifest(sha256).unlink(missing_ok=True)

    def manifest(self, sha256: str) -> bytes | None:
        """Give the signed manifest as agents fetch it; None when there is no such release."""
        try:
            return self._manifest(sha256).read_bytes()
        except FileNotFoundError:
            return None

    def piece(self, sha256: str, offset: int, most: int) -> bytes | None:
        """Give up to `most` bytes at `offset`, none at the end; None when there is no such release."""
        try:
            with self._archive(sha256).open("rb") as file:
                return os.pread(file.fileno(), most, offset)
        except FileNotFoundError:
            return None

    def _archive(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.tar.zst"

    def _manifest(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.manifest"
