"""Compiles the eBPF probes: `python build_probes.py [--force]`, and as a build hook of hatchling.

The objects go to src/vedette/probes/objects (git-ignored); nothing is done when they are up to date, which is
judged by a hash over the sources and the compiler's command.
"""

import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface  # type: ignore[import-not-found,unused-ignore]
except ImportError:  # run as a script
    BuildHookInterface = object

ROOT = Path(__file__).parent
SOURCE = ROOT / "src/vedette/probes/source"
OBJECTS = ROOT / "src/vedette/probes/objects"
PROGRAMS = ("tracepoints", "lsm")
APT = "apt-get install -y clang llvm libbpf-dev"
ARCHITECTURES = {"x86_64": "x86", "aarch64": "arm64"}
FLAGS = ("-g", "-O2", "-Wall", "-Werror", "-target", "bpf", "-mcpu=v3")


class BuildError(Exception):
    """The probes cannot be built; the text says what to install."""


def fingerprint() -> str:
    """What the objects depend on, hashed."""
    digest = hashlib.sha256(repr((FLAGS, platform.machine())).encode())
    for path in sorted(SOURCE.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def is_built(mark: str) -> bool:
    """Whether the objects belong to the sources with fingerprint `mark`."""
    stamp = OBJECTS / "fingerprint"
    return (
        stamp.exists() and stamp.read_text() == mark and all((OBJECTS / f"{name}.bpf.o").exists() for name in PROGRAMS)
    )


def find_tools() -> tuple[str, str]:
    """Paths of clang and llvm-strip. Raises BuildError with the command that installs what is missing."""
    if platform.machine() not in ARCHITECTURES:
        raise BuildError(f"the probes are not written for {platform.machine()}")
    missing = [tool for tool in ("clang", "llvm-strip") if shutil.which(tool) is None]
    if not any(Path(folder, "bpf/bpf_helpers.h").exists() for folder in ("/usr/include", "/usr/local/include")):
        missing.append("libbpf headers")
    if missing:
        raise BuildError(f"the eBPF probes need {', '.join(missing)}; install them: {APT}")
    return shutil.which("clang") or "clang", shutil.which("llvm-strip") or "llvm-strip"


def build(*, force: bool = False) -> str:
    """Compile what is not up to date and say what was done. Raises BuildError."""
    mark = fingerprint()
    if not force and is_built(mark):
        return "probes are up to date"
    clang, strip = find_tools()
    OBJECTS.mkdir(exist_ok=True)
    for name in PROGRAMS:
        target = OBJECTS / f"{name}.bpf.o"
        architecture = f"-D__TARGET_ARCH_{ARCHITECTURES[platform.machine()]}"
        run([clang, *FLAGS, architecture, f"-I{SOURCE}", "-c", str(SOURCE / f"{name}.bpf.c"), "-o", str(target)])
        run([strip, "-g", str(target)])  # debug sections go, BTF stays
    (OBJECTS / "fingerprint").write_text(mark)
    return f"built {len(PROGRAMS)} probe object(s) in {OBJECTS.relative_to(ROOT)}"


def run(command: list[str]) -> None:
    """Run a tool; its messages become the error."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}\n{done.stderr}")


class ProbesHook(BuildHookInterface):  # type: ignore[type-arg,misc,unused-ignore]
    """Puts the objects into a wheel. An editable install goes on without them and says so."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling; `version` is `standard` for a wheel and `editable` for an editable install."""
        try:
            print(build(), file=sys.stderr)  # noqa: T201 - hatchling shows what a hook prints
        except BuildError as error:
            if version != "editable":
                raise
            print(f"probes are not built, the Linux agent cannot use eBPF: {error}", file=sys.stderr)  # noqa: T201
        else:
            build_data["artifacts"].append("src/vedette/probes/objects/*.bpf.o")
            build_data["pure_python"] = False
            build_data["infer_tag"] = False
            build_data["tag"] = f"py3-none-linux_{platform.machine()}"


if __name__ == "__main__":
    try:
        print(build(force="--force" in sys.argv))  # noqa: T201
    except BuildError as error:
        sys.exit(f"build_probes: {error}")
