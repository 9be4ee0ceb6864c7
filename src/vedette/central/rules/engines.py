"""Engines made of the rule files that are in use: in a thread of its own, so that no event waits for it."""

import logging
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from msgspec import Struct

from vedette.engines.events import EventEngine
from vedette.engines.ioc.loading import IocText, load
from vedette.schema.rules import RuleFile

HOME = "default"
log = logging.getLogger(__name__)


class Made(Struct, frozen=True):
    """An engine, and for which tenant each of its rules is."""

    engine: EventEngine
    scopes: dict[str, str]


class IocEngines:
    """Makes the IOC engine again when its files change; the one before works until the new one is there."""

    def __init__(self, table: Path) -> None:
        self._table = table
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ioc-rules")
        self._work: Future[Made] | None = None

    def begin(self, files: Sequence[RuleFile]) -> None:
        """Begin to make an engine of `files`; what was begun before is of no use any more."""
        if self._work is not None:
            self._work.cancel()
        self._work = self._pool.submit(make, tuple(files), self._table)

    def finished(self, *, wait: bool = False) -> Made | None:
        """Give the engine once, when it is made; None else. One that cannot be made is logged: the old one stays."""
        if self._work is None or not (wait or self._work.done()):
            return None
        work, self._work = self._work, None
        try:
            return work.result()
        except Exception:  # the supervisor of loading rules: the walk of events must not stop
            log.exception("the IOC files in use cannot be loaded; those before stay in use")
            return None


def make(files: Sequence[RuleFile], table: Path) -> Made:
    """Make an engine of the files of all tenants."""
    table.parent.mkdir(mode=0o700, exist_ok=True)
    texts = [IocText(rule_id(file), file.name, file.text.encode("utf-8", "replace")) for file in files]
    return Made(load(texts, table), {rule_id(file): file.tenant for file in files})


def rule_id(file: RuleFile) -> str:
    """Give the name of a file's rule in findings: that of the file, with its tenant where that is another."""
    return file.name if file.tenant == HOME else f"{file.tenant}/{file.name}"
