"""Installing, upgrading and removing the service, in a scratch root."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from vedette import __version__
from vedette.agent import launcher
from vedette.agent.core.batches import Facts
from vedette.agent.core.buffer import Buffer
from vedette.agent.core.identity import Identity, IdentityStore
from vedette.agent.linux import service
from vedette.runtime.clock import now
from vedette.runtime.errors import ConfigError
from vedette.schema.entities import Process
from vedette.schema.events.process import ProcessStop

DATA, PROGRAM = Path("/var/lib/vedette-agent"), Path("/opt/vedette/bin/vedette")
IDENTITY = Identity(server="https://c:1", agent="a" * 32, tenant="t", group="g", ca="", settings_key="")
UNIT = Path("etc/systemd/system/vedette-agent.service")


class Recorded:
    """What systemctl was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, arguments: Sequence[str]) -> None:
        self.asked.append(" ".join(arguments))


def install(root: Path, control: Any = None) -> Path:
    return service.install(root=root, executable=PROGRAM, data=DATA, control=control)


def fill(root: Path) -> Path:
    """Make an agent's directory with events that nobody has yet."""
    data = root / DATA.relative_to("/")
    IdentityStore(data).save(IDENTITY, b"key", "certificate")
    buffer = Buffer(data / "buffer.sqlite", now)
    buffer.append([ProcessStop(time=now(), process=Process(pid=number)) for number in range(50)], Facts())
    buffer.close()
    return data


def waiting(data: Path) -> int:
    buffer = Buffer(data / "buffer.sqlite", now)
    try:
        return buffer.stats().events
    finally:
        buffer.close()


def test_the_unit_starts_this_program_with_this_directory(tmp_path: Path) -> None:
    unit = install(tmp_path)
    assert unit == tmp_path / UNIT
    lines = unit.read_text().splitlines()
    python, data = "/opt/vedette/bin/python", "/var/lib/vedette-agent"
    started = f"{python} -I -S {data}/launcher.py {data} {python} {__version__} agent run --data {data}"
    assert f"ExecStart={started}" in lines
    copy = tmp_path / "var/lib/vedette-agent/launcher.py"
    assert copy.read_bytes() == Path(launcher.__file__).read_bytes()
    assert "ConditionPathExists=/var/lib/vedette-agent/identity.json" in lines
    assert not [line for line in lines if "@" in line.replace("@system-service", "") and "SystemCall" not in line]
    assert (tmp_path / "var/lib/vedette-agent").stat().st_mode & 0o777 == 0o700


def test_an_upgrade_keeps_identity_and_buffer_and_restarts(tmp_path: Path) -> None:
    install(tmp_path)
    data = fill(tmp_path)
    control = Recorded()
    install(tmp_path, control)
    assert control.asked == ["daemon-reload", "enable vedette-agent.service", "restart vedette-agent.service"]
    assert IdentityStore(data).load() == IDENTITY
    assert waiting(data) == 50


def test_a_removal_stops_the_service_and_deletes_what_was_not_sent(tmp_path: Path) -> None:
    install(tmp_path)
    data, control = fill(tmp_path), Recorded()
    removed = service.uninstall(root=tmp_path, data=DATA, keep_data=False, control=control)
    assert control.asked == ["disable --now vedette-agent.service", "daemon-reload"]
    assert removed == [tmp_path / UNIT, data]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert service.uninstall(root=tmp_path, data=DATA, keep_data=False, control=control) == []


def test_a_removal_keeps_the_data_when_told_to(tmp_path: Path) -> None:
    install(tmp_path)
    data = fill(tmp_path)
    assert service.uninstall(root=tmp_path, data=DATA, keep_data=True, control=None) == [tmp_path / UNIT]
    assert waiting(data) == 50


def test_a_directory_that_is_not_an_agents_is_not_deleted(tmp_path: Path) -> None:
    install(tmp_path)
    (tmp_path / "home").mkdir()
    (tmp_path / "home/letter").touch()
    with pytest.raises(ConfigError, match="is not an agent's directory"):
        service.uninstall(root=tmp_path, data=Path("/home"), keep_data=False, control=None)
    assert (tmp_path / "home/letter").exists()
    assert (tmp_path / UNIT).exists()


@pytest.mark.parametrize("path", ["relative", "/with blank", "/with%percent", "/line\nExecStart=/bin/sh", "/a'b"])
def test_a_path_that_systemd_would_read_otherwise_is_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(ConfigError, match="cannot be put into a systemd unit"):
        service.install(root=tmp_path, executable=Path(path), data=DATA, control=None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this host")
def test_the_exposure_that_systemd_sees_stays_as_it_was_accepted(tmp_path: Path) -> None:
    """10 is the worst. The rest is what probes, digests and the uplink need: see the unit's last comment."""
    install(tmp_path)
    command = ["systemd-analyze", "security", "--no-pager", "--offline=true", f"--root={tmp_path}", "--threshold=52"]
    found = subprocess.run([*command, service.UNIT], check=False, capture_output=True, text=True)
    if "unrecognized option" in found.stderr:
        pytest.skip("this systemd-analyze is too old")
    assert found.returncode == 0, found.stdout[-200:] + found.stderr
