"""Rules that people keep on the Central Node: behaviour (Sigma), indicators of compromise, YARA."""

from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct

from vedette.schema.fields import Micros


class RuleKind(StrEnum):
    """What a rule is written in, and so which engine it is for."""

    TAA = "taa"
    """Sigma: one or several rules in a YAML file."""
    IOC = "ioc"
    """OpenIOC, STIX, MISP or a flat list."""
    YARA = "yara"


class RuleTests(Struct, frozen=True, kw_only=True):
    """A rule file's own test events, flat as a hunt gives them: it is not kept when they do not give what they should.

    Facts of the host and its system (`os.family`) are taken from each event.
    """

    matching: Annotated[tuple[dict[str, Any], ...], Meta(max_length=50)] = ()
    """Something must be found in each of them ..."""
    others: Annotated[tuple[dict[str, Any], ...], Meta(max_length=50)] = ()
    """... and nothing in these."""


class RuleText(Struct, frozen=True, kw_only=True):
    """A rule file as somebody writes it."""

    kind: RuleKind
    name: str
    text: str
    tests: RuleTests = RuleTests()


class RuleProblem(Struct, frozen=True, kw_only=True):
    """Why a rule, or a part of it, cannot be used; `line` counts from 1, 0 = unknown."""

    problem: str
    rule: str = ""
    line: int = 0


class RuleCheck(Struct, frozen=True, kw_only=True):
    """What an engine says of a rule file. It can be used when `rules` is not empty."""

    rules: tuple[str, ...] = ()
    """Ids of the rules in it that work."""
    problems: tuple[RuleProblem, ...] = ()
    types: tuple[str, ...] = ()
    """Types of events that it looks at; empty = any, or files."""


class RuleFile(RuleText, frozen=True, kw_only=True):
    """A rule file as it is kept."""

    tenant: str
    version: int
    enabled: bool
    author: str
    created: Micros
    changed: Micros
    rules: tuple[str, ...] = ()
    problems: tuple[RuleProblem, ...] = ()
    """As of when it was saved."""
    types: tuple[str, ...] = ()


class RuleVersion(Struct, frozen=True, kw_only=True):
    """What a rule file was."""

    version: int
    author: str
    time: Micros
    note: str
    text: str
