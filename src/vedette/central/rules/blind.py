"""Rules that cannot fire: those over types of events that no host of the fleet sends."""

from collections.abc import Iterable

import msgspec

from vedette.query.ast import Condition, Equals
from vedette.query.search import Question, Search
from vedette.query.statement import Window
from vedette.schema.access import Scope
from vedette.schema.dictionary import FIELDS
from vedette.schema.rules import RuleFile, RuleKind


class BlindRule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule file none of whose types of events has come in the time that was looked at."""

    kind: RuleKind
    name: str
    types: tuple[str, ...]


def blind(files: Iterable[RuleFile], scope: Scope, window: Window, search: Search) -> list[BlindRule]:
    """Give the enabled rule files that cannot fire. Each type is one look into the counts by hour."""
    enabled = [file for file in files if file.enabled and file.types]
    seen: dict[str, bool] = {}
    for kind in sorted({kind for file in enabled for kind in file.types}):
        question = Question(Condition(FIELDS["event.type"], Equals(kind)), scope, window)
        answer = search.count(question)
        # What a limit cut off may have come: only a complete "none" counts.
        seen[kind] = bool(answer.rows[0][0]) or not answer.complete
    return [
        BlindRule(kind=file.kind, name=file.name, types=file.types)
        for file in enabled
        if not any(seen[kind] for kind in file.types)
    ]
