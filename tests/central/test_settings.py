"""Settings of a Central Node."""

from pathlib import Path

import pytest

from vedette.central.layout import Layout
from vedette.central.settings import CentralSettings, load, split_address, state_url
from vedette.runtime.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:8441", ("127.0.0.1", 8441)),
        ("[::1]:0", ("::1", 0)),
        ("central.example:65535", ("central.example", 65535)),
    ],
)
def test_an_address_is_host_and_port(text: str, expected: tuple[str, int]) -> None:
    assert split_address(text) == expected


@pytest.mark.parametrize("text", ["", "8441", ":8441", "host:", "host:x", "host:65536", "host:-1", "host:²"])
def test_what_is_no_address_is_named(text: str) -> None:
    with pytest.raises(ConfigError, match="is not HOST:PORT"):
        split_address(text)


def test_the_file_is_read_and_an_unknown_setting_named(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert load(layout) == CentralSettings()
    layout.settings_file.write_text('pipelines = 3\nnames = ["a.example"]\n')
    assert load(layout) == CentralSettings(pipelines=3, names=["a.example"])
    layout.settings_file.write_text("pipelinez = 3\n")
    with pytest.raises(ConfigError, match="pipelinez"):
        load(layout)


@pytest.mark.parametrize("content", ["pipelines = 0", 'listen_api = "nowhere"', "pipelines = 65"])
def test_a_setting_that_cannot_be_is_refused(tmp_path: Path, content: str) -> None:
    layout = Layout(tmp_path)
    layout.settings_file.write_text(content)
    with pytest.raises(ConfigError):
        load(layout)


def test_the_state_is_in_the_directory_unless_told_otherwise(tmp_path: Path) -> None:
    layout = Layout(tmp_path)
    assert state_url(layout, CentralSettings()) == f"sqlite:///{tmp_path}/state.sqlite"
    assert state_url(layout, CentralSettings(state_url="postgresql://x")) == "postgresql://x"
