"""`vedette ioc check` lists what can match nothing, and refuses a file that is all of that."""

import json
from pathlib import Path

from click.testing import CliRunner

from vedette.cli.main import cli

STIX = json.dumps(
    {"type": "indicator", "id": "indicator--1", "pattern": "[file:name = 'a' AND a:b = 'c'] OR [file:name = 'd']"}
)


def test_a_file_is_read_and_its_unsupported_parts_listed(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(STIX)
    done = CliRunner().invoke(cli, ["ioc", "check", str(tmp_path / "a.json"), "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.output)
    assert (facts["format"], facts["rules"]) == ("stix", 1)
    assert [one["term"] for one in facts["unsupported"]] == ["a:b", "AND"]


def test_a_file_of_nothing_but_unsupported_parts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "sha1.txt").write_text("da39a3ee5e6b4b0d3255bfef95601890afd80709\n")
    (tmp_path / "good.txt").write_text("evil.example\n")
    done = CliRunner().invoke(cli, ["ioc", "check", str(tmp_path / "sha1.txt"), str(tmp_path / "good.txt")])
    assert done.exit_code == 1
    assert "sha1.txt:1: refused" in done.output
    assert "good.txt: list, 1 domain" in done.output


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    done = CliRunner().invoke(cli, ["ioc", "check", str(tmp_path / "none")])
    assert done.exit_code == 1
    assert "No such file" in done.output
