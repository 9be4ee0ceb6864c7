"""The initial file system of a guest: the host's own Python, libraries and programs, and the product's source.

It is one uncompressed cpio archive (format newc), written here: nothing must be installed for it.
"""

from __future__ import annotations

import lzma
import os
import shutil
import stat
import subprocess
import sys
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
ROOT_IN_GUEST = "/repository"
PROGRAMS = (
    "sh",
    "true",
    "false",
    "sleep",
    "cat",
    "mv",
    "rm",
    "ln",
    "cp",
    "chmod",
    "chown",
    "mkfifo",
    "mkdir",
    "touch",
    "env",
    "getent",
    "bash",
)
DISTRIBUTIONS = ("msgspec", "pytest", "pluggy", "iniconfig", "packaging", "pygments", "pytest-timeout")
LIBRARIES = ("libbpf.so.1",)
UNUSED = ("test", "idlelib", "lib2to3", "tkinter", "turtledemo", "ensurepip", "site-packages", "pydoc_data")
"""Folders of the standard library that stay out."""
KERNEL_MODULES = ("drivers/net/dummy.ko", "drivers/net/dummy.ko.xz")
LIBRARY_FOLDERS = ("/usr/lib/x86_64-linux-gnu", "/lib/x86_64-linux-gnu", "/usr/local/lib", "/usr/lib")


class Archive:
    """Collects what the guest shall have; paths are those of the guest."""

    def __init__(self) -> None:
        self._entries: dict[str, tuple[int, bytes]] = {}
        for merged in ("bin", "sbin", "lib", "lib64"):
            self.link(f"/{merged}", f"usr/{merged}")
            self.folder(f"/usr/{merged}")
        for name in ("/proc", "/sys", "/dev", "/tmp", "/run", "/root", "/etc", "/var/lib", "/var/tmp"):
            self.folder(name)

    def folder(self, path: str) -> None:
        """Make a folder and those above it."""
        parent = os.path.dirname(path)  # noqa: PTH120 - paths of the guest
        if parent != "/":
            self.folder(parent)
        self._entries.setdefault(path, (stat.S_IFDIR | 0o755, b""))

    def put(self, path: str, data: bytes, mode: int = 0o644) -> None:
        """Add a file."""
        path = self._real(path)
        self.folder(os.path.dirname(path))  # noqa: PTH120
        self._entries[path] = (stat.S_IFREG | mode, data)

    def link(self, path: str, target: str) -> None:
        """Add a symbolic link."""
        self._entries[path] = (stat.S_IFLNK | 0o777, target.encode())

    def copy(self, source: Path, path: str = "") -> None:
        """Add a file of the host and the libraries that it needs."""
        path = self._real(path or str(source))
        if path in self._entries:
            return
        data = source.read_bytes()
        self.put(path, data, source.stat().st_mode & 0o777)
        if data.startswith(b"\x7fELF"):
            for library in _needed_by(source):
                self.copy(library.resolve(), str(library))

    def tree(self, source: Path, path: str = "", *, without: tuple[str, ...] = ()) -> None:
        """Add a folder of the host."""
        for folder, names, files in os.walk(source):
            names[:] = [name for name in names if name not in without and not name.startswith("config-")]
            inside = Path(folder).relative_to(source)
            for name in files:
                self.copy(Path(folder, name), str(Path(path or str(source), inside, name)))

    @staticmethod
    def _real(path: str) -> str:
        first = path.split("/")[1]
        return f"/usr{path}" if first in ("bin", "sbin", "lib", "lib64") else path

    def write(self, target: Path) -> None:
        """Write the archive."""
        with target.open("wb") as file:
            for number, (path, (mode, data)) in enumerate(sorted(self._entries.items()), start=1):
                file.write(_entry(number, path, mode, data))
            file.write(_entry(0, "/TRAILER!!!", 0, b""))


def _entry(number: int, path: str, mode: int, data: bytes) -> bytes:
    name = path[1:].encode() + b"\0"
    fields = (number, mode, 0, 0, 1, 1_700_000_000, len(data), 0, 0, 0, 0, len(name), 0)
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)


def _needed_by(program: Path) -> list[Path]:
    listed = subprocess.run(["ldd", str(program)], capture_output=True, text=True, check=False).stdout
    return [Path(word) for line in listed.splitlines() for word in line.split() if word.startswith("/")]


def build(target: Path, modules: Path) -> None:
    """Write the file system for the kernel whose modules are in `modules`."""
    archive = Archive()
    _put_python(archive)
    for name in PROGRAMS:
        found = shutil.which(name, path="/usr/bin:/bin")
        if found:
            archive.copy(Path(found).resolve(), found)
    for name in LIBRARIES:
        for folder in LIBRARY_FOLDERS:
            if Path(folder, name).exists():
                archive.copy(Path(folder, name).resolve(), f"{folder}/{name}")
                break
    for part in ("src/vedette", "tests/agent/linux", "tests/probes", "tests/vm"):
        archive.tree(REPOSITORY / part, f"{ROOT_IN_GUEST}/{part}", without=("store", "console"))
    for name in ("tests/conftest.py", "pyproject.toml"):
        archive.copy(REPOSITORY / name, f"{ROOT_IN_GUEST}/{name}")
    archive.put("/etc/passwd", b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
    archive.put("/etc/group", b"root:x:0:\nnogroup:x:65534:\n")
    archive.put("/etc/os-release", b'ID=vedette-guest\nNAME="guest"\nVERSION_ID="1"\n')
    archive.put("/etc/resolv.conf", b"")
    archive.put("/etc/hosts", b"127.0.0.1 localhost\n::1 localhost\n")
    for name in KERNEL_MODULES:
        module = modules / "kernel" / name
        if module.exists():
            data = module.read_bytes()
            archive.put("/modules/dummy.ko", lzma.decompress(data) if module.suffix == ".xz" else data)
    archive.put("/init", b"#!/usr/bin/python3\n" + Path(__file__).with_name("init.py").read_bytes(), 0o755)
    archive.write(target)


def _put_python(archive: Archive) -> None:
    """The Python that runs this, under its own path and as /usr/bin/python3."""
    program = Path(sys.executable).resolve()
    archive.copy(program)
    if str(program) != "/usr/bin/python3":
        archive.link("/usr/bin/python3", str(program))
    archive.tree(Path(sysconfig.get_path("stdlib")).resolve(), without=UNUSED)
    dynamic = Path(sysconfig.get_path("platstdlib"), "lib-dynload")
    if dynamic.exists():
        archive.tree(dynamic.resolve())
    for name in DISTRIBUTIONS:
        found = distribution(name)
        for file in found.files or ():
            source = Path(str(file.locate()))
            if ".." not in file.parts and source.exists():
                archive.copy(source, f"/site/{file}")
