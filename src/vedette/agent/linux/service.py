"""The agent as a systemd service: the unit's place, what a removal takes away and what an upgrade keeps.

An upgrade writes the unit again and touches nothing in the data directory. A removal deletes it: identity, settings and
what was not sent.
"""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from importlib import resources
from pathlib import Path
from typing import Final

from vedette import __version__
from vedette.agent import launcher
from vedette.runtime.errors import ConfigError
from vedette.runtime.files import write_atomic

UNIT: Final = "vedette-agent.service"
_PLACE: Final = Path("etc/systemd/system") / UNIT
_OURS: Final = ("identity.json", "client.pem", "buffer.sqlite", "status.json", "launcher.py")
"""A directory without any of these is not an agent's, and is not deleted."""
_LAUNCHER: Final = "launcher.py"
_PATIENCE: Final = 120.0

Systemctl = Callable[[Sequence[str]], None]


def systemctl(arguments: Sequence[str]) -> None:
    """Run systemctl. Raises ConfigError when it fails."""
    command = ["systemctl", *arguments]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_PATIENCE)
    except subprocess.CalledProcessError as error:
        raise ConfigError(f"`{shlex.join(command)}` failed: {error.stderr.strip()}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ConfigError(f"`{shlex.join(command)}` failed: {error}") from error


def systemd_runs() -> bool:
    """Say whether systemd manages this host now. sd_booted(3)."""
    return Path("/run/systemd/system").is_dir() and shutil.which("systemctl") is not None


def unit_text(*, executable: Path, launcher: Path, data: Path) -> str:
    """Give the unit: `launcher` keeps the Python beside `executable` running, or what an upgrade brought.

    Raises ConfigError for paths that systemd would not read as they are.
    """
    python = executable.with_name("python")
    for path in (executable, launcher, data):
        text = str(path)
        if not path.is_absolute() or not text.isprintable() or any(one in text for one in " \t%$\\\"';@"):
            raise ConfigError(f"{text!r} cannot be put into a systemd unit")
    template = resources.files(__package__).joinpath(UNIT).read_text(encoding="utf-8")
    values = {"PYTHON": str(python), "LAUNCHER": str(launcher), "DATA": str(data), "VERSION": __version__}
    for name, value in values.items():
        template = template.replace(f"@{name}@", value)
    return template


def install(*, root: Path, executable: Path, data: Path, control: Systemctl | None) -> Path:
    """Write the unit under `root`, make the data directory and, with `control`, start the service; gives the unit.

    Done again (an upgrade) it renews the unit and restarts the service. Raises ConfigError.
    """
    text = unit_text(executable=executable, launcher=data / _LAUNCHER, data=data)
    unit, folder = root / _PLACE, root / data.relative_to("/")
    try:
        unit.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        # A copy, so that the launcher is no part of what an upgrade replaces.
        write_atomic(folder / _LAUNCHER, Path(launcher.__file__).read_bytes())
        unit.write_text(text, encoding="utf-8")
        unit.chmod(0o644)
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be written ({error.strerror}): become root") from error
    if control is not None:
        control(["daemon-reload"])
        control(["enable", UNIT])
        control(["restart", UNIT])
    return unit


def uninstall(*, root: Path, data: Path, keep_data: bool, control: Systemctl | None) -> list[Path]:
    """Stop the service, remove its unit and, unless `keep_data`, the data directory; gives what was removed.

    With `keep_data` the versions that upgrades brought go all the same.

    Raises ConfigError, also for a directory that is not an agent's.
    """
    unit, folder = root / _PLACE, root / data.relative_to("/")
    ours = any((folder / name).exists() for name in _OURS)
    if not keep_data and folder.exists() and not ours:
        _refuse_unless_empty(folder)
    if control is not None and unit.exists():
        control(["disable", "--now", UNIT])
    removed = [unit] if unit.exists() else []
    try:
        unit.unlink(missing_ok=True)
        if keep_data and ours:
            shutil.rmtree(folder / "versions", ignore_errors=True)
            (folder / _LAUNCHER).unlink(missing_ok=True)
        elif not keep_data and folder.exists():
            shutil.rmtree(folder)
            removed.append(folder)
    except OSError as error:
        raise ConfigError(f"{error.filename} cannot be removed ({error.strerror}): become root") from error
    if control is not None and removed[:1] == [unit]:
        control(["daemon-reload"])
    return removed


def _refuse_unless_empty(folder: Path) -> None:
    if folder.is_symlink() or not folder.is_dir() or any(folder.iterdir()):
        raise ConfigError(f"{folder} is not an agent's directory; it is left as it is (--keep-data goes on without it)")
