"""The choice of a mode on the command line."""

from __future__ import annotations

from vedette.agent.linux.sources.modes import MODES as KNOWN
from vedette.cli.agent import MODES


def test_each_mode_can_be_forced_and_the_best_comes_first() -> None:
    assert tuple(KNOWN) == MODES
