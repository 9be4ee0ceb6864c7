"""Rules are compiled in a process that they may exhaust without harm."""

from __future__ import annotations

import pytest

from vedette.engines.yara.apart import Limits, compile_apart
from vedette.engines.yara.ruleset import RuleFile, RuleSet, builtin
from vedette.runtime.errors import ConfigError

SMALL = RuleFile("small.yar", b"rule small { condition: true }")
MANY = b" ".join(b'$a%d = "%032d"' % (number, number) for number in range(40_000))
BOMB = RuleFile("bomb.yar", b"rule bomb { strings: " + MANY + b" condition: any of them }")
TIGHT = Limits(cpu=2, wall=20, memory=220 << 20)


def test_a_set_comes_back_compiled() -> None:
    compiled = compile_apart(builtin())
    assert (compiled.version, compiled.count, compiled.problems) == (builtin().version, 1, ())


@pytest.mark.slow
def test_a_file_that_exceeds_the_limits_is_left_out_and_named() -> None:
    ruleset = RuleSet((SMALL, BOMB, RuleFile("third.yar", SMALL.source)))
    compiled = compile_apart(ruleset, TIGHT)
    assert compiled.count == 2
    assert [one.file for one in compiled.problems] == ["bomb.yar"]
    assert "compiling ended with" in compiled.problems[0].problem
    assert compiled.version == ruleset.version


def test_limits_under_which_nothing_can_be_compiled_are_an_error() -> None:
    with pytest.raises(ConfigError, match="exceed the limits"):
        compile_apart(RuleSet((SMALL,)), Limits(cpu=5, wall=20, memory=16 << 20))
