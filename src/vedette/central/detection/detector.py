"""Runs the engines over a batch: what they find, what exclusions keep back, what they remember.

An engine that fails or takes too long costs its own findings in that batch and nothing else; one that does so again and
again is left out until the rules change, and people are told.
"""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from vedette.central.detection.chains import Chains
from vedette.central.detection.exclude import Exclusions
from vedette.central.detection.rows import Row
from vedette.engines.events import EventEngine, Finding, RuleFacts
from vedette.runtime.clock import DAY, Clock
from vedette.schema.alerts import NewAlert, NewFinding, Severity, Technology
from vedette.wire.merge import Batch

LIMIT_SECONDS, LIMIT_EACH = 5.0, 0.001
"""CPU time that an engine may take for a batch: in all, and for each event. Usual is 20 us an event."""
FAILURES = 3
"""Batches in a row that an engine may fail at."""
REMEMBERED = 22 * DAY
"""Engines remember events this old: an agent keeps events for 21 days."""
FAILED = "detection_failed"
"""Rule of the alert about an engine."""
TENANT = "default"
"""Whose alert it is."""

_SEVERITIES = {"informational": Severity.LOW, "low": Severity.LOW, "medium": Severity.MEDIUM}
log = logging.getLogger(__name__)


class Detected(msgspec.Struct, frozen=True):
    """What is to be kept of the detection in a batch, or in several."""

    findings: tuple[NewFinding, ...] = ()
    hits: Mapping[str, int] = {}
    """Exclusion -> findings that it kept back."""
    states: Mapping[str, bytes] = {}
    """Engine -> what it remembers after the last batch."""
    troubles: tuple[NewAlert, ...] = ()

    def __add__(self, later: "Detected") -> "Detected":
        return Detected(
            self.findings + later.findings,
            Counter(self.hits) + Counter(later.hits),
            {**self.states, **later.states},
            self.troubles + later.troubles,
        )


class Detector:
    """The engines of one pipeline process; used by one thread."""

    def __init__(
        self,
        engines: Sequence[EventEngine],
        clock: Clock,
        *,
        exclusions: Exclusions | None = None,
        scopes: Mapping[str, str] | None = None,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self.engines, self.exclusions = engines, exclusions or Exclusions(())
        self.scopes = scopes or {}
        """Rule -> the one tenant it is for."""
        self._clock, self._cpu = clock, cpu
        self._chains = Chains()
        self._failures: Counter[int] = Counter()

    def replace(self, engines: Sequence[EventEngine], scopes: Mapping[str, str]) -> None:
        """Go on with other engines: their rules have changed."""
        self.engines, self.scopes = engines, scopes
        self._failures.clear()

    def detect(self, batch: Batch) -> Detected:
        """Look at a batch with every engine that works. Raises nothing for what is in it."""
        self._chains.learn(batch)
        findings: list[NewFinding] = []
        hits: Counter[str] = Counter()
        states: dict[str, bytes] = {}
        troubles: list[NewAlert] = []
        for number, engine in enumerate(self.engines):
            if self._failures[number] >= FAILURES:
                continue
            try:
                findings += self._found(engine, batch, hits)
                states |= self._state(engine)
            except Exception as error:  # the supervisor of detection: one engine must not stop the walk of events
                log.exception("engine=%s failed at a batch of %d events", engine.technology, batch.rows)
                self._failures[number] += 1
                troubles.append(self._trouble(engine, error, given_up=self._failures[number] >= FAILURES))
            else:
                self._failures[number] = 0
        return Detected(tuple(findings), hits, states, tuple(troubles))

    def _found(self, engine: EventEngine, batch: Batch, hits: Counter[str]) -> list[NewFinding]:
        now, until = self._clock(), self._cpu() + LIMIT_SECONDS + LIMIT_EACH * batch.rows
        found: list[NewFinding] = []
        for finding in self._in_time(engine.inspect(batch), until):
            row = Row(batch, finding.row)
            if self.scopes.get(finding.rule, row.text("tenant")) != row.text("tenant"):
                continue
            if not self.exclusions.cover(finding.rule, row, now=now, hits=hits):
                found.append(self._told(engine.technology, finding, engine.facts(finding.rule), row))
        return found

    def _in_time(self, found: Iterator[Finding], until: float) -> Iterator[Finding]:
        for finding in found:
            yield finding
            if self._cpu() > until:
                raise TimeoutError("it took more time than a batch may take")
        if self._cpu() > until:
            raise TimeoutError("it took more time than a batch may take")

    def _told(self, technology: Technology, finding: Finding, facts: RuleFacts, row: Row) -> NewFinding:
        because = finding.because
        if finding.events:
            because = because | {"events": ", ".join(finding.events[:50])}
        return NewFinding(
            tenant=row.text("tenant"),
            technology=technology,
            rule=finding.rule,
            title=facts.title or finding.rule,
            severity=_SEVERITIES.get(facts.level, Severity.HIGH),
            host=row.text("host.id"),
            chain=self._chains.root(row.text("process.entity_id")),
            event=row.event,
            time=row.time,
            because=because,
            users=row.users,
            tactics=facts.tactics,
            techniques=facts.techniques,
            advice="\n".join(facts.advice),
        )

    def _state(self, engine: EventEngine) -> dict[str, bytes]:
        state = getattr(engine, "state", None)
        return {} if state is None else {engine.technology.value: state(self._clock() - REMEMBERED)}

    def _trouble(self, engine: EventEngine, error: Exception, *, given_up: bool) -> NewAlert:
        now = self._clock()
        name = engine.technology.value
        after = "it is left out until its rules change" if given_up else "the events are stored, not looked at by it"
        return NewAlert(
            tenant=TENANT,
            technology=Technology.HEALTH,
            rule=FAILED,
            title=f"The engine {name} failed at a segment of events",
            severity=Severity.HIGH,
            chain=name,
            why={"engine": name, "error": repr(error)[:1000], "what follows": after},
            first=now,
            last=now,
        )
