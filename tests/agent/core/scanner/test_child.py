"""A real scanning process: what it says, what it may, and what happens when it fails."""

from __future__ import annotations

import hashlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from vedette.agent.core.scanner import child as child_module
from vedette.agent.core.scanner.child import ScanChild
from vedette.agent.core.scanner.messages import Outcome, Scan
from vedette.agent.core.scanner.worker import NICENESS, NOBODY
from vedette.engines.objects import About, Status
from vedette.engines.yara.compiled import Compiled
from vedette.engines.yara.compiling import compile_set
from vedette.engines.yara.ruleset import RuleFile, RuleSet
from vedette.runtime.errors import ConfigError

RULES = RuleSet((RuleFile("t.yar", b'rule needle { strings: $a = "needle" condition: $a }'),))


@pytest.fixture(scope="module")
def compiled() -> Compiled:
    return compile_set(RULES, now=1)


@pytest.fixture
def child(compiled: Compiled) -> Iterator[ScanChild]:
    started = ScanChild()
    started.load(compiled, seconds=2)
    yield started
    started.stop()


def scan(child: ScanChild, path: Path, *, sha256: str = "", largest: int = 1 << 20) -> Outcome:
    handle = os.open(path, os.O_RDONLY)
    try:
        return child.scan(Scan(about=About(path=str(path)), largest=largest, sha256=sha256), handle)
    finally:
        os.close(handle)


@pytest.fixture
def needle(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(b"a needle in it")
    path.chmod(0o600)
    return path


def test_a_file_is_looked_at_with_its_digests(child: ScanChild, needle: Path) -> None:
    outcome = scan(child, needle)
    assert [(one.engine, one.status) for one in outcome.verdicts] == [("yara", Status.DETECTED)]
    assert outcome.sha256 == hashlib.sha256(needle.read_bytes()).hexdigest()
    assert (outcome.size, child.cpu > 0) == (14, True)


def test_rules_may_use_every_module(child: ScanChild) -> None:
    """The library loads parts of itself at its first scan, when the process has no rights any more."""
    imports = "".join(f'import "{name}"\n' for name in ("pe", "elf", "dotnet", "hash", "math", "macho", "lnk"))
    rule = f"{imports}rule program {{ condition: elf.number_of_sections > 0 and math.entropy(0, filesize) > 1 }}"
    ruleset = RuleSet((RuleFile("m.yar", rule.encode()),))
    child.load(compile_set(ruleset, now=1), seconds=5)
    assert [one.status for one in scan(child, Path("/bin/sh").resolve()).verdicts] == [Status.DETECTED]


def test_a_file_that_is_another_one_by_now_is_not_looked_at(child: ScanChild, needle: Path) -> None:
    assert scan(child, needle, sha256="0" * 64).verdicts == ()


def test_one_that_is_too_large_says_so(child: ScanChild, needle: Path) -> None:
    assert scan(child, needle, largest=3).verdicts[0].reason == "too_large: 14 bytes, limit 3"


@pytest.mark.root
def test_it_has_no_rights(child: ScanChild) -> None:
    told = Path(f"/proc/{child.pid}/status").read_text().splitlines()
    facts = {line.split(":", 1)[0]: line.split(":", 1)[1].split() for line in told}
    assert facts["Uid"] == facts["Gid"] == [str(NOBODY)] * 4
    assert facts["Groups"] == []
    assert facts["CapEff"] == facts["CapPrm"] == ["0000000000000000"]
    assert facts["NoNewPrivs"] == ["1"]
    assert os.getpriority(os.PRIO_PROCESS, child.pid or 0) == NICENESS


def test_one_that_dies_gives_a_reason_and_is_started_anew(child: ScanChild, compiled: Compiled, needle: Path) -> None:
    os.kill(child.pid or 0, signal.SIGKILL)
    outcome = scan(child, needle)
    assert outcome.verdicts[0].status == Status.NOT_SCANNED
    assert outcome.verdicts[0].reason.startswith("engine_failed")
    assert (child.is_running(), child.restarts) == (False, 1)
    child.load(compiled, seconds=2)
    assert scan(child, needle).verdicts[0].status == Status.DETECTED


def test_one_that_hangs_is_ended(child: ScanChild, needle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_module, "GRACE", -1.9)
    os.kill(child.pid or 0, signal.SIGSTOP)
    outcome = scan(child, needle)
    assert outcome.verdicts[0].reason.startswith("timed_out")
    assert not child.is_running()


def test_rules_that_cannot_be_read_leave_the_former_ones(child: ScanChild, needle: Path) -> None:
    broken = Compiled(version="v", compiler="0", rules=b"", count=0, released=0, names_matter=False)
    with pytest.raises(ConfigError, match="compiled by yara-x 0"):
        child.load(broken, seconds=2)
    assert scan(child, needle).verdicts[0].status == Status.DETECTED


def test_it_ends_with_the_agent(compiled: Compiled) -> None:
    started = ScanChild()
    started.load(compiled, seconds=2)
    pid = started.pid or 0
    started.stop()
    assert not Path(f"/proc/{pid}").exists()
    assert not started.is_running()


def test_a_clamd_that_is_away_is_told_beside_what_yara_says(child: ScanChild, compiled: Compiled, needle: Path) -> None:
    child.load(compiled, seconds=2, clamd="/nonexistent/clamd.sock")
    verdicts = {one.engine: (one.status, one.reason) for one in scan(child, needle).verdicts}
    assert verdicts["yara"] == (Status.DETECTED, "")
    assert verdicts["clamav"][0] == Status.NOT_SCANNED
    assert verdicts["clamav"][1].startswith("engine_failed: /nonexistent")
