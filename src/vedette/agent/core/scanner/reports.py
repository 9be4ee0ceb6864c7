"""Makes events of verdicts, and not too many of them."""

from collections import Counter, OrderedDict
from collections.abc import Callable

from vedette.agent.core.scanner.budget import Quota
from vedette.agent.core.scanner.candidates import Candidate
from vedette.engines.objects import Finding, Status, Verdict
from vedette.runtime.clock import Clock
from vedette.schema.entities import Detect
from vedette.schema.events.base import Event
from vedette.schema.events.protection import EppDetect, EppResult

REPEATED = 60_000_000
"""Microseconds within which the same detection, by the same process, is not reported again."""
FAILURE_REPEATED = 3_600_000_000
"""Microseconds within which it is not told again that the same content could not be scanned."""
KEPT = 4096
DETECTIONS = (5.0, 500)
"""Detections a second, and at once; beyond it they are lost and counted."""
FAILURES = (0.2, 20)
"""Objects that were not scanned, a second and at once; beyond it they are counted in the next such report."""


class Reporter:
    """Sends `epp_detect` and `epp_result`. Used by one thread."""

    def __init__(
        self,
        emit: Callable[[Event], None],
        clock: Clock,
        *,
        detections: Quota | None = None,
        failures: Quota | None = None,
    ) -> None:
        self._emit, self._clock = emit, clock
        self._detections = detections or Quota(rate=DETECTIONS[0], burst=DETECTIONS[1])
        self._failures = failures or Quota(rate=FAILURES[0], burst=FAILURES[1])
        self._recent: OrderedDict[tuple[object, ...], int] = OrderedDict()
        self._untold: Counter[str] = Counter()
        self.lost = self.repeated = 0

    def report(self, candidate: Candidate, verdicts: tuple[Verdict, ...]) -> None:
        """Tell what engines said of an object; nothing when they all called it clean."""
        for verdict in verdicts:
            if verdict.status == Status.DETECTED:
                self._detected(candidate, verdict)
            elif verdict.status == Status.NOT_SCANNED:
                self._not_scanned(candidate, verdict)

    def settle(self) -> None:
        """When nothing else is to be done: tell how many failures were not told one by one."""
        if self._untold and self._failures.take():
            told = Detect(result=Status.NOT_SCANNED.value, error_reason=self._take_untold())
            self._emit(EppResult(time=self._clock(), detect=told))

    def _detected(self, candidate: Candidate, verdict: Verdict) -> None:
        file = candidate.file
        key = (verdict.engine, candidate.mode, file.path, file.sha256, candidate.process.entity_id)
        if self._is_repeated(key, REPEATED):
            return
        if not self._detections.take():
            self.lost += 1
            return
        self._note(key)
        details = [_detect(candidate, verdict, finding) for finding in verdict.findings]
        for detect in details:
            self._send(EppDetect, candidate, detect)
        self._send(EppResult, candidate, details[0])

    def _not_scanned(self, candidate: Candidate, verdict: Verdict) -> None:
        reason, file = verdict.reason, candidate.file
        word = reason.partition(":")[0]
        key = (verdict.engine, word, file.path, file.sha256 or file.size)
        if self._is_repeated(key, FAILURE_REPEATED):
            return
        if not self._failures.take():
            self._untold[word] += 1
            return
        self._note(key)
        if self._untold:
            reason = f"{reason}; {self._take_untold()}"
        self._send(EppResult, candidate, _detect(candidate, verdict, None, reason=reason))

    def _is_repeated(self, key: tuple[object, ...], within: int) -> bool:
        told = self._recent.get(key)
        repeated = told is not None and self._clock() - told < within
        self.repeated += repeated
        return repeated

    def _note(self, key: tuple[object, ...]) -> None:
        self._recent[key] = self._clock()
        self._recent.move_to_end(key)
        while len(self._recent) > KEPT:
            self._recent.popitem(last=False)

    def _send(self, kind: type[EppDetect | EppResult], candidate: Candidate, detect: Detect) -> None:
        event = candidate.event
        self._emit(
            kind(
                time=self._clock(),
                user=event.user,
                session=event.session,
                process=candidate.process,
                file=candidate.file,
                detect=detect,
            )
        )

    def _take_untold(self) -> str:
        counts = ", ".join(f"{reason} {count}" for reason, count in self._untold.most_common())
        total = self._untold.total()
        self._untold.clear()
        return f"{total} more objects were not scanned ({counts})"


def _detect(candidate: Candidate, verdict: Verdict, finding: Finding | None, *, reason: str | None = None) -> Detect:
    file = candidate.file
    return Detect(
        engine=verdict.engine,
        result=verdict.status.value,
        object_name=file.path,
        record_id=finding.record_id if finding else None,
        db_time=verdict.db_time,
        mode=candidate.mode,
        category=finding.category if finding else None,
        object_md5=file.md5,
        object_sha256=file.sha256,
        error_reason=reason,
    )
