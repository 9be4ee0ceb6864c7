"""What a rule file would have found in the events that are stored, what that costs, and whether it can find anything.

The same questions that a hunt asks: the answers come from SQL, so a rule is judged before it is used.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec

from vedette.query import ast, sigma
from vedette.query.ast import Condition, Exists, Node
from vedette.query.ioc import file as ioc
from vedette.query.ioc.criteria import IocError
from vedette.query.search import Question, Search
from vedette.query.statement import Window
from vedette.runtime.clock import DAY
from vedette.runtime.errors import ConfigError
from vedette.schema.access import Scope
from vedette.schema.rules import RuleKind, RuleText

MOST_FIELDS = 30
"""Fields of a rule of which it is asked whether any host sends them."""
MOST_HOSTS = 100
COSTLY = "it takes more time or memory than a preview may: narrow the rule, or look at fewer days"


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What a rule file would have found. `days`: start of a day (microseconds UTC) -> events."""

    matches: int
    days: dict[int, int]
    hosts: dict[str, int]
    """Name of a host -> events: the most frequent of each question, at most `MOST_HOSTS`."""
    seconds: float
    complete: bool
    """False: a limit ended it, and `refused` says so; the counts are those of the newest part of the time."""
    refused: str = ""
    silent_fields: list[str] = []
    """Fields it asks for that no event of this fleet has had in that time: alone on them it cannot fire."""


def nodes_of(rule: RuleText) -> Iterator[Node]:
    """Give the questions that together ask what a rule file does. Raises ConfigError when there are none."""
    make = NODES.get(rule.kind)
    if make is None:
        raise ConfigError(f"{rule.kind.value} rules look at files, not at events: scan Storage with them instead")
    yield from make(rule)


def _ioc(rule: RuleText) -> Iterator[Node]:
    try:
        yield from ioc.read(rule.text.encode("utf-8", "replace"), rule.name).nodes()
    except IocError as error:
        raise ConfigError(str(error)) from error


def _taa(rule: RuleText) -> Iterator[Node]:
    found = sigma.read(rule.text.encode("utf-8", "replace"), rule.name)
    rules = [one for one in found if isinstance(one, sigma.Rule)]
    if not rules:
        reasons = [one.reason for one in found if isinstance(one, sigma.Refused)] or [
            "it has no rule over single events"
        ]
        raise ConfigError(f"{rule.name}: {reasons[0]}")
    yield from (one.node() for one in rules)


NODES: Mapping[RuleKind, Callable[[RuleText], Iterator[Node]]] = {RuleKind.TAA: _taa, RuleKind.IOC: _ioc}


def preview(nodes: Iterable[Node], scope: Scope, window: Window, search: Search) -> Preview:
    """Ask the events of a time. `search` limits the time for all of it together."""
    began = time.monotonic()
    days: Counter[int] = Counter()
    hosts: Counter[str] = Counter()
    complete = True
    asked: list[Node] = []
    for node in nodes:
        asked.append(node)
        question = Question(node, scope, window)
        by_day = search.histogram(question, bucket=DAY)
        days.update({int(start): int(count) for start, count in by_day.rows})
        complete = complete and by_day.complete
        if complete and any(count for _, count in by_day.rows):
            named = search.top(question, name="host.name", limit=MOST_HOSTS)
            hosts.update({str(row[0]): int(row[1]) for row in named.rows})
            complete = named.complete
        if not complete:
            break
    silent = _silent(asked, scope, window, search) if complete and not days.total() else []
    return Preview(
        matches=days.total(),
        days=dict(sorted(days.items())),
        hosts=dict(hosts.most_common(MOST_HOSTS)),
        seconds=round(time.monotonic() - began, 3),
        complete=complete,
        refused="" if complete else COSTLY,
        silent_fields=silent,
    )


def _silent(nodes: Iterable[Node], scope: Scope, window: Window, search: Search) -> list[str]:
    """Give the fields that no event has had."""
    fields = {one.field.name: one for node in nodes for one in ast.conditions(node)}
    found = []
    for name, condition in list(fields.items())[:MOST_FIELDS]:
        question = Question(Condition(condition.field, Exists(), condition.types), scope, window)
        answer = search.events(question, limit=1, columns=("event.time",))
        if answer.complete and not answer.rows:
            found.append(name)
    return found
