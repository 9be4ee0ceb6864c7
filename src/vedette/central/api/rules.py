"""Rule files: checked by their engine when they are saved, kept with their versions, tried on stored events."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import msgspec
from fastapi import Query
from pydantic import Field

from vedette.central.api.bodies import Body, Page, from_cursor, to_cursor
from vedette.central.api.hosts import Limit
from vedette.central.api.hunting import searching
from vedette.central.api.problems import ProblemError
from vedette.central.api.routes import Routes
from vedette.central.api.work import InWork, Work
from vedette.central.rules.blind import BlindRule, blind
from vedette.central.rules.check import check
from vedette.central.rules.preview import Preview, nodes_of, preview
from vedette.central.rules.trial import found_in
from vedette.query.statement import Window
from vedette.runtime.clock import DAY
from vedette.schema.access import Right
from vedette.schema.rules import RuleCheck, RuleFile, RuleKind, RuleProblem, RuleTests, RuleText, RuleVersion
from vedette.store.state import rules
from vedette.store.state.rules import Saved

routes = Routes("rules")

BODY_BYTES = 8 << 20
"""Of rule files sent at once: the largest IOC file with each quote escaped."""
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$")]
PREVIEW_SECONDS = 20.0
"""What a rule may cost before it is used."""


class RuleBody(Body):
    """One rule file."""

    kind: Annotated[RuleKind, Field(strict=False)]
    name: Name
    text: Annotated[str, Field(min_length=1, max_length=3_145_728)]

    matching: Annotated[list[dict[str, Any]], Field(default_factory=list, max_length=50)]
    """Test events in which something must be found, flat as a hunt gives them ..."""
    others: Annotated[list[dict[str, Any]], Field(default_factory=list, max_length=50)]
    """... and those in which nothing may be found."""

    def rule(self) -> RuleText:
        """Give it as engines take it."""
        tests = RuleTests(matching=tuple(self.matching), others=tuple(self.others))
        return RuleText(kind=self.kind, name=self.name, text=self.text, tests=tests)


class RulesToCheck(Body):
    """Rule files of any kind."""

    rules: Annotated[list[RuleBody], Field(min_length=1, max_length=1000)]


class RulesToSave(RulesToCheck):
    """Rule files to keep; `enabled` is for new ones."""

    note: Annotated[str, Field(max_length=2000)] = ""
    enabled: bool = True
    tenant: Annotated[str, Field(max_length=200)] = ""


class RuleToPreview(RuleBody):
    """A rule file and the days that it is tried on."""

    days: Annotated[int, Field(ge=1, le=90)] = 7


class RuleTested(msgspec.Struct, frozen=True, kw_only=True):
    """For each test event the rules that found something in it."""

    matching: list[list[str]]
    others: list[list[str]]
    passed: bool


class RuleSaved(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a rule file: version 0 = it was not kept, for the reasons in `check`."""

    kind: RuleKind
    name: str
    version: int
    check: RuleCheck


class RuleInFull(msgspec.Struct, frozen=True, kw_only=True):
    """A rule file and its versions, newest first."""

    rule: RuleFile
    history: list[RuleVersion]


@routes.get("/rules", needs=Right.RULES_READ, answers=Page[RuleFile])
def rule_list(
    work: InWork,
    *,
    kind: Annotated[str, Query(max_length=20)] = "",
    limit: Limit = 100,
    cursor: Annotated[str, Query(max_length=1000)] = "",
) -> Page[RuleFile]:
    """List rule files by kind and name, without their texts."""
    after = from_cursor(cursor, str, str, str) if cursor else ("", "", "")
    with work.read() as db:
        found = rules.page(db, work.scope, kind=kind, after=(after[0], after[1], after[2]), limit=limit + 1)
    last = found[limit - 1] if len(found) > limit else None
    more = to_cursor(last.kind.value, last.name, last.tenant) if last else None
    return Page(items=[msgspec.structs.replace(one, text="") for one in found[:limit]], cursor=more)


@routes.ask("/rules/check", needs=Right.RULES_READ, answers=list[RuleCheck])
def check_rules(work: InWork, body: RulesToCheck) -> list[RuleCheck]:
    """Say of each file whether it can be used, without keeping it."""
    return _checked(work, body)


@routes.change("POST", "/rules", needs=Right.RULES_MANAGE, action="rule.save", answers=list[RuleSaved])
def save_rules(work: InWork, body: RulesToSave) -> list[RuleSaved]:
    """Keep rule files, each as a new version; what cannot be used is not kept, and the answer says why."""
    tenant, checks = work.tenant(body.tenant), _checked(work, body)
    told = []
    files = [one.rule() for one in body.rules]
    usable = sum(bool(found.rules) for found in checks)
    about = files[0].name if len(files) == 1 else f"{len(files)} files"
    with work.deed(about, tenant=tenant, kept=str(usable), note=body.note[:200]) as db:
        owners = rules.owners(db, RuleKind.TAA)
        for rule, checked in zip(files, checks, strict=True):
            found = _single(rule, checked, owners, tenant)
            saved = Saved(
                rule=rule, check=found, tenant=tenant, author=work.caller.name, note=body.note, enabled=body.enabled
            )
            version = rules.put(db, saved, now=work.now) if found.rules else 0
            told.append(RuleSaved(kind=rule.kind, name=rule.name, version=version, check=found))
    return told


@routes.ask("/rules/preview", needs=Right.RULES_READ, answers=Preview)
def preview_rule(work: InWork, body: RuleToPreview) -> Preview:
    """Say what a rule file would have found in the last days, on which hosts, and what that costs."""
    if not work.scope.allows(Right.EVENTS_READ):
        raise ProblemError("denied", 403, "a preview reads events: this needs the right events.read")
    window = Window(work.now - body.days * DAY, work.now)
    with searching(work, PREVIEW_SECONDS) as search:
        return preview(nodes_of(body.rule()), work.scope, window, search)


@routes.ask("/rules/test", needs=Right.RULES_READ, answers=RuleTested)
def test_rule(work: InWork, body: RuleBody) -> RuleTested:
    """Say which rules of a file find something in each of the test events, without keeping anything."""
    rule = body.rule()
    with _checking(work):
        matching, others = (found_in(rule, events) for events in (rule.tests.matching, rule.tests.others))
    return RuleTested(matching=matching, others=others, passed=all(matching) and not any(others))


@routes.get("/rules/blind", needs=Right.RULES_READ, answers=list[BlindRule])
def blind_rules(work: InWork, days: Annotated[int, Query(ge=1, le=90)] = 30) -> list[BlindRule]:
    """List the enabled rule files that cannot fire: no host has sent their types of events in the last days."""
    with work.read() as db:
        files = rules.page(db, work.scope, kind=RuleKind.TAA.value, limit=rules.MOST_FILES)
    window = Window(work.now - days * DAY, work.now + DAY)
    with searching(work, PREVIEW_SECONDS) as search:
        return blind(files, work.scope, window, search)


@routes.get("/rules/{kind}/{name}", needs=Right.RULES_READ, answers=RuleInFull)
def rule_in_full(work: InWork, kind: RuleKind, name: str) -> RuleInFull:
    """Give one rule file with its versions."""
    with work.read() as db:
        found = rules.get(db, kind, name, work.scope)
        return RuleInFull(rule=found, history=rules.history(db, found))


@routes.change("POST", "/rules/{kind}/{name}/enable", needs=Right.RULES_MANAGE, action="rule.enable", answers=RuleFile)
def enable_rule(work: InWork, kind: RuleKind, name: str) -> RuleFile:
    """Use a rule file."""
    return _enable(work, kind, name, enabled=True)


@routes.change(
    "POST", "/rules/{kind}/{name}/disable", needs=Right.RULES_MANAGE, action="rule.disable", answers=RuleFile
)
def disable_rule(work: InWork, kind: RuleKind, name: str) -> RuleFile:
    """Use a rule file no more."""
    return _enable(work, kind, name, enabled=False)


@routes.change("DELETE", "/rules/{kind}/{name}", needs=Right.RULES_MANAGE, action="rule.remove")
def remove_rule(work: InWork, kind: RuleKind, name: str) -> None:
    """Remove a rule file with its versions."""
    with work.deed(name, kind=kind.value) as db:
        rules.remove(db, rules.get(db, kind, name, work.scope), work.scope)


def _enable(work: Work, kind: RuleKind, name: str, *, enabled: bool) -> RuleFile:
    with work.deed(name, kind=kind.value) as db:
        return rules.enable(db, rules.get(db, kind, name, work.scope), work.scope, enabled=enabled, now=work.now)


def _single(rule: RuleText, found: RuleCheck, owners: dict[str, tuple[str, str]], tenant: str) -> RuleCheck:
    """Refuse a file with a rule whose id another file has: of two such rules an engine would use one, silently."""
    if rule.kind is not RuleKind.TAA:
        return found
    me = tenant, rule.name
    for one in found.rules:
        other = owners.setdefault(one, me)
        if other != me:
            where = other[1] if other[0] == tenant else "another tenant's file"
            problem = RuleProblem(problem=f"a rule of this id is in {where} already", rule=one)
            return RuleCheck(problems=(*found.problems, problem))
    return found


def _checked(work: Work, body: RulesToCheck) -> list[RuleCheck]:
    with _checking(work):
        return check([one.rule() for one in body.rules])


@contextmanager
def _checking(work: Work) -> Iterator[None]:
    """Take one of the few places for those who have rules looked at."""
    if not work.parts.checking.acquire(timeout=5):
        raise ProblemError("busy", 503, "other rules are being checked", retry_after=5)
    try:
        yield
    finally:
        work.parts.checking.release()
