"""Debian kernels and QEMU, unpacked under `.build/vm` and never installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

BUILD = Path(__file__).parents[2] / ".build/vm"
KERNELS = {"6.1": "linux-image-cloud-amd64", "6.12": "linux-image-6.12-cloud-amd64"}
"""Series -> the package that depends on the current kernel of that series in Debian 12."""


class UnavailableError(Exception):
    """A guest cannot be started here; the text says why."""


class Kernel(NamedTuple):
    """An unpacked kernel."""

    series: str
    image: Path
    modules: Path


class Qemu(NamedTuple):
    """How QEMU is started."""

    program: Path
    environment: dict[str, str]
    arguments: list[str]


def kernel(series: str) -> Kernel:
    """The kernel of a series, fetched when it is not there. Raises UnavailableError."""
    folder = BUILD / "kernel" / series
    if not any(folder.glob("boot/vmlinuz-*")):
        package = _depends_on(KERNELS[series], f"linux-image-{series}.")
        _unpack([package], folder)
    image = next(folder.glob("boot/vmlinuz-*"), None)
    if image is None:
        raise UnavailableError(f"the package of Linux {series} has no kernel")
    return Kernel(series, image, folder / "lib/modules" / image.name.removeprefix("vmlinuz-"))


def qemu() -> Qemu:
    """QEMU of the host, else that of Debian, unpacked. Raises UnavailableError."""
    installed = shutil.which("qemu-system-x86_64")
    if installed:
        return Qemu(Path(installed), {}, [])
    folder = BUILD / "qemu"
    program = folder / "usr/bin/qemu-system-x86_64"
    if not program.exists():
        planned = _ask("apt-get", "install", "--simulate", "--no-install-recommends", "qemu-system-x86")
        _unpack([line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")], folder)
    if not program.exists():
        raise UnavailableError("the package qemu-system-x86 has no qemu-system-x86_64")
    libraries = folder / "usr/lib/x86_64-linux-gnu"
    environment = {
        "LD_LIBRARY_PATH": f"{libraries}:{folder / 'lib/x86_64-linux-gnu'}",
        "QEMU_MODULE_DIR": str(libraries / "qemu"),
    }
    return Qemu(program, environment, ["-L", str(folder / "usr/share/qemu"), "-L", str(folder / "usr/share/seabios")])


def _depends_on(package: str, beginning: str) -> str:
    for line in _ask("apt-cache", "depends", package).splitlines():
        name = line.partition("Depends: ")[2].strip()
        if name.startswith(beginning):
            return name
    raise UnavailableError(f"the package lists have no kernel {beginning}* (on Debian 12 run: apt-get update)")


def _ask(*command: str) -> str:
    if shutil.which(command[0]) is None:
        raise UnavailableError(f"{command[0]} is not there: kernels and QEMU come from Debian packages")
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if done.returncode:
        raise UnavailableError(f"{' '.join(command)}: {done.stderr.strip()[-300:]}")
    return done.stdout


def _unpack(packages: list[str], folder: Path) -> None:
    archives = folder.with_name(folder.name + ".deb")
    archives.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["apt-get", "-qq", "download", *packages],
        cwd=archives,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode:
        raise UnavailableError(f"packages cannot be fetched: {done.stderr.strip()[-300:]}")
    folder.mkdir(parents=True, exist_ok=True)
    for archive in sorted(archives.glob("*.deb")):
        subprocess.run(["dpkg", "-x", str(archive), str(folder)], check=True, timeout=120)
    shutil.rmtree(archives)
