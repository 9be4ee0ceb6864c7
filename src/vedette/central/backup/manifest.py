"""The list of what a backup holds, written last: without it, or when a file differs from it, there is no backup."""

import os
import re
from importlib.metadata import version
from pathlib import Path, PurePosixPath

import msgspec

from vedette.runtime.errors import VedetteError
from vedette.runtime.files import write_atomic
from vedette.schema.fields import Micros
from vedette.store.state.database import REVISION

NAME = "manifest.json"
FORMAT = 1
SIZE_LIMIT = 1 << 30
"""Bytes of a manifest that is read: about five million files."""


class BackupError(VedetteError):
    """A backup cannot be made, or what is in a folder is not a whole backup that this version can restore."""


class Kept(msgspec.Struct, frozen=True):
    """One file of a backup."""

    size: int
    sha256: str
    mode: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """Everything in a backup, by its path in the data directory."""

    format: int
    version: str
    """The version of Vedette that made it."""
    engine: str
    """The version of the event store's engine."""
    revision: str
    """The revision of the state's tables."""
    made: Micros
    """The moment that it shows."""
    files: dict[str, Kept]
    links: dict[str, str]
    """Symbolic links -> where they lead, within the data directory."""

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())


def describe(files: dict[str, Kept], links: dict[str, str], *, made: Micros) -> Manifest:
    """Give the manifest of a backup made by this version."""
    return Manifest(
        format=FORMAT, version=version("vedette"), engine=version("chdb"), revision=REVISION, made=made, files=files,
        links=links,
    )  # fmt: skip


def write(folder: Path, manifest: Manifest) -> None:
    """Write it, synced: from here on the folder is a backup. Raises OSError."""
    write_atomic(folder / NAME, msgspec.json.encode(manifest))


def read(folder: Path) -> Manifest:
    """Read and check the manifest of a backup, not its files. Raises BackupError."""
    path = folder / NAME
    try:
        if path.stat().st_size > SIZE_LIMIT:
            raise BackupError(f"{path} is too large to be the manifest of a backup")
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise BackupError(f"{folder} is no whole backup: {NAME}, which is written last, is missing") from error
    except OSError as error:
        raise BackupError(f"{path} cannot be read: {error}") from error
    try:
        found = msgspec.json.decode(data, type=_Format).format
        if found != FORMAT:
            raise BackupError(f"{folder} is a backup of format {found}; this version of Vedette reads {FORMAT}")
        manifest = msgspec.json.decode(data, type=Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise BackupError(f"{path} is damaged: {error}") from error
    _check(folder, manifest)
    return manifest


class _Format(msgspec.Struct):
    format: int


def _check(folder: Path, manifest: Manifest) -> None:
    if manifest.revision > REVISION or _numbers(manifest.engine) > _numbers(version("chdb")):
        raise BackupError(
            f"{folder} was made by Vedette {manifest.version} (tables {manifest.revision}, event store "
            f"{manifest.engine}), which is newer than this one: install that version, then restore"
        )
    for name, file in manifest.files.items():
        if not is_inside(name) or not 0 <= file.mode <= 0o777 or file.size < 0:
            raise BackupError(f"{folder / NAME} is damaged: it names {name[:200]!r}")
    for name, target in manifest.links.items():
        if not is_inside(name) or not leads_inside(name, target):
            raise BackupError(f"{folder / NAME} is damaged: it names the link {name[:200]!r}")


def is_inside(name: str) -> bool:
    """Whether a path stays in the folder that it is relative to, whatever it says."""
    parts = PurePosixPath(name).parts
    return bool(parts) and "\0" not in name and not name.startswith("/") and ".." not in parts


def leads_inside(name: str, target: str) -> bool:
    """Whether the link `name` to `target` stays in the folder that `name` is relative to."""
    if target.startswith("/") or "\0" in target:
        return False
    return is_inside(os.path.normpath(PurePosixPath(name).parent / target))


def _numbers(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)[:4]]
