"""Settings from files and the environment."""

from pathlib import Path

import msgspec
import pytest

from vedette.runtime import config
from vedette.runtime.errors import ConfigError


class Sample(msgspec.Struct, frozen=True):
    port: int = 8440
    name: str = "x"


def test_an_absent_file_means_defaults(tmp_path: Path) -> None:
    assert config.load(Sample, tmp_path / "none.toml", environ={}) == Sample()


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    file = tmp_path / "a.toml"
    file.write_text('port = 1\nname = "file"\n')
    assert config.load(Sample, file, environ={"VEDETTE_PORT": "2"}) == Sample(2, "file")


@pytest.mark.parametrize(
    ("text", "problem"),
    [("prot = 1", "unknown setting 'prot'"), ("port = 'x'", "int"), ("port = ", "not readable as TOML")],
)
def test_a_wrong_file_is_named_with_what_is_wrong(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "a.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=problem) as caught:
        config.load(Sample, file, environ={})
    assert str(file) in str(caught.value)
