"""A set of rules made ready: every test numbered, a matcher for each field, rules by log source."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from vedette.engines.taa.expressions import ANYWHERE, Expression, expression, is_weak, tests_of
from vedette.engines.taa.matcher import Matcher
from vedette.engines.taa.remembered import Budget
from vedette.engines.taa.searching import Database
from vedette.query.ast import Condition, Test, all_of
from vedette.query.sigma import Rule
from vedette.query.sigma.fields import KEYWORDS
from vedette.schema.dictionary import Field

REMEMBERED = 96 << 20
"""Bytes that the values seen lately may take, of all fields together."""


class Compiled:
    """Rules as the engine uses them. `kept`: databases of an earlier set, by field, of which much may still serve."""

    def __init__(
        self, rules: Sequence[Rule], kept: Mapping[str, Sequence[Database]] | None = None, *, plain: bool = False
    ) -> None:
        self.rules = tuple(rules)
        self._nodes = [all_of(rule.source.condition, rule.detection) for rule in self.rules]
        self._numbers: dict[tuple[str, Test], int] = {}
        self.fields: dict[str, Field] = {}
        weak: list[int] = []
        by_field: dict[str, list[tuple[int, Test]]] = defaultdict(list)
        for node in self._nodes:
            for name, condition in tests_of(node):
                self._note(name, condition, by_field, weak)
        self.weak = frozenset(weak)
        self.field_of: list[str] = [""] * len(self._numbers)
        for (name, _), number in self._numbers.items():
            self.field_of[number] = name
        budget = Budget(REMEMBERED)
        self.matchers = {
            name: Matcher(self.fields[name], tests, budget, (kept or {}).get(name, ()), plain=plain)
            for name, tests in by_field.items()
        }

    def _note(
        self, name: str, condition: Condition, by_field: dict[str, list[tuple[int, Test]]], weak: list[int]
    ) -> None:
        key = (name, condition.test)
        if key in self._numbers:
            return
        number = self._numbers[key] = len(self._numbers)
        by_field[name].append((number, condition.test))
        self.fields.setdefault(name, condition.field)
        if is_weak(condition.test):
            weak.append(number)

    def databases(self) -> dict[str, tuple[Database, ...]]:
        """Give what was compiled, by field, to be kept."""
        return {name: found for name, matcher in self.matchers.items() if (found := matcher.search.databases())}

    def expression(self, rule: int, kind: str) -> Expression:
        """Give what a rule says of events of type `kind`."""
        return expression(self._nodes[rule], kind, lambda name, test: self._numbers[name, test])

    def channels(self) -> frozenset[str]:
        """Give the Windows logs that rules name, in lower case."""
        return frozenset(channel for rule in self.rules for channel in rule.source.channels)

    def families(self) -> frozenset[str]:
        """Give the operating systems that rules name."""
        return frozenset(rule.source.family for rule in self.rules) - {""}

    def applying(self, kind: str, family: str, channel: str) -> list[int]:
        """Give the rules for events of a type, a system and a Windows log."""
        return [
            number
            for number, rule in enumerate(self.rules)
            if (not rule.source.types or kind in rule.source.types)
            and (not rule.source.family or rule.source.family == family)
            and (not rule.source.channels or channel in rule.source.channels)
        ]


def keyword_fields(kind: str) -> Iterable[Field]:
    """Give the fields in which keywords are looked for in events of type `kind`."""
    return (field for field in KEYWORDS if kind in field.types)


__all__ = ["ANYWHERE", "Compiled", "keyword_fields"]
