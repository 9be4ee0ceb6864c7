"""Which files with a line editor are followed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from vedette.probes import consoles
from vedette.probes.consoles import Consoles


def _follower(asked: list[Path]) -> Callable[[Path], bool]:
    def follow(path: Path) -> bool:
        asked.append(path)
        return True

    return follow


def test_each_file_is_followed_once_whatever_its_names_are(tmp_path: Path) -> None:
    (tmp_path / "bash").write_text("one")
    (tmp_path / "sh").symlink_to("bash")
    asked: list[Path] = []
    found = Consoles(_follower(asked), [f"{tmp_path}/*", f"{tmp_path}/none"])
    assert found.look()
    assert found.look()
    assert len(asked) == 1


def test_a_new_version_is_followed_when_it_comes(tmp_path: Path) -> None:
    (tmp_path / "bash").write_text("one")
    asked: list[Path] = []
    found = Consoles(_follower(asked), [f"{tmp_path}/bash"])
    assert found.look()
    (tmp_path / "new").write_text("two")
    (tmp_path / "new").rename(tmp_path / "bash")
    assert found.look()
    assert len(asked) == 2


def test_where_nothing_can_be_followed_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "bash").write_text("stripped")
    assert not Consoles(lambda _: False, [f"{tmp_path}/*"]).look()


def test_there_is_an_end_to_what_is_followed(tmp_path: Path) -> None:
    for number in range(consoles.MOST + 5):
        (tmp_path / f"bash{number}").write_text("x")
    asked: list[Path] = []
    Consoles(_follower(asked), [f"{tmp_path}/*"]).look()
    assert len(asked) == consoles.MOST
