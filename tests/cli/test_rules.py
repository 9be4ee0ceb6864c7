"""`vedette rules` against a served API."""

import json
from pathlib import Path

from tests.central.api.test_rules import BAD, DIGEST, GOOD
from tests.cli.conftest import Vedette


def test_a_folder_of_rules_is_checked_added_listed_switched_and_removed(vedette: Vedette, tmp_path: Path) -> None:
    folder = tmp_path / "rules"
    (folder / "deep").mkdir(parents=True)
    (folder / "good one.yar").write_text(GOOD)
    (folder / "deep" / "bad.yara").write_text(BAD)
    (folder / "readme.md").write_text("no rule")
    checked = vedette("rules", "check", str(folder))
    assert (checked.exit_code, "1 of 2 files can be used" in checked.stdout) == (1, True)
    assert "bad" in checked.stdout
    added = vedette("rules", "add", str(folder), "--json")
    assert added.exit_code == 1
    assert {one["name"]: one["version"] for one in map(json.loads, added.stdout.splitlines())} == {
        "good_one": 1, "bad": 0,
    }  # fmt: skip
    listing = tmp_path / "list.txt"
    listing.write_text(DIGEST)
    assert vedette("rules", "add", str(listing)).exit_code == 1
    assert vedette("rules", "add", str(listing), "--kind", "ioc").exit_code == 0
    listed = vedette("rules").stdout
    assert "good_one" in listed
    assert "list" in listed
    assert vedette("rules", "disable", "yara", "good_one").stdout == "yara good_one: disabled\n"
    assert vedette("rules", "enable", "yara", "good_one").stdout == "yara good_one: enabled\n"
    assert vedette("rules", "show", "yara", "good_one").stdout == GOOD + "\n"
    assert vedette("rules", "remove", "yara", "good_one").exit_code == 0
    assert vedette("rules", "show", "yara", "good_one").exit_code == 1
