"""Engines made of the rule files that are in use: each kind in a thread of its own, so that no event waits for it."""

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from vedette.engines.events import EventEngine
from vedette.engines.ioc.loading import IocText
from vedette.engines.ioc.loading import load as load_iocs
from vedette.engines.taa.ruleset import RuleText
from vedette.engines.taa.ruleset import load as load_sigma
from vedette.schema.rules import RuleFile, RuleKind

HOME = "default"
log = logging.getLogger(__name__)


class Made(Struct, frozen=True):
    """An engine, and for which tenant each of its rules is."""

    engine: EventEngine
    scopes: dict[str, str]
    missing: tuple[str, ...] = ()
    """Rules that could be used when they were saved and cannot now, after an upgrade perhaps."""


Make = Callable[[Sequence[RuleFile]], Made]


class Engines:
    """Makes the engine of one kind of rules again when its files change; the one before works until it is there."""

    def __init__(self, kind: RuleKind, make: Make) -> None:
        self.kind, self._make = kind, make
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=f"{kind.value}-rules")
        self._work: Future[Made] | None = None
        self.current: Made | None = None

    def begin(self, files: Sequence[RuleFile]) -> None:
        """Begin to make an engine of `files`; what was begun before is of no use any more."""
        if self._work is not None:
            self._work.cancel()
        self._work = self._pool.submit(self._make, tuple(files))

    def finished(self, *, wait: bool = False) -> bool:
        """Say, once, that `current` is another one. What cannot be made is logged: the engine before stays."""
        if self._work is None or not (wait or self._work.done()):
            return False
        work, self._work = self._work, None
        problem = work.exception()
        if problem is not None:
            log.error(
                "the %s rules in use cannot be loaded; those before stay in use", self.kind.value, exc_info=problem
            )
            return False
        self.current = work.result()
        return True


def iocs(table: Path) -> Engines:
    """Give what makes the IOC engine; its indicators are mapped from the file `table`."""

    def make(files: Sequence[RuleFile]) -> Made:
        table.parent.mkdir(mode=0o700, exist_ok=True)
        texts = [IocText(rule_id(file), file.name, file.text.encode("utf-8", "replace")) for file in files]
        return Made(load_iocs(texts, table), {rule_id(file): file.tenant for file in files})

    return Engines(RuleKind.IOC, make)


def sigma(kept: Path) -> Engines:
    """Give what makes the engine of behaviour rules; what was compiled is kept in the file `kept`."""

    def make(files: Sequence[RuleFile]) -> Made:
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        texts = [RuleText(rule_id(file), file.text.encode("utf-8", "replace")) for file in files]
        loaded = load_sigma(texts, kept=kept)
        for one in loaded.refused:
            log.warning("a rule is left out where=%s rule=%s reason=%s", one.where, one.rule, one.reason)
        log.info("behaviour rules=%d parsed=%d", len(loaded.compiled.rules), loaded.parsed)
        scopes = {rule: file.tenant for file in files for rule in file.rules}
        missing = scopes.keys() - loaded.ids
        return Made(loaded.engine(), scopes, tuple(sorted(missing)))

    return Engines(RuleKind.TAA, make)


def rule_id(file: RuleFile) -> str:
    """Give the name of a file's rule in findings: that of the file, with its tenant where that is another."""
    return file.name if file.tenant == HOME else f"{file.tenant}/{file.name}"
