"""One bad rule never takes a set down."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from vedette.engines.objects import About, Status
from vedette.engines.yara.compiled import Compiled
from vedette.engines.yara.compiling import compile_set
from vedette.engines.yara.engine import YaraEngine
from vedette.engines.yara.ruleset import RuleFile, RuleSet

NOW = 1_700_000_000_000_000
GOOD = b'rule good { strings: $a = "needle" condition: $a }'


def compiled(**files: bytes) -> Compiled:
    return compile_set(RuleSet(tuple(RuleFile(f"{name}.yar", source, 5) for name, source in files.items())), now=NOW)


def matching(made: Compiled, data: bytes = b"needle", **about: str) -> list[str]:
    verdict = YaraEngine(made).scan(data, About(**about))
    return [finding.record_id for finding in verdict.findings]


def test_a_bad_rule_costs_itself_and_those_that_build_on_it() -> None:
    made = compiled(mixed=GOOD + b"\nrule bad { condition: absent }\nrule on_it { condition: bad }\n" + GOOD.replace(
        b"rule good", b"rule second"
    ))  # fmt: skip
    assert matching(made) == ["mixed.yar:good", "mixed.yar:second"]
    assert [(one.file, one.line) for one in made.problems] == [("mixed.yar", 2), ("mixed.yar", 3)]
    assert "unknown identifier `absent`" in made.problems[0].problem


def test_a_file_that_is_no_rule_at_all_costs_itself() -> None:
    made = compiled(good=GOOD, torn=b"rule torn { strings: $a = ", noise=b"\xff\xfe\0\0 not a rule")
    assert matching(made) == ["good.yar:good"]
    assert {one.file for one in made.problems} == {"torn.yar", "noise.yar"}


def test_two_files_may_use_the_same_name() -> None:
    assert matching(compiled(one=GOOD, two=GOOD)) == ["one.yar:good", "two.yar:good"]


def test_files_cannot_be_included() -> None:
    made = compiled(reader=b'include "/etc/passwd"\n' + GOOD)
    assert "include" in made.problems[0].problem
    assert matching(made) == ["reader.yar:good"]


def test_dates_of_rules_tell_the_release_and_the_file_where_there_is_none() -> None:
    dated = GOOD.replace(b"strings", b'meta: date = "1970-01-02" strings')
    assert compiled(dated=dated).released == 86_400_000_000
    assert compiled(plain=GOOD).released == 5
    assert compiled(dated=dated, plain=GOOD).released == 86_400_000_000


def test_rules_may_ask_for_names_and_then_names_matter() -> None:
    asking = b'rule asks { condition: filename == "x.sh" and owner == "root" and extension == ".sh" }'
    made = compiled(asks=asking)
    assert made.names_matter
    assert matching(made, name="x.sh", owner="root", extension=".sh") == ["asks.yar:asks"]
    assert matching(made, name="y.sh", owner="root", extension=".sh") == []


def test_names_in_texts_and_comments_do_not_matter() -> None:
    quiet = b'rule quiet { strings: $a = "the filename" /* owner */ condition: $a } // filepath'
    assert not compiled(quiet=quiet).names_matter


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_beside_a_good_file_leave_it_good(noise: bytes) -> None:
    assert YaraEngine(compiled(good=GOOD, noise=noise)).scan(b"needle", About()).status == Status.DETECTED
