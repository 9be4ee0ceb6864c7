"""Rules of a host stay compiled."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from vedette.agent.core.scanner.rules import RuleKeeper
from vedette.engines.yara.compiled import Compiled
from vedette.engines.yara.compiling import compile_set
from vedette.engines.yara.ruleset import RuleSet
from vedette.runtime.errors import ConfigError


class Maker:
    """Compiles here, and counts."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self, ruleset: RuleSet) -> Compiled:
        self.made += 1
        return compile_set(ruleset, now=1)


def settle(keeper: RuleKeeper) -> bool:
    """Refresh until nothing is being compiled; whether the rules became others."""
    changed = keeper.refresh()
    while keeper.is_busy():
        time.sleep(0.005)
        changed = keeper.refresh() or changed
    return changed


def write_rule(folder: Path, name: str, second: int) -> None:
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}.yar"
    path.write_text(f"rule {name} {{ condition: true }}")
    os.utime(path, (second, second))


def test_the_own_rules_are_there_without_a_folder(tmp_path: Path) -> None:
    keeper = RuleKeeper(tmp_path / "yara", Maker())
    assert settle(keeper)
    assert keeper.current is not None
    assert keeper.current.count == 1


def test_a_changed_folder_is_compiled_once(tmp_path: Path) -> None:
    make = Maker()
    keeper = RuleKeeper(tmp_path / "yara", make)
    settle(keeper)
    write_rule(tmp_path / "yara", "one", 1)
    assert settle(keeper)
    assert not settle(keeper)
    assert keeper.current is not None
    assert (keeper.current.count, make.made) == (2, 2)
    (tmp_path / "yara" / "one.yar").unlink()
    assert settle(keeper)
    assert keeper.current.count == 1


def test_a_restart_compiles_nothing(tmp_path: Path) -> None:
    write_rule(tmp_path / "yara", "one", 1)
    settle(RuleKeeper(tmp_path / "yara", Maker()))
    make = Maker()
    keeper = RuleKeeper(tmp_path / "yara", make)
    assert settle(keeper)
    assert make.made == 0
    assert keeper.current is not None
    assert keeper.current.count == 2


@pytest.mark.parametrize("damage", [b"", b"\xc1 nonsense"])
def test_a_damaged_compiled_set_is_made_anew(tmp_path: Path, damage: bytes) -> None:
    folder = tmp_path / "yara"
    settle(RuleKeeper(folder, Maker()))
    (folder / ".compiled").write_bytes(damage)
    make = Maker()
    assert settle(RuleKeeper(folder, make))
    assert make.made == 1


def test_rules_that_cannot_be_compiled_leave_the_former_ones(tmp_path: Path) -> None:
    def make(ruleset: RuleSet) -> Compiled:
        if len(ruleset.files) > 1:
            raise ConfigError("too much")
        return compile_set(ruleset, now=1)

    keeper = RuleKeeper(tmp_path / "yara", make)
    settle(keeper)
    write_rule(tmp_path / "yara", "one", 1)
    assert not settle(keeper)
    assert keeper.problem == "too much"
    assert keeper.current is not None
    assert keeper.current.count == 1
