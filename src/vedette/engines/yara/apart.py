"""Compiles rules in a process of its own with limits: rules may be made to exhaust whoever reads them."""

import logging
import signal
import subprocess
import sys

import msgspec

from vedette.engines.yara.compiled import Compiled
from vedette.engines.yara.ruleset import RuleFile, RuleSet
from vedette.runtime.errors import ConfigError

log = logging.getLogger(__name__)


class Limits(msgspec.Struct, frozen=True):
    """What the compiling process may use: seconds of CPU time and of the clock, bytes of address space."""

    cpu: int = 60
    wall: int = 180
    memory: int = 1 << 30


USUAL = Limits()


def compile_apart(ruleset: RuleSet, limits: Limits = USUAL) -> Compiled:
    """Compile `ruleset`, leaving out files that alone exceed the limits. Raises ConfigError when nothing is left."""
    outcome = _attempt(ruleset, limits)
    if isinstance(outcome, Compiled):
        return outcome
    log.warning(
        "yara rules exceed the limits problem=%s files=%d: looking for the culprit", outcome, len(ruleset.files)
    )
    good, bad = _parted(ruleset.files, outcome, limits)
    outcome = _attempt(RuleSet(tuple(good), ruleset.problems | bad), limits)
    if isinstance(outcome, Compiled):
        return msgspec.structs.replace(outcome, version=ruleset.version)
    raise ConfigError(f"these YARA rules together exceed the limits: {outcome}")


def _parted(files: tuple[RuleFile, ...], problem: str, limits: Limits) -> tuple[list[RuleFile], dict[str, str]]:
    """Part files that compile from those that do not, by halves: most sets have one culprit. `problem`: of all."""
    if len(files) <= 1:
        return [], {file.name: problem for file in files}
    good: list[RuleFile] = []
    bad: dict[str, str] = {}
    middle = len(files) // 2
    for half in (files[:middle], files[middle:]):
        outcome = _attempt(RuleSet(half), limits)
        if isinstance(outcome, Compiled):
            good += half
        else:
            more_good, more_bad = _parted(half, outcome, limits)
            good += more_good
            bad |= more_bad
    return good, bad


def _attempt(ruleset: RuleSet, limits: Limits) -> Compiled | str:
    """Give the compiled set, or what went wrong."""
    command = [sys.executable, "-m", "vedette.engines.yara.compile_process", str(limits.cpu), str(limits.memory)]
    try:
        done = subprocess.run(command, input=ruleset.encode(), capture_output=True, timeout=limits.wall, check=False)
    except subprocess.TimeoutExpired:
        return f"compiling took longer than {limits.wall} s"
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        return f"compiling ended with {_ending(done.returncode)}" + (f": {last}" if last else "")
    try:
        return msgspec.msgpack.decode(done.stdout, type=Compiled)
    except msgspec.MsgspecError as error:
        return f"compiling gave no answer: {error}"


def _ending(code: int) -> str:
    return signal.Signals(-code).name if code < 0 else f"exit {code}"
