r"""Objects on disk (files to scan, results of tasks): by their SHA-256, each encrypted with a key of its own.

    objects/ab/ab12....obj     "VEDOBJ1\n", salt (16 bytes), pieces of 1 MiB each with its tag (AES-256-GCM)

The key of an object is derived from the store's key and the salt. A piece's nonce is its number, and whether it is the
last: pieces cannot be left out, put in another order, or come from another object. A name that begins with a dot is a
file that is still being written.
"""

import contextlib
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from vedette.runtime.errors import NotFoundError, StoreError
from vedette.runtime.files import fsync_directory

MAGIC: Final = b"VEDOBJ1\n"
PIECE: Final = 1 << 20
KEY_BYTES: Final = 32
_SALT, _TAG = 16, 16


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """An object that is on disk but not yet in its place."""

    path: Path
    sha256: str
    md5: str
    size: int


class ObjectFiles:
    """The directory of objects. Digests are checked by the caller: 64 lower-case hex digits."""

    def __init__(self, folder: Path, key: bytes) -> None:
        self.folder, self._key = folder, key

    @contextlib.contextmanager
    def writing(self) -> Iterator["Writer"]:
        """Give what takes an object piece by piece; what is not `keep`-ed by the end is gone."""
        path = self.folder / f".{secrets.token_hex(8)}"
        salt = secrets.token_bytes(_SALT)
        try:
            with path.open("xb") as file:
                os.fchmod(file.fileno(), 0o600)
                file.write(MAGIC + salt)
                yield Writer(file, path, self._cipher(salt))
        finally:
            path.unlink(missing_ok=True)

    def keep(self, written: Written) -> None:
        """Put an object in its place; again does no harm. Raises OSError."""
        place = self._place(written.sha256)
        place.parent.mkdir(mode=0o700, exist_ok=True)
        written.path.replace(place)
        fsync_directory(place.parent)

    def pieces(self, sha256: str) -> Iterator[bytes]:
        """Give an object from its start. Raises NotFoundError, and StoreError when it is not what was kept."""
        try:
            file = self._place(sha256).open("rb")
        except FileNotFoundError as error:
            raise NotFoundError(f"the bytes of object {sha256} are not here") from error
        digest = hashlib.sha256()
        with file:
            head = file.read(len(MAGIC) + _SALT)
            if not head.startswith(MAGIC):
                raise StoreError(f"object {sha256} is damaged")
            cipher = self._cipher(head[len(MAGIC) :])
            number, sealed = 0, file.read(PIECE + _TAG)
            while True:
                following = file.read(PIECE + _TAG)
                try:
                    piece = cipher.decrypt(_nonce(number, last=not following), sealed, None)
                except InvalidTag as error:
                    raise StoreError(f"object {sha256} is damaged, or was kept with another key") from error
                digest.update(piece)
                yield piece
                if not following:
                    break
                number, sealed = number + 1, following
        if digest.hexdigest() != sha256:
            raise StoreError(f"object {sha256} is not what its name says")

    def read(self, sha256: str) -> bytes:
        """Give a whole object. Raises as `pieces` does."""
        return b"".join(self.pieces(sha256))

    def remove(self, sha256: str) -> None:
        """Remove an object if it is there."""
        self._place(sha256).unlink(missing_ok=True)

    def present(self) -> Iterator[tuple[str, float]]:
        """Give the digest of each object with when it was put there, seconds since 1970."""
        for path in self.folder.glob("??/*.obj"):
            with contextlib.suppress(FileNotFoundError):
                yield path.stem, path.stat().st_mtime

    def sweep(self) -> None:
        """Remove what writers that were killed left behind; nobody may be writing."""
        for path in self.folder.glob(".*"):
            path.unlink(missing_ok=True)

    def _place(self, sha256: str) -> Path:
        return self.folder / sha256[:2] / f"{sha256}.obj"

    def _cipher(self, salt: bytes) -> AESGCM:
        return AESGCM(HKDF(SHA256(), KEY_BYTES, salt, b"vedette object").derive(self._key))


class Writer:
    """Encrypts what comes; memory stays at a piece."""

    def __init__(self, file: BinaryIO, path: Path, cipher: AESGCM) -> None:
        self._file, self._path, self._cipher = file, path, cipher
        self._sha256, self._md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
        self._held = bytearray()
        self._number = 0
        self.size = 0

    def write(self, data: bytes) -> None:
        """Take some more. Raises OSError."""
        self._sha256.update(data)
        self._md5.update(data)
        self.size += len(data)
        self._held += data
        while len(self._held) > PIECE:  # what is held at the end is the last piece, which may be empty
            self._seal(bytes(self._held[:PIECE]), last=False)
            del self._held[:PIECE]

    def finish(self) -> Written:
        """Say what it was, once it is on disk. Raises OSError."""
        self._seal(bytes(self._held), last=True)
        self._file.flush()
        os.fsync(self._file.fileno())
        return Written(path=self._path, sha256=self._sha256.hexdigest(), md5=self._md5.hexdigest(), size=self.size)

    def _seal(self, piece: bytes, *, last: bool) -> None:
        self._file.write(self._cipher.encrypt(_nonce(self._number, last=last), piece, None))
        self._number += 1


def _nonce(number: int, *, last: bool) -> bytes:
    return bytes([last]) + number.to_bytes(11, "big")
