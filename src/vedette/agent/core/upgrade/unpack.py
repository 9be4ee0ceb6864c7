"""An archive becomes a version that can be started: a virtual environment of its own in DATA/versions/<version>."""

import os
import shutil
import sys
from pathlib import Path
from typing import Final

from vedette.runtime.errors import WireError
from vedette.runtime.files import fsync_directory
from vedette.wire.release import Manifest, ReleaseReader

_ONCE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def base_python() -> Path:
    """Give the interpreter under this process, outside of any virtual environment."""
    return Path(sys.executable).resolve()


def unpack(archive: Path, manifest: Manifest, folder: Path) -> Path:
    """Unpack `archive` as `folder`/<version>, whole or not at all; gives that directory.

    Everything is written into a new directory beside it, by names that the manifest allows, and renamed at the end.
    Raises WireError (the archive is not what the manifest says) or OSError.
    """
    beside, target = folder / f".{manifest.version}", folder / manifest.version
    for old in (beside, target):
        shutil.rmtree(old, ignore_errors=True)
    beside.mkdir(mode=0o700)
    try:
        with archive.open("rb") as source:
            _write(ReleaseReader(source), manifest, beside)
        _environment(beside, manifest.python)
        os.sync()  # one for all: to sync each of 2,000 files takes longer
        beside.rename(target)
        fsync_directory(folder)
    except BaseException:
        shutil.rmtree(beside, ignore_errors=True)
        raise
    return target


def _write(reader: ReleaseReader, manifest: Manifest, home: Path) -> None:
    if reader.manifest != manifest:
        raise WireError("the archive has another manifest than the signed one")
    for file, content in reader.files():
        path = home / file.path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, _ONCE, 0o600), "wb") as written:
            written.writelines(content)


def _environment(home: Path, minor: str) -> None:
    """Make what turns a directory into a virtual environment of our own Python; nothing of it is in the archive."""
    python = base_python()
    config = f"home = {python.parent}\ninclude-system-site-packages = false\nversion = {minor}\n"
    (home / "pyvenv.cfg").write_text(config, encoding="utf-8")
    (home / "bin").mkdir(mode=0o700)
    (home / "bin" / "python").symlink_to(python)
