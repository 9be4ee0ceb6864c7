"""Text of a Sigma file -> its rules. Hostile text is bounded: its size, its depth, what its aliases expand to."""

import re
from collections.abc import Iterator
from typing import Any, cast

import yaml
from sigma.collection import SigmaCollection
from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.correlations import SigmaCorrelationCondition, SigmaCorrelationRule
from sigma.exceptions import SigmaError
from sigma.filters import SigmaFilter
from sigma.rule import SigmaRule, SigmaRuleBase

from vedette.query import ast
from vedette.query.ast import Node, Not
from vedette.query.sigma.fields import all_types
from vedette.query.sigma.rule import Correlation, Kind, Operator, Placeholders, Refused, Rule, Ruling
from vedette.query.sigma.sources import source
from vedette.query.sigma.values import Reader, ValueRefused
from vedette.schema.rule_facts import RuleFacts

MAX_BYTES = 1_048_576
"""Of one file; the largest public rule has 130 KB."""
MAX_RULES = 1_000
"""In one file."""
MAX_DEPTH = 32
"""Lists and maps within one another."""
MAX_CONDITION = 4_096
"""Characters of a condition."""
MAX_PARENTHESES = 8
"""Within one another in a condition: the parser's time doubles with each."""
MAX_TESTS = 20_000
"""Field tests of one rule, alternatives of modifiers counted."""
_TECHNIQUE = re.compile(r"t\d{4}(?:\.\d{3})?")
_KINDS = frozenset(("event_count", "value_count", "temporal", "temporal_ordered"))
_TEXT, _LINES = 4_096, 50


def read(text: str | bytes, where: str, placeholders: Placeholders | None = None) -> list[Ruling]:
    """Give every rule of a file, or why it is refused; `where` names the file in that. Never raises for its content."""
    try:
        documents = _documents(text)
        collection = SigmaCollection.from_dicts(documents, collect_errors=True, resolve_references=False)
    except _TROUBLE as error:
        return [Refused(where=where, reason=_sentence(error))]
    found = [_ruling(rule, where, placeholders or {}) for rule in collection.rules]
    found += [Refused(where=where, reason="filters are not supported: put the exclusion in the rule")
              for _ in getattr(collection, "filters", ())]  # fmt: skip
    if not found:
        problems = "; ".join(map(str, collection.errors)) or "the file holds no rule"
        return [Refused(where=where, reason=problems[:_TEXT])]
    return found


_TROUBLE = (SigmaError, ValueRefused, yaml.YAMLError, UnicodeError, RecursionError, ValueError, TypeError,
            AttributeError, KeyError)  # fmt: skip
"""What pySigma and PyYAML raise for content that is not as they expect."""


def _documents(text: str | bytes) -> list[Any]:
    if len(text) > MAX_BYTES:
        raise ValueRefused(f"the file has {len(text):,} bytes, at most {MAX_BYTES:,} are allowed")
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    _check_depth(text)
    documents = [one for one in yaml.load_all(text, Loader=yaml.CSafeLoader) if one is not None]
    if len(documents) > MAX_RULES:
        raise ValueRefused(f"the file has {len(documents):,} rules, at most {MAX_RULES:,} are allowed")
    if not all(isinstance(one, dict) for one in documents):
        raise ValueRefused("a rule is a map of names and values; this file holds something else")
    for one in documents:
        _check_conditions(one)
    return documents


def _check_depth(text: str) -> None:
    """Refuse what is nested so deep that building it would exhaust the stack: the scanner itself does not recurse."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueRefused(f"lists and maps are nested deeper than {MAX_DEPTH}")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _check_conditions(document: dict[Any, Any]) -> None:
    for part in ("detection", "correlation"):
        section = document.get(part)
        conditions = section.get("condition") if isinstance(section, dict) else None
        for one in conditions if isinstance(conditions, list) else [conditions]:
            if not isinstance(one, str):
                continue
            if len(one) > MAX_CONDITION:
                raise ValueRefused(f"a condition has more than {MAX_CONDITION:,} characters")
            depth = deepest = 0
            for letter in one:
                depth += (letter == "(") - (letter == ")")
                deepest = max(deepest, depth)
            if deepest > MAX_PARENTHESES:
                raise ValueRefused(f"parentheses in a condition are nested deeper than {MAX_PARENTHESES}")


def _ruling(rule: SigmaRuleBase, where: str, placeholders: Placeholders) -> Ruling:
    known = str(rule.id or rule.name or "")
    title = str(rule.title or "")[:_TEXT]
    try:
        if rule.errors:
            return Refused(where=where, rule=known, title=title, reason="; ".join(map(str, rule.errors))[:_TEXT])
        if not known:
            return Refused(where=where, title=title, reason="the rule has neither an id nor a name")
        if isinstance(rule, SigmaCorrelationRule):
            return _correlation(rule)
        if isinstance(rule, SigmaRule):
            return _rule(rule, placeholders)
        if isinstance(rule, SigmaFilter):
            raise ValueRefused("filters are not supported: put the exclusion in the rule")
        raise ValueRefused(f"documents of the kind {type(rule).__name__} are not supported")
    except _TROUBLE as error:
        return Refused(where=where, rule=known, title=title, reason=_sentence(error))


def _sentence(error: Exception) -> str:
    text = str(error)[:_TEXT]
    if isinstance(error, RecursionError):
        return "the rule is nested too deep"
    return text if isinstance(error, SigmaError | ValueRefused | yaml.YAMLError) else f"not a Sigma rule: {text!r}"


def _rule(rule: SigmaRule, placeholders: Placeholders) -> Rule:
    log = rule.logsource
    events = source(log.product, log.category, log.service)
    if events is None:
        named = ", ".join(
            f"{part} {value}"
            for part, value in (("product", log.product), ("category", log.category), ("service", log.service))
            if value
        )
        raise ValueRefused(f"no agent or sensor gives events of the log source {named}")
    reader = Reader(
        events.types or all_types(), record=not events.types or events.types == ("os_log",), placeholders=placeholders
    )
    parsed = [condition.parsed for condition in rule.detection.parsed_condition]
    node = ast.any_of(*(_node(one, reader) for one in parsed))
    if sum(1 for _ in ast.conditions(node)) > MAX_TESTS * len(events.types or all_types()):
        raise ValueRefused(f"the rule makes more than {MAX_TESTS:,} tests")
    return Rule(facts=_facts(rule), name=str(rule.name or ""), source=events, detection=node)


def _node(condition: Any, reader: Reader) -> Node:
    match condition:
        case ConditionAND():
            return ast.all_of(*(_node(one, reader) for one in condition.args))
        case ConditionOR():
            return ast.any_of(*(_node(one, reader) for one in condition.args))
        case ConditionNOT():
            return Not(_node(condition.args[0], reader))
        case ConditionFieldEqualsValueExpression():
            return reader.field(condition.field, condition.value)
        case ConditionValueExpression():
            return reader.keyword(condition.value)
        case _:
            raise ValueRefused(f"conditions of the kind {type(condition).__name__} are not supported")


def _facts(rule: SigmaRuleBase) -> RuleFacts:
    tags = [str(tag.name) for tag in rule.tags if tag.namespace == "attack"]
    return RuleFacts(
        id=str(rule.id or rule.name),
        title=str(rule.title)[:_TEXT],
        level=str(rule.level or "medium"),
        status=str(rule.status or ""),
        description=str(rule.description or "")[:_TEXT],
        author=str(rule.author or "")[:_TEXT],
        techniques=tuple(tag.upper() for tag in tags if _TECHNIQUE.fullmatch(tag))[:_LINES],
        tactics=tuple(tag for tag in tags if tag[:1].isalpha() and not re.match(r"[tgs]\d", tag))[:_LINES],
        advice=tuple(_lines(rule.falsepositives)),
        references=tuple(_lines(rule.references)),
    )


def _lines(found: Any) -> Iterator[str]:
    for one in list(found)[:_LINES]:
        yield str(one)[:_TEXT]


def _correlation(rule: SigmaCorrelationRule) -> Correlation:
    kind = rule.type.name.lower()
    if kind not in _KINDS:
        raise ValueRefused(f"correlations of the type {kind} are not supported")
    condition = rule.condition
    if not isinstance(condition, SigmaCorrelationCondition):
        raise ValueRefused("conditions over rules in words are not supported: list the rules")
    if isinstance(condition.fieldref, list) or int(condition.count) != condition.count:
        raise ValueRefused("a condition counts whole numbers of the values of one field")
    references = tuple(one.reference for one in rule.rules or ())
    if not references:
        raise ValueRefused("the correlation names no rules")
    return Correlation(
        facts=_facts(rule),
        name=str(rule.name or ""),
        kind=cast("Kind", kind),
        rules=references,
        group_by=tuple(rule.group_by or ()),
        aliases={alias.alias: {one.reference: name for one, name in alias.mapping.items()} for alias in rule.aliases},
        span=rule.timespan.seconds * 1_000_000,
        operator=cast("Operator", condition.op.name.lower()),
        count=int(condition.count),
        field=condition.fieldref or "",
        generate=rule.generate,
    )
