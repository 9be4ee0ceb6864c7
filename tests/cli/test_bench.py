"""`vedette bench fleet`: what it refuses; a whole run is a system test."""

import pytest
from click.testing import CliRunner

from vedette.cli.main import cli


@pytest.mark.parametrize("url", ["https://192.0.2.1:8440", "https://central.example:8440", "https://[2001:db8::1]:1"])
def test_another_host_is_not_loaded_unasked(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("VEDETTE_URL", url)
    monkeypatch.setenv("VEDETTE_TOKEN", "x")
    monkeypatch.setenv("VEDETTE_CLIENT", "/nonexistent")
    result = CliRunner().invoke(cli, ["bench", "fleet"])
    assert result.exit_code == 1
    assert "--i-own-this-server" in result.output


def test_agents_are_not_led_to_another_host_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VEDETTE_URL", "https://127.0.0.1:1")
    monkeypatch.setenv("VEDETTE_TOKEN", "x")
    monkeypatch.setenv("VEDETTE_CLIENT", "/nonexistent")
    result = CliRunner().invoke(cli, ["bench", "fleet", "--server", "https://192.0.2.1:8441"])
    assert result.exit_code == 1
    assert "192.0.2.1 is not this host" in result.output
