"""Where the command line takes its configuration from, and how it keeps it."""

import ssl
from pathlib import Path

import pytest

from vedette.cli.client import Client, ClientConfig, config_files, load_config, save_config
from vedette.runtime.errors import ConfigError


def test_variables_win_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "client.toml"
    save_config(ClientConfig(url="https://a", ca="/ca", token='t"\\'), path)
    assert path.stat().st_mode & 0o777 == 0o600
    environ = {"VEDETTE_CLIENT": str(path)}
    assert load_config(environ) == ClientConfig(url="https://a", ca="/ca", token='t"\\')
    assert load_config(environ | {"VEDETTE_TOKEN": "x"}).token == "x"


def test_a_named_file_is_the_only_one(tmp_path: Path) -> None:
    assert config_files({"VEDETTE_CLIENT": str(tmp_path)}) == [tmp_path]
    assert config_files({})[0] == Path(".vedette/client.toml")


@pytest.mark.parametrize("text", ["url = 1", "url = ", "surprise = 'x'"])
def test_a_wrong_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "client.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"client\.toml"):
        load_config({"VEDETTE_CLIENT": str(path)})


def test_an_absent_ca_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="CA file"):
        Client(ClientConfig(url="https://127.0.0.1:1", ca=str(tmp_path / "ca.pem")))


def test_only_the_named_ca_is_trusted_and_only_tls_1_3(tmp_path: Path) -> None:
    from vedette.central import pki
    from vedette.cli.client import _trust

    authority = pki.ensure_authority(tmp_path / "key.pem", tmp_path / "ca.pem", now=1_800_000_000_000_000)
    context = _trust(str(tmp_path / "ca.pem"))
    assert len(context.get_ca_certs()) == 1
    assert context.get_ca_certs(binary_form=True)[0] == ssl.PEM_cert_to_DER_cert(authority.pem)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_3
    assert context.check_hostname
