"""Verdicts of the YARA engine."""

from __future__ import annotations

import msgspec
import pytest

from vedette.engines.objects import About, Status
from vedette.engines.yara.compiled import Compiled
from vedette.engines.yara.compiling import compile_set
from vedette.engines.yara.engine import MOST_FINDINGS, YaraEngine
from vedette.engines.yara.ruleset import RuleFile, RuleSet, builtin
from vedette.runtime.errors import ConfigError

NOW = 1_900_000_000_000_000
EICAR = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + "EICAR-STANDARD" + "-ANTIVIRUS-TEST-FILE!$H+H*").encode()


@pytest.fixture(scope="module")
def known() -> YaraEngine:
    return YaraEngine(compile_set(builtin(), now=NOW))


def made_of(source: bytes) -> Compiled:
    return compile_set(RuleSet((RuleFile("t.yar", source),)), now=NOW)


@pytest.mark.parametrize("data", [EICAR, EICAR + b"\r\n", EICAR + b" " * 60])
def test_the_test_file_is_found(known: YaraEngine, data: bytes) -> None:
    verdict = known.scan(data, About())
    assert (verdict.status, verdict.engine) == (Status.DETECTED, "yara")
    assert [(one.record_id, one.category) for one in verdict.findings] == [
        ("builtin/eicar.yar:EICAR_Test_File", "EICAR-Test-File")
    ]
    assert verdict.findings[0].because["$text"].startswith("at 0: 58354f21")
    assert verdict.db_time is not None


@pytest.mark.parametrize("data", [b"", b"harmless", b" " + EICAR, EICAR + b"x" * 100])
def test_other_bytes_are_clean(known: YaraEngine, data: bytes) -> None:
    assert known.scan(data, About()).status == Status.CLEAN


def test_a_scan_that_takes_too_long_is_not_clean() -> None:
    slow = b"rule slow { condition: for all i in (1..2000000000) : (math.abs(i) > 0) }"
    engine = YaraEngine(made_of(b'import "math"\n' + slow), seconds=0.1)
    verdict = engine.scan(b"x" * 100, About())
    assert (verdict.status, verdict.reason) == (Status.NOT_SCANNED, "timed_out")


def test_what_a_password_hides_is_not_clean_unless_rules_see_enough(known: YaraEngine) -> None:
    locked = b"PK\x03\x04\x14\x00\x01\x00" + b"\0" * 60
    assert (known.scan(locked, About()).status, known.scan(locked, About()).reason) == (
        Status.NOT_SCANNED,
        "encrypted",
    )
    engine = YaraEngine(made_of(b"rule zip { condition: uint16(0) == 0x4b50 }"))
    assert engine.scan(locked, About()).status == Status.DETECTED


def test_findings_are_bounded() -> None:
    engine = YaraEngine(made_of(b"".join(b"rule r%d { condition: true }\n" % number for number in range(100))))
    assert len(engine.scan(b"x", About()).findings) == MOST_FINDINGS


def test_rules_of_another_library_or_damaged_ones_are_refused() -> None:
    made = made_of(b"rule r { condition: true }")
    with pytest.raises(ConfigError, match="not "):
        YaraEngine(msgspec.structs.replace(made, compiler="0.0.1"))
    with pytest.raises(ConfigError, match="cannot be read"):
        YaraEngine(msgspec.structs.replace(made, rules=made.rules[:50]))
