"""The command line against a served API."""

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result
from tests.central.api.conftest import (
    Api,
    api,
    cheap_hashing,
    limits,
    migrated,
    real_store,
)

from vedette.cli.main import cli
from vedette.schema.access import Role

__all__ = ["api", "cheap_hashing", "limits", "migrated", "real_store"]

Vedette = Callable[..., Result]


@pytest.fixture
def vedette(api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Vedette:
    """Give a function that runs `vedette` with arguments as an administrator would."""
    monkeypatch.setenv("VEDETTE_CLIENT", f"{tmp_path}/client.toml")
    monkeypatch.setenv("VEDETTE_URL", api.url)
    monkeypatch.setenv("VEDETTE_TOKEN", api.token(api.account("ann", Role.ADMINISTRATOR)))

    def run(*arguments: str, **more: str) -> Result:
        return CliRunner().invoke(cli, arguments, prog_name="vedette", catch_exceptions=False, **more)  # type: ignore[arg-type]

    return run
