"""A real release of the agent, made from this tree and the libraries that it needs, under another version number."""

from __future__ import annotations

import importlib.metadata
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from tests.conftest import REPOSITORY

from vedette.agent.core.upgrade.task import this_platform
from vedette.wire.release import write_release

LIBRARIES = ("cffi", "click", "cryptography", "msgspec", "urllib3", "yara-x", "zstandard")
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
UNCHANGED: Mapping[str, str] = MappingProxyType({})


def build_release(folder: Path, version: str, *, appended: Mapping[str, str] = UNCHANGED) -> Path:
    """Give an archive; `appended`: file below `vedette` -> Python that is put at its end."""
    home = folder / f"tree-{version}"
    site = home / "lib" / f"python{MINOR}" / "site-packages"
    shutil.copytree(REPOSITORY / "src/vedette", site / "vedette", ignore=shutil.ignore_patterns("__pycache__"))
    (site / "vedette/__init__.py").write_text(f'__version__ = "{version}"\n')
    for name, text in appended.items():
        with (site / "vedette" / name).open("a") as file:
            file.write(text)
    for library in LIBRARIES:
        for path in importlib.metadata.files(library) or ():
            if ".." not in path.parts and "__pycache__" not in path.parts:
                target = site / path
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path.locate(), target)
    archive = folder / f"vedette-agent-{version}.tar.zst"
    with archive.open("wb") as packed:
        write_release(packed, home, version=version, platform=this_platform(), python=MINOR)
    shutil.rmtree(home)
    return archive
