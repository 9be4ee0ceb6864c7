"""Sets of rule files: from a folder, as bytes, joined."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vedette.engines.yara import ruleset
from vedette.engines.yara.ruleset import RuleFile, RuleSet, builtin, decode, from_folder, joined
from vedette.runtime.errors import ConfigError


def test_rule_files_of_a_folder_and_those_below_are_taken_in_order(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("b.yar", "a.yara", "below/c.yar", "notes.txt", ".hidden.yar"):
        (tmp_path / name).write_text("rule x { condition: true }")
    os.utime(tmp_path / "b.yar", ns=(5_000, 5_000))
    taken = from_folder(tmp_path)
    assert [file.name for file in taken.files] == ["a.yara", "b.yar", "below/c.yar"]
    assert taken.files[1].modified == 5


def test_a_folder_that_is_not_there_is_an_empty_set(tmp_path: Path) -> None:
    assert from_folder(tmp_path / "absent") == RuleSet()


def test_a_file_that_is_too_large_is_left_out_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ruleset, "LARGEST_FILE", 10)
    (tmp_path / "large.yar").write_text("rule large { condition: true }")
    taken = from_folder(tmp_path)
    assert taken.files == ()
    assert "too large" in taken.problems["large.yar"]


def test_a_set_survives_its_way_as_bytes() -> None:
    made = joined(builtin(), RuleSet((RuleFile("own.yar", b"rule own { condition: true }", 7),), {"bad.yar": "why"}))
    assert decode(made.encode()) == made
    assert decode(made.encode()).version == made.version


def test_the_version_tells_sets_apart() -> None:
    versions = {
        RuleSet().version,
        RuleSet((RuleFile("a", b"bc"),)).version,
        RuleSet((RuleFile("ab", b"c"),)).version,
        RuleSet((RuleFile("a", b"bc", 1),)).version,
    }
    assert len(versions) == 4


@pytest.mark.parametrize("data", [b"", b"\xc1", b"rule x { condition: true }", b"\x93\x01\x02\x03"])
def test_bytes_that_are_no_set_are_refused(data: bytes) -> None:
    with pytest.raises(ConfigError, match="rule set"):
        decode(data)


@given(st.binary(max_size=200))
def test_no_bytes_make_reading_a_set_fail_otherwise(data: bytes) -> None:
    with contextlib.suppress(ConfigError):
        decode(data)


def test_the_builtin_rules_do_not_hold_what_they_look_for() -> None:
    assert all(b"EICAR-STANDARD" not in file.source for file in builtin().files)
