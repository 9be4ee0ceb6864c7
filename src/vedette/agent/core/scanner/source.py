"""The source `scanner`: looks at what the kernel source says was executed or written; gives `epp_*` events.

Two threads touch it: those of other sources leave candidates in a bounded queue (`observe`), its own takes them
out, opens the file, and has a process without rights look at it.
"""

import errno
import importlib.util
import logging
import os
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from vedette.agent.core.orders import Orders
from vedette.agent.core.scanner.budget import CpuBudget
from vedette.agent.core.scanner.candidates import ON_EXEC, Candidate, candidate
from vedette.agent.core.scanner.child import ScanChild
from vedette.agent.core.scanner.known import Known
from vedette.agent.core.scanner.messages import Outcome, Scan
from vedette.agent.core.scanner.queue import ScanQueue
from vedette.agent.core.scanner.reports import Reporter
from vedette.agent.core.scanner.rules import RuleKeeper
from vedette.engines.objects import About, Reason, Verdict, not_scanned
from vedette.engines.yara.compiled import Compiled
from vedette.runtime.clock import Clock, now
from vedette.runtime.errors import ConfigError
from vedette.schema.entities import File, Process
from vedette.schema.events.base import Event
from vedette.schema.policies import Settings

log = logging.getLogger(__name__)

IDLE = 0.5
"""Seconds that the thread waits at most when there is nothing to scan."""
STARTING = 0.1
"""Seconds between two looks whether the first rules are ready."""
REFRESH = 10.0
"""Seconds between two looks at the folder of rules."""
RETRY = 30.0
"""Seconds until engines that could not be loaded are tried again."""
LONGEST_PAUSE = 2.0
SHARES = (1.0, 0.5, 0.25, 0.1, 0.05)
"""Part of the agent's own budget of CPU time that scanning may take, by level; none is set at level 0."""
_GONE = (errno.ENOENT, errno.ENOTDIR, errno.ESRCH, errno.ELOOP)
_PROBLEMS_SHOWN = 10


class Opener(Protocol):
    """Opens the file that an event speaks of; gives handles that may be of it, best first. Raises OSError."""

    def __call__(self, process: Process, file: File, *, program: bool) -> Iterator[int]:
        """Open it."""
        ...


class Scanner:
    """Scans on execution and on access. `data` is the agent's directory; rules lie in its folder `yara`."""

    name = "scanner"

    def __init__(
        self,
        data: Path,
        settings: Settings,
        opener: Opener,
        *,
        clock: Clock = now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._own, self._settings, self._open = f"{data.resolve()}/", settings, opener
        self._clock, self._monotonic = clock, monotonic
        self._rules = RuleKeeper(data / "yara")
        self._queue, self._known, self._child = ScanQueue(), Known(), ScanChild()
        self._orders = Orders()
        self._budget = CpuBudget(share=settings.scan_cpu_percent / 100)
        self._reporter: Reporter | None = None
        self._running = False
        self._renew, self._loaded = True, False
        self._refresh_at = self._load_at = 0.0
        self._scanned = self._bytes = 0
        self._counts: Counter[str] = Counter()
        self._overflow: Candidate | None = None
        self.problem = ""

    # ---------------------------------------------------------------------- called by threads of others

    def supported(self) -> str:
        """Give "" when it can run here, else why not."""
        if importlib.util.find_spec("yara_x") is None:
            return "yara-x is not installed"
        return "" if hasattr(socket, "send_fds") else "this system cannot hand open files to another process"

    def observe(self, event: Event) -> None:
        """Note a file that is to be scanned."""
        found = candidate(event, self._settings) if self._running else None
        if found is None or (found.file.path or "").startswith(self._own):
            return
        if found.silent and found.refusal is not None:
            self._counts[found.refusal] += 1
            return
        if found.refusal is None:
            seen = self._known.of(found)
            if seen is not None and not seen.verdicts:
                self._counts["cached"] += 1
                return
        if not self._queue.put(found):
            self._counts[Reason.BUSY] += 1
            self._overflow = found

    def apply(self, settings: Settings) -> None:
        """Obey new settings."""
        before, self._settings = self._settings, settings
        self._budget.share = share_of(settings, self._orders)
        if _engine_settings(before) != _engine_settings(settings):
            self._renew = True

    def save(self, orders: Orders) -> None:
        """Take less CPU time from now on, or no longer: what waits too long is then reported as not scanned."""
        self._orders = orders
        self._budget.share = share_of(self._settings, orders)

    def throttled(self) -> dict[str, int]:
        """Nothing: what was detected is always told."""
        return {}

    def drops(self) -> dict[str, int]:
        """Detections that were too many to send."""
        lost = self._reporter.lost if self._reporter is not None else 0
        return {"epp_detect": lost} if lost else {}

    def status(self) -> dict[str, object]:
        """What scans, with which rules, how much, at what cost."""
        rules = self._rules.current
        return {
            "mode": "yara+clamd" if self._settings.scan_clamd else "yara",
            "rules": rules.count if rules else 0,
            "rules_version": rules.version if rules else "",
            "rules_released": rules.released if rules else None,
            "rule_problems": [
                f"{one.file}:{one.line}: {one.problem}" for one in (rules.problems if rules else ())[:_PROBLEMS_SHOWN]
            ],
            "problem": self.problem or self._rules.problem,
            "waiting": len(self._queue),
            "scanned": self._scanned,
            "scanned_bytes": self._bytes,
            "counts": {str(word): count for word, count in self._counts.items()},
            "known": len(self._known),
            "cpu_seconds": round(self._child.cpu, 3),
            "pid": self._child.pid,
            "restarts": self._child.restarts,
        }

    # ------------------------------------------------------------------------------------ its own thread

    def run(self, emit: Callable[[Event], None], stop: threading.Event) -> None:
        """Scan until `stop` is set."""
        self._reporter = reporter = Reporter(emit, self._clock)
        self._running = True
        try:
            while not stop.is_set():
                self._step(reporter, stop)
                pause = self._budget.pause(self._child.cpu + time.thread_time())
                if pause > 0:
                    stop.wait(min(pause, LONGEST_PAUSE))
        finally:
            self._running = False
            self._child.stop()

    def _step(self, reporter: Reporter, stop: threading.Event) -> None:
        self._look_at_rules()
        overflow, self._overflow = self._overflow, None
        if overflow is not None:
            reporter.report(overflow, (not_scanned("yara", Reason.BUSY, "too many files wait"),))
        rules = self._rules.current
        if rules is None:
            stop.wait(STARTING)  # nothing can be scanned yet; what waits is bounded
            return
        if self._renew:
            # At once, not with the next file: what is known would never come to be the next file.
            self._renew, self._loaded = False, False
            self._known.forget(names_matter=rules.names_matter)
        taken = self._queue.take(IDLE)
        if taken is None:
            reporter.settle()
        elif self._is_ready(rules):
            self._handle(taken, reporter)
        else:
            self._refuse(taken, not_scanned("yara", Reason.ENGINE_FAILED, self.problem), reporter)

    def _look_at_rules(self) -> None:
        if not self._rules.is_busy() and self._monotonic() < self._refresh_at:
            return
        self._refresh_at = self._monotonic() + REFRESH
        if self._rules.refresh():
            self._renew = True

    def _is_ready(self, rules: Compiled) -> bool:
        """Have engines with the rules and settings in force; False when there are none at all."""
        if (self._loaded and self._child.is_running()) or self._monotonic() < self._load_at:
            return self._child.is_running()
        try:
            self._child.load(rules, seconds=self._settings.scan_seconds, clamd=self._settings.scan_clamd)
        except ConfigError as error:
            self.problem = str(error)
            log.warning("scanner cannot load its engines problem=%s", error)
            self._load_at = self._monotonic() + RETRY
            return self._child.is_running()
        self.problem, self._loaded = "", True
        return True

    def _handle(self, found: Candidate, reporter: Reporter) -> None:
        if found.refusal is not None:
            limit = self._settings.scan_max_bytes
            detail = f"{found.file.size} bytes, limit {limit}" if found.refusal == Reason.TOO_LARGE else ""
            self._refuse(found, not_scanned("yara", found.refusal, detail), reporter)
            return
        seen = self._known.of(found)
        if seen is not None:
            self._counts["cached"] += 1
            reporter.report(found, seen.verdicts)
            return
        verdicts = self._scan(found)
        for verdict in verdicts:
            self._count(verdict)
        reporter.report(found, tuple(verdict for verdict in verdicts if not _is_silent(verdict)))

    def _scan(self, found: Candidate) -> tuple[Verdict, ...]:
        file = found.file
        request = Scan(about=_about(file), largest=self._settings.scan_max_bytes, sha256=file.sha256 or "")
        outcome = Outcome()
        try:
            for handle in self._open(found.process, file, program=found.mode == ON_EXEC):
                try:
                    outcome = self._child.scan(request, handle)
                finally:
                    os.close(handle)
                if outcome.verdicts:
                    break
        except OSError as error:
            gone = error.errno in _GONE
            reason = Reason.VANISHED if gone else Reason.UNREADABLE
            return (not_scanned("yara", reason, "" if gone else error.strerror or str(error)),)
        if not outcome.verdicts:
            return (not_scanned("yara", Reason.CHANGED),)
        self._scanned, self._bytes = self._scanned + 1, self._bytes + outcome.size
        if not self._child.is_running() or not any(_has_failed(verdict) for verdict in outcome.verdicts):
            # What ends the process is not tried again; what another engine missed is, once it is back.
            self._known.learn(found, outcome.verdicts)
        return outcome.verdicts

    def _refuse(self, found: Candidate, verdict: Verdict, reporter: Reporter) -> None:
        self._count(verdict)
        reporter.report(found, (verdict,))

    def _count(self, verdict: Verdict) -> None:
        self._counts[verdict.reason.partition(":")[0] or verdict.status.value] += 1


def share_of(settings: Settings, orders: Orders) -> float:
    """Give the share of one core for scanning, at the level in force."""
    share = settings.scan_cpu_percent / 100
    return min(share, orders.cpu * SHARES[orders.level]) if orders.level else share


def _engine_settings(settings: Settings) -> tuple[object, ...]:
    """Give the settings on which verdicts depend."""
    return settings.scan_seconds, settings.scan_clamd, settings.scan_max_bytes


def _is_silent(verdict: Verdict) -> bool:
    """Files that are gone or became others are the rule on a busy host: they are counted, not reported."""
    return verdict.reason.partition(":")[0] in (Reason.VANISHED, Reason.CHANGED)


def _has_failed(verdict: Verdict) -> bool:
    return verdict.reason.partition(":")[0] == Reason.ENGINE_FAILED


def _about(file: File) -> About:
    name = file.name or ""
    stem, dot, ending = name.rpartition(".")
    return About(
        path=file.path or "",
        name=name,
        extension=f".{ending}" if dot and stem else "",
        filetype=file.type or "",
        owner=file.owner or "",
    )
