"""`vedette replay`: files in, findings out, without a server."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from vedette.cli.main import cli
from vedette.schema.entities import File, Process
from vedette.schema.events.process import ProcessStart

RULE = """title: Encoded command
id: 11111111-1111-4111-8111-111111111111
level: high
tags: [attack.t1059.001]
logsource: {product: SYSTEM, category: process_creation}
detection:
  selection: {CommandLine|contains: ' -enc '}
  condition: selection
"""
AWS = "logsource: {product: aws}\ndetection: {a: {b: c}, condition: a}\n"
ID = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rules for Linux and two events, one of which matches."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "one.yml").write_text(RULE.replace("SYSTEM", "linux"))
    (tmp_path / "rules" / "bad.yml").write_text(f"title: x\nid: {ID.replace('11111111', '22222222')}\n{AWS}")
    events = [
        ProcessStart(time=1_760_000_000_000_000, process=Process(command_line=text, file=File(path="/bin/sh")))
        for text in ("sh -enc x", "sh -c x")
    ]
    (tmp_path / "events.jsonl").write_bytes(msgspec.json.Encoder().encode_lines(events) + b"no json\n")
    return tmp_path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["replay", *map(str, arguments)])


def test_a_summary_counts_by_rule(folder: Path) -> None:
    for _ in range(2):  # the second time with the rules that were kept
        done = run(folder / "events.jsonl", "--rules", folder / "rules", "--system", "linux", "--summary")
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout) == {ID: 1}
        assert "1 rules, 1 not usable" in done.stderr
        assert "1 not read: no event (first: line 3)" in done.stderr


def test_json_lines_say_why(folder: Path) -> None:
    done = run(folder, "--rules", folder / "rules", "--system", "linux", "--json")
    (found,) = [json.loads(line) for line in done.stdout.splitlines()]
    assert (found["rule"], found["level"], found["techniques"]) == (ID, "high", ["T1059.001"])
    assert found["because"] == {"process.command_line": "sh -enc x"}
    assert found["time"] == 1_760_000_000_000_000


def test_a_table_for_people(folder: Path) -> None:
    done = run(folder / "events.jsonl", "--rules", folder / "rules" / "one.yml", "--system", "linux")
    assert "Encoded command" in done.stdout
    assert "2025-10-09" in done.stdout


def test_a_rule_of_another_system_does_not_match(folder: Path) -> None:
    done = run(folder / "events.jsonl", "--rules", folder / "rules", "--system", "windows", "--summary")
    assert json.loads(done.stdout) == {}


def test_problems_are_listed(folder: Path) -> None:
    done = run(folder / "events.jsonl", "--rules", folder / "rules", "--problems")
    assert "bad.yml: x: no agent or sensor gives events of the log source product aws" in done.stderr


def test_flat_events_tell_their_system(folder: Path) -> None:
    line = {"event.type": "process_start", "event.time": 1, "os.family": "linux", "process.command_line": "a -enc b"}
    (folder / "flat.jsonl").write_text(json.dumps(line) + "\n")
    done = run(folder / "flat.jsonl", "--rules", folder / "rules", "--summary")
    assert json.loads(done.stdout) == {ID: 1}


def test_a_damaged_evtx_file_is_told(folder: Path) -> None:
    (folder / "x.evtx").write_bytes(b"ElfFile\0" + b"\xff" * 5000)
    done = run(folder / "x.evtx", "--rules", folder / "rules", "--summary")
    assert json.loads(done.stdout or "{}") == {}
    assert done.stderr


@pytest.mark.usefixtures("folder")
def test_windows_records_of_a_real_file(shared_data: Path) -> None:
    case = next(iter(sorted((shared_data / "sigma" / "regression_data").rglob("*.evtx"))))
    rule = next(
        path for path in (shared_data / "sigma").rglob("rules*/**/*.yml") if f"\nid: {case.stem}" in path.read_text()
    )
    done = run(case, "--rules", rule, "--summary")
    assert list(json.loads(done.stdout)) == [case.stem]
