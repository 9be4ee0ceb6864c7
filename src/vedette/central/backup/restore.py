"""Making a data directory of a backup: everything is compared with the manifest as it is copied."""

import os
import stat
import time
import tomllib
from pathlib import Path

from vedette.central.backup import manifest
from vedette.central.backup.contents import Piece
from vedette.central.backup.copying import copy, make_folders, need_room, new_folder, sync
from vedette.central.backup.make import Made, Progress
from vedette.central.backup.manifest import BackupError, Kept, Manifest
from vedette.central.layout import Layout
from vedette.central.provision import write_client_config
from vedette.runtime.files import fsync_directory, write_atomic


def restore(source: Path, data: Path, *, progress: Progress) -> Made:
    """Make `data`, absent or empty, of the backup in `source`. Raises BackupError or OSError; then `data` is empty."""
    began = time.monotonic()
    found = manifest.read(source)
    _look(source, found)
    layout = Layout(data)
    with new_folder(layout.data):
        need_room(layout.data, found.size)
        write_atomic(layout.restoring, b"")  # a node does not start while this is here
        _copy_all(source, layout, found, progress)
        for name, target in found.links.items():
            path = layout.data / name
            make_folders(path.parent)
            path.symlink_to(target)
        _name_the_new_place(layout)
        sync(layout.data)
    layout.restoring.unlink()
    fsync_directory(layout.data)
    return Made(
        folder=str(layout.data), made=found.made, files=len(found.files), bytes=found.size,
        seconds=time.monotonic() - began,
    )  # fmt: skip


def _look(source: Path, found: Manifest) -> None:
    """See that every file is there in its size, before anything is written. Raises BackupError."""
    for name, file in found.files.items():
        try:
            there = os.lstat(source / name)
        except OSError as error:
            raise BackupError(f"{source / name} is missing: this backup cannot be restored") from error
        if not stat.S_ISREG(there.st_mode) or there.st_size != file.size:
            raise _changed(source / name)


def _copy_all(source: Path, layout: Layout, found: Manifest, progress: Progress) -> None:
    done = 0
    for name, file in found.files.items():
        copied = copy(Piece(name, source / name), layout.data, mode=file.mode)
        if copied != Kept(file.size, file.sha256, file.mode):
            raise _changed(source / name)
        done += file.size
        progress(done, found.size)


def _changed(path: Path) -> BackupError:
    return BackupError(f"{path} is not what was backed up (its size or SHA-256 differs): nothing was restored")


def _name_the_new_place(layout: Layout) -> None:
    """Let the first administrator's command line find the CA where it is now."""
    if layout.client_config.exists():
        held = tomllib.loads(layout.client_config.read_text(encoding="utf-8"))
        write_client_config(layout, url=held["url"], token=held["token"])
