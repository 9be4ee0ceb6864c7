"""`vedette agent install` and `uninstall`: what people see."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from vedette.agent.core.identity import Identity, IdentityStore
from vedette.cli.agent import agent

IDENTITY = Identity(server="https://c:1", agent="a" * 32, tenant="default", group="g", ca="", settings_key="")


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(agent, arguments)
    return result.exit_code, result.output


def test_a_host_is_told_what_is_still_to_do(tmp_path: Path) -> None:
    options = ["--root", str(tmp_path), "--executable", "/opt/vedette/bin/vedette"]
    code, out = run("install", *options)
    unit = tmp_path / "etc/systemd/system/vedette-agent.service"
    assert (code, out.splitlines()) == (
        0,
        [f"wrote {unit}", "the service waits until this host is enrolled: `vedette agent enrol`, then start it"],
    )
    IdentityStore(tmp_path / "var/lib/vedette-agent").save(IDENTITY, b"key", "certificate")
    code, out = run("install", *options)
    assert (code, out.splitlines()[1]) == (0, "start it with: systemctl enable --now vedette-agent.service")
    code, out = run("uninstall", "--root", str(tmp_path))
    assert (code, out.splitlines()) == (0, [f"removed {unit}", f"removed {tmp_path / 'var/lib/vedette-agent'}"])
    assert run("uninstall", "--root", str(tmp_path)) == (0, "nothing to remove\n")


def test_a_program_that_is_not_vedette_is_not_put_into_the_unit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", [str(tmp_path / "__main__.py")])
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    code, out = run("install", "--root", str(tmp_path))
    assert (code, "cannot be started by its own Python; say what can with --executable" in out) == (1, True)
    for name in ("vedette", "python"):
        (tmp_path / name).touch(mode=0o755)
    assert run("install", "--root", str(tmp_path))[0] == 0
    unit = tmp_path / "etc/systemd/system/vedette-agent.service"
    assert f"ExecStart={tmp_path}/python -I -S " in unit.read_text()
