"""Builds the agent's .deb, .rpm and release archive into dist/: `make packages`; `--release`: the archive only.

The package holds a virtual environment of its own (/opt/vedette) with the wheel and the pinned dependencies of uv.lock,
for the Python that builds it: compiled dependencies serve one minor version only.
"""  # noqa: INP001 - a program, not a package

import compileall
import os
import platform
import py_compile
import shutil
import string
import subprocess
import sys
from pathlib import Path

from vedette.agent.linux.service import unit_text
from vedette.wire.release import write_release

ROOT = Path(__file__).resolve().parent.parent
HERE, BUILD = ROOT / "packaging", ROOT / ".build" / "packages"
UV = ROOT / ".build/uv/bin/uv"
PREFIX = Path("/opt/vedette")
MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
LAUNCHER = f"#!{PREFIX}/bin/python -I\nimport sys\nfrom vedette.cli.main import main\nsys.exit(main())\n"


def main() -> None:
    """Build both packages and print their names."""
    tree, target = BUILD / "tree", ROOT / "dist"
    shutil.rmtree(tree, ignore_errors=True)
    target.mkdir(exist_ok=True)
    home = tree / PREFIX.relative_to("/")
    site = home / "lib" / f"python{MINOR}" / "site-packages"
    (home / "bin").mkdir(parents=True)
    version = _fill(site)
    _release(home, target, version)
    if "--release" in sys.argv[1:]:
        return
    _environment(home)
    _unit(tree, site)
    config = BUILD / "nfpm.yaml"
    values = {
        "ARCH": ARCHITECTURES[platform.machine()],
        "VERSION": version,
        "MTIME": _commit_time(),
        "TREE": str(tree),
        "HERE": str(HERE),
        "PYTHON": MINOR,
    }
    config.write_text(string.Template((HERE / "nfpm.yaml").read_text()).substitute(values))
    for kind in ("deb", "rpm"):
        _run(str(_nfpm()), "package", "--config", str(config), "--packager", kind, "--target", str(target))


def _fill(site: Path) -> str:
    """Put the wheel and its dependencies into `site`; gives the version."""
    wheels = BUILD / "wheel"
    shutil.rmtree(wheels, ignore_errors=True)
    _run(str(UV), "build", "-q", "--wheel", "--python", sys.executable, "--out-dir", str(wheels), str(ROOT))
    wheel = next(wheels.glob("vedette-*.whl"))
    pinned = BUILD / "requirements.txt"
    export = ["export", "-q", "--frozen", "--no-dev", "--extra", "agent", "--no-emit-project", "-o", str(pinned)]
    _run(str(UV), *export)
    to = ["pip", "install", "-q", "--python", sys.executable, "--target", str(site), "--only-binary", ":all:"]
    _run(str(UV), *to, "--require-hashes", "-r", str(pinned))
    _run(str(UV), *to, "--no-deps", str(wheel))
    shutil.rmtree(site / "bin", ignore_errors=True)
    (site / ".lock").unlink(missing_ok=True)
    compileall.compile_dir(
        site,
        quiet=1,
        stripdir=str(BUILD / "tree"),
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    return wheel.name.split("-")[1]


def _release(home: Path, target: Path, version: str) -> None:
    """Write what `vedette upgrades add` takes; an agent makes the rest of the environment itself."""
    kind = f"{sys.platform}-{platform.machine()}"
    path = target / f"vedette-agent-{version}-{kind}-py{MINOR}.tar.zst"
    with path.open("wb") as file:
        write_release(file, home, version=version, platform=kind, python=MINOR)
    sys.stdout.write(f"created release archive: {path}\n")


def _environment(home: Path) -> None:
    """Make what turns a folder into a virtual environment, pointing at the system's Python."""
    (home / "pyvenv.cfg").write_text(f"home = /usr/bin\ninclude-system-site-packages = false\nversion = {MINOR}\n")
    for name in ("python", "python3"):
        (home / "bin" / name).symlink_to(f"/usr/bin/python{MINOR}")
    launcher = home / "bin/vedette"
    launcher.write_text(LAUNCHER)
    launcher.chmod(0o755)


def _unit(tree: Path, site: Path) -> None:
    launcher = tree / PREFIX.relative_to("/") / "bin" / "launcher.py"
    shutil.copy(site / "vedette/agent/launcher.py", launcher)
    text = unit_text(
        executable=PREFIX / "bin/vedette", launcher=PREFIX / "bin/launcher.py", data=Path("/var/lib/vedette-agent")
    )
    (tree / "vedette-agent.service").write_text(text)


def _nfpm() -> Path:
    folder = ROOT / ".build/nfpm"
    tool = folder / "bin/nfpm"
    if not tool.exists():
        _run(str(UV), "venv", "-q", "--python", sys.executable, str(folder))
        python = str(folder / "bin/python")
        _run(
            str(UV),
            "pip",
            "install",
            "-q",
            "--python",
            python,
            "--require-hashes",
            "-r",
            str(HERE / "requirements.txt"),
        )
    return tool


def _commit_time() -> str:
    """Give the time of the last commit: the same tree gives the same package."""
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%cI"]
    found = subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
    return found or "2026-01-01T00:00:00Z"


def _run(*command: str) -> None:
    subprocess.run(command, check=True, cwd=ROOT, env={**os.environ, "UV_NO_PROGRESS": "1"})


if __name__ == "__main__":
    main()
