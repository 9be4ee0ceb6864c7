"""A release of the agent: a manifest that names every file, and an archive that holds exactly these, in its order.

The archive is `tar --zstd` of plain files in the ustar form, the manifest first. It is read by the few lines here and
not by a general tar reader: links, devices, directories, extended headers, names that lead elsewhere, sizes that differ
from the manifest and anything after the last file are refused before they are acted on.
"""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, BinaryIO, Final

import msgspec
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from msgspec import Meta, Struct

from vedette.runtime.errors import WireError
from vedette.schema.signed import Signed
from vedette.schema.tasks import Digest, Platform, PythonMinor, Version
from vedette.wire import limits
from vedette.wire.signature import key_id, verify

MANIFEST: Final = "manifest.json"
PROGRAM: Final = "lib/python{python}/site-packages/vedette/__main__.py"
"""Without it there is nothing to start."""
ROOT: Final = "lib/"
"""Every file of a release is below this."""
_BLOCK: Final = 512
_CHUNK: Final = 1 << 20
_WINDOW: Final = 1 << 27
_TAIL: Final = 20 * _BLOCK
"""Zeros that tar writes at the end, at most."""


class ReleaseFile(Struct, frozen=True, kw_only=True):
    """One file; `path` is relative, with `/`."""

    path: Annotated[str, Meta(min_length=1, max_length=limits.PATH_CHARACTERS)]
    size: Annotated[int, Meta(ge=0, le=limits.RELEASE_BYTES)]
    sha256: Digest


class Manifest(Struct, frozen=True, kw_only=True):
    """What a release is."""

    version: Version
    platform: Platform
    python: PythonMinor
    files: Annotated[list[ReleaseFile], Meta(min_length=1, max_length=limits.RELEASE_FILES)]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)


class SignedManifest(Signed, frozen=True, kw_only=True):
    """`body` is the manifest as it stands in the archive."""


def newer(version: str, than: str) -> bool:
    """Compare versions of two to four numbers; what is missing at the end counts as 0."""
    return _numbers(version) > _numbers(than)


def _numbers(version: str) -> list[int]:
    numbers = [int(part) for part in version.split(".")]
    return numbers + [0] * (4 - len(numbers))


def read_manifest(data: bytes) -> Manifest:
    """Read a manifest and see that its files can be written below one directory. Raises WireError."""
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise WireError(f"manifest: {error}") from error
    folders: set[str] = set()
    paths = {file.path for file in manifest.files}
    if len(paths) != len(manifest.files):
        raise WireError("manifest: a file is named twice")
    for path in paths:
        parts = path.split("/")
        if not path.startswith(ROOT) or {"", ".", ".."} & set(parts) or not _plain(path):
            raise WireError(f"manifest: {path!r} is no path of a release")
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts)))
    if (program := PROGRAM.format(python=manifest.python)) not in paths:
        raise WireError(f"manifest: {program} is not there: this is no release of the agent")
    if both := paths & folders:
        raise WireError(f"manifest: {min(both)!r} is a file and a directory")
    if manifest.size > limits.RELEASE_BYTES:
        raise WireError(f"manifest: {manifest.size} bytes, allowed are {limits.RELEASE_BYTES}")
    return manifest


def _plain(path: str) -> bool:
    return path.isascii() and path.isprintable() and "\\" not in path and ":" not in path


def sign_manifest(manifest: bytes, key: Ed25519PrivateKey) -> SignedManifest:
    """Sign a manifest as it stands in its archive."""
    return SignedManifest(body=manifest, signature=key.sign(manifest), key_id=key_id(key.public_key()))


def verify_manifest(document: SignedManifest, public_pem: str) -> Manifest:
    """Give the manifest in `document` if the updates key signed it. Raises IdentityError or WireError."""
    verify(document, public_pem, what="the release")
    return read_manifest(document.body)


class ReleaseReader:
    """Reads an archive from its start to its end. Raises WireError at the first byte that is not as it must be."""

    def __init__(self, archive: BinaryIO) -> None:
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        self._source = decompressor.stream_reader(archive, read_across_frames=False)
        name, size = self._header()
        if name != MANIFEST or size > limits.MANIFEST_BYTES:
            raise WireError(f"the archive does not begin with a {MANIFEST} of at most {limits.MANIFEST_BYTES} bytes")
        self.signed_part = b"".join(self._content(size))
        """The manifest's bytes, which the updates key signs."""
        self.manifest = read_manifest(self.signed_part)

    def files(self) -> Iterator[tuple[ReleaseFile, Iterator[bytes]]]:
        """Give each file and its content, which must be read to its end before the next file."""
        for file in self.manifest.files:
            if self._header() != (file.path, file.size):
                raise WireError(f"{file.path}: the archive holds something else here")
            yield file, self._checked(file)
        rest = self._read(_TAIL + 1)
        if len(rest) > _TAIL or rest.strip(b"\0"):
            raise WireError("the archive holds more than its manifest says")

    def check(self) -> None:
        """Read all of it."""
        for _, content in self.files():
            for _ in content:
                pass

    def _checked(self, file: ReleaseFile) -> Iterator[bytes]:
        digest = hashlib.sha256()
        for chunk in self._content(file.size):
            digest.update(chunk)
            yield chunk
        if digest.hexdigest() != file.sha256:
            raise WireError(f"{file.path}: its digest is not the manifest's")

    def _content(self, size: int) -> Iterator[bytes]:
        left = size
        while left:
            chunk = self._exactly(min(left, _CHUNK))
            left -= len(chunk)
            yield chunk
        if padding := -size % _BLOCK:
            self._exactly(padding)

    def _header(self) -> tuple[str, int]:
        """Give name and size of the next member, which must be a plain file. POSIX.1-1988 ustar."""
        block = self._exactly(_BLOCK)
        try:
            stated, size = _octal(block[148:156]), _octal(block[124:136])
            name, prefix = (part.partition(b"\0")[0].decode("ascii") for part in (block[:100], block[345:500]))
        except ValueError as error:
            raise WireError("the archive is no ustar archive") from error
        total = sum(block[:148]) + sum(block[156:]) + 8 * ord(" ")
        if block[257:262] != b"ustar" or stated != total:
            raise WireError("the archive is no ustar archive")
        if block[156:157] not in (b"0", b"\0"):
            raise WireError(f"{name!r}: a release holds plain files only")
        return (f"{prefix}/{name}" if prefix else name), size

    def _exactly(self, size: int) -> bytes:
        data = self._read(size)
        if len(data) != size:
            raise WireError("the archive ends too early")
        return data

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except zstandard.ZstdError as error:
            raise WireError(f"the archive cannot be unpacked: {error}") from error


def _octal(field: bytes) -> int:
    digits = field.rstrip(b"\0 ")
    if not digits.isdigit():
        raise ValueError(field)
    return int(digits, 8)


def check_archive(archive: BinaryIO) -> tuple[Manifest, bytes]:
    """Read a whole archive; gives its manifest and the bytes to sign. Raises WireError."""
    reader = ReleaseReader(archive)
    reader.check()
    return reader.manifest, reader.signed_part


def write_release(target: BinaryIO, root: Path, *, version: str, platform: str, python: str) -> Manifest:
    """Write the files below `root`/lib as an archive; the same files give the same bytes. Links are refused."""
    paths = sorted(path for path in (root / ROOT).rglob("*") if not path.is_dir() or path.is_symlink())
    if links := [path for path in paths if path.is_symlink()]:
        raise WireError(f"{links[0]}: a release holds plain files only")
    files = [
        ReleaseFile(
            path=path.relative_to(root).as_posix(),
            size=path.stat().st_size,
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
        )
        for path in paths
    ]
    manifest = Manifest(version=version, platform=platform, python=python, files=files)
    head = msgspec.json.encode(manifest)
    read_manifest(head)
    with zstandard.ZstdCompressor(level=10).stream_writer(target, closefd=False) as packed:
        _add(packed, MANIFEST, len(head), io.BytesIO(head))
        for file, path in zip(files, paths, strict=True):
            with path.open("rb") as source:
                _add(packed, file.path, file.size, source)
        packed.write(bytes(2 * _BLOCK))
    return manifest


def _add(target: zstandard.ZstdCompressionWriter, name: str, size: int, source: BinaryIO) -> None:
    import tarfile

    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o644
    target.write(entry.tobuf(tarfile.USTAR_FORMAT))
    while chunk := source.read(_CHUNK):
        target.write(chunk)
    target.write(bytes(-size % _BLOCK))
