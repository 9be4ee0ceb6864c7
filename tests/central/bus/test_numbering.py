"""Numbers of segments among several nodes."""

from pathlib import Path

import pytest

from vedette.central.bus.numbering import number_of, spool_identity
from vedette.runtime.errors import ConfigError


def test_nodes_never_share_a_number() -> None:
    last, first = number_of(1, Path("999999999999.seg")), number_of(2, Path("000000000000.seg"))
    assert (last, first) == (1_999_999_999_999, 2_000_000_000_000)
    assert number_of(9_000, Path("999999999999.seg")) < 2**53, "it survives JavaScript"


def test_a_spool_keeps_its_name_and_another_has_another(tmp_path: Path) -> None:
    name = spool_identity(tmp_path / "one")
    assert spool_identity(tmp_path / "one") == name != spool_identity(tmp_path / "other")
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["identity"]
    (tmp_path / "one" / "identity").write_text("x")
    with pytest.raises(ConfigError, match="damaged"):
        spool_identity(tmp_path / "one")
