"""A Sigma rule as we have it, or why we do not have it."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

from vedette.query import ast
from vedette.query.ast import Node
from vedette.query.sigma.sources import Source
from vedette.schema.rule_facts import RuleFacts

Placeholders = Mapping[str, tuple[str, ...]]
"""Word of `%word%` -> the texts that stand for it on this site; wildcards allowed."""


class Rule(Struct, frozen=True, kw_only=True):
    """A rule over single events."""

    facts: RuleFacts
    name: str = ""
    """By which correlations call it, beside its id."""
    source: Source
    detection: Node

    @property
    def id(self) -> str:
        """Id in findings."""
        return self.facts.id

    def node(self) -> Node:
        """Give all that must hold of an event: what SQL is compiled from."""
        return ast.all_of(self.source.node(), self.detection)


Kind = Literal["event_count", "value_count", "temporal", "temporal_ordered"]
Operator = Literal["lt", "lte", "gt", "gte", "eq", "neq"]


class Correlation(Struct, frozen=True, kw_only=True):
    """A rule over the findings of other rules."""

    facts: RuleFacts
    name: str = ""
    kind: Kind
    rules: tuple[str, ...]
    """Ids or names."""
    group_by: tuple[str, ...] = ()
    aliases: dict[str, dict[str, str]] = {}
    """Word in `group_by` -> rule -> its field."""
    span: int
    """Microseconds."""
    operator: Operator = "gte"
    count: int = 1
    field: str = ""
    """Of `value_count`: whose different values are counted."""
    generate: bool = False
    """Whether the rules it refers to give findings of their own."""

    @property
    def id(self) -> str:
        """Id in findings."""
        return self.facts.id


class Refused(Struct, frozen=True, kw_only=True):
    """A rule that is not used, and why; `rule` is its id where it could be read."""

    where: str
    rule: str = ""
    title: str = ""
    reason: str


Ruling = Rule | Correlation | Refused
