"""Makes a rule set ready to scan with. One bad rule costs itself, and those that build on it, and nothing else."""

import io
import re
from collections.abc import Iterable
from typing import Any

import yara_x

from vedette.engines.yara.compiled import Compiled, Problem, library_version
from vedette.engines.yara.metadata import released
from vedette.engines.yara.ruleset import RuleFile, RuleSet
from vedette.schema.fields import Micros

EXTERNALS = ("filename", "filepath", "extension", "filetype", "owner")
"""Variables that public rule sets expect beside the bytes."""
_NAMES_EXTERNAL = re.compile(rb"\b(?:" + "|".join(EXTERNALS).encode() + rb")\b")
_COMMENT_OR_TEXT = re.compile(rb'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"', re.DOTALL)
MOST_PROBLEMS = 1000


def compile_set(ruleset: RuleSet, *, now: Micros) -> Compiled:
    """Compile what can be compiled. Raises nothing for what rules say; runs as long as they make it."""
    compiler = _compiler()
    for file in ruleset.files:
        compiler.new_namespace(file.name)
        compiler.add_source(file.source.decode("utf-8", "replace"), file.name)
    problems = [Problem(file=name, problem=text) for name, text in ruleset.problems.items()]
    problems += _problems(compiler.errors())
    rules = compiler.build()
    stream = io.BytesIO()
    rules.serialize_into(stream)
    return Compiled(
        version=ruleset.version,
        compiler=library_version(),
        rules=stream.getvalue(),
        count=sum(1 for _ in rules),
        released=_released(ruleset.files, rules, now=now),
        names_matter=any(_asks_for_names(file.source) for file in ruleset.files),
        problems=tuple(problems[:MOST_PROBLEMS]),
        names=tuple(f"{rule.namespace}:{rule.identifier}" for rule in rules),
    )


def _compiler() -> yara_x.Compiler:
    # Included files would be read with the rights of the compiler, from wherever a rule says.
    compiler = yara_x.Compiler(relaxed_re_syntax=True, includes_enabled=False)
    compiler.ignore_invalid_rules(True)  # noqa: FBT003 - the library takes it by position only
    for name in EXTERNALS:
        compiler.define_global(name, "")
    return compiler


def _problems(errors: Iterable[dict[str, Any]]) -> list[Problem]:
    found: list[Problem] = []
    for error in errors:
        label: dict[str, Any] = next(iter(error.get("labels", ())), {})
        title = str(error.get("title", "invalid"))
        text = str(label.get("text", ""))
        found.append(
            Problem(
                file=str(label.get("code_origin") or ""),
                line=int(label.get("line") or 0),
                problem=f"{title}: {text}" if text else title,
            )
        )
    return found


def _released(files: tuple[RuleFile, ...], rules: yara_x.Rules, *, now: Micros) -> Micros:
    metas: dict[str, list[dict[str, object]]] = {}
    for rule in rules:
        metas.setdefault(rule.namespace, []).append(dict(rule.metadata))
    times = (released(metas.get(file.name, ()), until=now) or file.modified for file in files)
    return max(times, default=0)


def _asks_for_names(source: bytes) -> bool:
    return _NAMES_EXTERNAL.search(_COMMENT_OR_TEXT.sub(b"", source)) is not None
