"""A rule file over its own test events: it must find something in those that match, and nothing in the others."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from vedette.engines.events import EventEngine
from vedette.engines.ioc.loading import IocText
from vedette.engines.ioc.loading import load as load_iocs
from vedette.engines.taa.ruleset import RuleText as SigmaText
from vedette.engines.taa.ruleset import load as load_sigma
from vedette.runtime.errors import ConfigError, WireError
from vedette.schema.entities import Host, Os
from vedette.schema.rules import RuleKind, RuleProblem, RuleText
from vedette.wire.batch import BatchHeader, Builder, decode, frame
from vedette.wire.event_text import parse_event
from vedette.wire.merge import Arrival, Batch, merge

_HOST, _EPOCH = "0" * 32, "0" * 16


def try_out(rule: RuleText) -> list[RuleProblem]:
    """Give what is wrong with a rule by its own tests. Raises nothing for what they hold."""
    tests = rule.tests
    if not tests.matching and not tests.others:
        return []
    try:
        wrong = [
            f"{name} event {place}: {told}"
            for name, events, wanted in (("matching", tests.matching, True), ("other", tests.others, False))
            for place, found in enumerate(found_in(rule, events), 1)
            if bool(found) is not wanted
            for told in ["nothing is found in it" if wanted else f"{', '.join(found)} is found in it"]
        ]
    except ConfigError as error:
        wrong = [str(error)]
    return [RuleProblem(problem=f"its own test fails: {one}") for one in wrong]


def found_in(rule: RuleText, events: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    """Give, for each event, the rules that find something in it. Raises ConfigError for what is no event."""
    found: list[list[str]] = [[] for _ in events]
    if not events:
        return found
    batch = _batch(events)
    rows = batch.arrival.tolist()
    for finding in _engine(rule).inspect(batch):
        found[rows[finding.row]].append(finding.rule)
    return found


def _engine(rule: RuleText) -> EventEngine:
    text = rule.text.encode("utf-8", "replace")
    if rule.kind is RuleKind.TAA:
        return load_sigma([SigmaText(rule.name, text)]).engine()
    if rule.kind is RuleKind.IOC:
        with tempfile.TemporaryDirectory(prefix="vedette-rule-") as folder:
            return load_iocs([IocText(rule.name, rule.name, text)], Path(folder) / "table")
    raise ConfigError(f"{rule.kind.value} rules look at files: their tests cannot be events")


def _batch(events: Sequence[Mapping[str, Any]]) -> Batch:
    """Merge events, each from a host and a system of its own, as they say."""
    return merge([_arrival(event, number) for number, event in enumerate(events, 1)])


def _arrival(event: Mapping[str, Any], number: int) -> Arrival:
    try:
        told = parse_event(msgspec.json.encode({"event.time": 0, **event} if "event.type" in event else event))
        facts = {
            entity: {name.removeprefix(f"{entity}."): event[name] for name in event if name.startswith(f"{entity}.")}
            for entity in ("host", "os")
        }
        header = BatchHeader(
            agent=_HOST, epoch=_EPOCH, first=number, last=number, count=1, sent=0,
            host=msgspec.convert(facts["host"], Host), os=msgspec.convert(facts["os"], Os),
        )  # fmt: skip
        raw = decode(frame(header, Builder([told]).encode(number)))
    except (msgspec.MsgspecError, WireError, RecursionError) as error:
        raise ConfigError(f"test event {number} is no event: {error}") from error
    return Arrival(batch=raw, host=_HOST, tenant="default", epoch=_EPOCH, received=0)
