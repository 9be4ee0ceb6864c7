"""Whether rule files can be used, and why not: each kind is asked of its own engine."""

from collections.abc import Callable, Mapping, Sequence

from vedette.central.rules.trial import try_out
from vedette.engines.yara.apart import Limits, compile_apart
from vedette.engines.yara.ruleset import RuleFile as YaraFile
from vedette.engines.yara.ruleset import RuleSet
from vedette.query import sigma
from vedette.query.ioc import file as ioc
from vedette.query.ioc.criteria import IocError
from vedette.runtime.errors import ConfigError
from vedette.schema.rules import RuleCheck, RuleKind, RuleProblem, RuleText

MOST_PROBLEMS = 100
"""Shown of one file."""
YARA_LIMITS = Limits(cpu=20, wall=60)

Check = Callable[[Sequence[RuleText]], list[RuleCheck]]


def check(files: Sequence[RuleText]) -> list[RuleCheck]:
    """Say of each file what its engine says of it."""
    found: dict[int, RuleCheck] = {}
    for kind, of_kind in CHECKS.items():
        places = [place for place, file in enumerate(files) if file.kind is kind]
        if places:
            found.update(zip(places, of_kind([files[place] for place in places]), strict=True))
    return [_tried(file, found[place]) for place, file in enumerate(files)]


def _tried(file: RuleText, found: RuleCheck) -> RuleCheck:
    """Take the rules of a file whose own tests fail for unusable."""
    problems = try_out(file) if found.rules else []
    return RuleCheck(problems=(*found.problems, *problems)) if problems else found


def _yara(files: Sequence[RuleText]) -> list[RuleCheck]:
    """Compile in a process of its own, each file as a namespace of its own."""
    names = {str(place): file for place, file in enumerate(files)}
    ruleset = RuleSet(tuple(YaraFile(name, file.text.encode("utf-8", "replace")) for name, file in names.items()))
    try:
        compiled = compile_apart(ruleset, YARA_LIMITS)
    except ConfigError as error:
        return [RuleCheck(problems=(RuleProblem(problem=str(error)),)) for _ in files]
    problems: dict[str, list[RuleProblem]] = {name: [] for name in names}
    for one in compiled.problems:
        told = RuleProblem(problem=one.problem, rule=one.rule, line=one.line)
        for name in [one.file] if one.file in problems else problems:
            problems[name].append(told)
    rules: dict[str, list[str]] = {name: [] for name in names}
    for rule in compiled.names:
        namespace, _, identifier = rule.partition(":")
        rules[namespace].append(identifier)
    return [RuleCheck(rules=tuple(rules[name]), problems=tuple(problems[name][:MOST_PROBLEMS])) for name in names]


def _ioc(files: Sequence[RuleText]) -> list[RuleCheck]:
    return [_one_ioc(file) for file in files]


def _one_ioc(file: RuleText) -> RuleCheck:
    try:
        found = ioc.read(file.text.encode("utf-8", "replace"), file.name)
    except IocError as error:
        return RuleCheck(problems=(RuleProblem(problem=error.problem, line=error.line),))
    rules = [rule.id for rule in found.rules if rule.node is not None]
    if found.indicators:
        rules.append(f"{file.name}: {len(found.indicators)} indicators")
    told = (RuleProblem(problem=one.reason, rule=one.term, line=one.line) for one in found.problems[:MOST_PROBLEMS])
    return RuleCheck(rules=tuple(rules), problems=tuple(told))


def _taa(files: Sequence[RuleText]) -> list[RuleCheck]:
    return [_one_taa(file) for file in files]


def _one_taa(file: RuleText) -> RuleCheck:
    found = sigma.read(file.text.encode("utf-8", "replace"), file.name)
    problems = [
        RuleProblem(problem=one.reason, rule=one.rule or one.title) for one in found if isinstance(one, sigma.Refused)
    ]
    rules = [one for one in found if isinstance(one, sigma.Rule)]
    types = (
        {kind for rule in rules for kind in rule.source.types} if all(rule.source.types for rule in rules) else set()
    )
    return RuleCheck(
        rules=tuple(one.id for one in found if not isinstance(one, sigma.Refused)),
        problems=tuple(problems[:MOST_PROBLEMS]),
        types=tuple(sorted(types)),
    )


CHECKS: Mapping[RuleKind, Check] = {RuleKind.TAA: _taa, RuleKind.IOC: _ioc, RuleKind.YARA: _yara}
