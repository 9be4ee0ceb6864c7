"""Detection as a pipeline process does it: the engines of now over each batch, with the exclusions of now."""

import logging
import time
from collections.abc import Sequence

from vedette.central.detection.detector import TENANT, Detected, Detector
from vedette.central.detection.endpoint import EndpointDetections
from vedette.central.pipeline.state_link import StateLink
from vedette.central.rules.engines import Engines
from vedette.engines.events import EventEngine
from vedette.runtime.clock import Clock
from vedette.runtime.errors import StoreError, WireError
from vedette.schema.alerts import NewAlert, Severity, Technology
from vedette.schema.fields import Micros
from vedette.wire.merge import Batch

LOOK_SECONDS = 0.5
"""Between looks for changed rules while no segment waits."""
MISSING = "rules_left_out"
"""Rule of the alert about rules that cannot be used any more."""
log = logging.getLogger(__name__)


class Detection:
    """Used by the thread that prepares segments."""

    def __init__(self, link: StateLink, clock: Clock, rules: Sequence[Engines]) -> None:
        self._link, self._rules, self._clock = link, rules, clock
        self._of_hosts = [EndpointDetections(Technology.AM), EndpointDetections(Technology.YARA)]
        self._detector = Detector(self._of_hosts, clock)
        self._troubles: list[NewAlert] = []
        self._loaded = False
        self._looked = float("-inf")
        self._remembered: dict[str, bytes] | None = None

    def detect(self, batch: Batch) -> Detected:
        """Look at a batch; what cannot be refreshed now stays as it was."""
        try:
            self._refresh()
        except StoreError as error:
            log.warning("exclusions and rules stay as they were: %s", error)
        found = Detected(troubles=tuple(self._troubles)) + self._detector.detect(batch)
        self._troubles.clear()
        self._remembered = (self._remembered or {}) | dict(found.states)
        return found

    def rest(self) -> None:
        """Take changed rules, so that the next event, whenever it comes, meets them; once in `LOOK_SECONDS`."""
        if time.monotonic() - self._looked < LOOK_SECONDS:
            return
        try:
            self._refresh()
        except StoreError as error:
            log.warning("exclusions and rules stay as they were: %s", error)

    def _refresh(self) -> None:
        """Go on with the rules of now. The first events wait for them; later ones are looked at by the old ones."""
        self._looked = time.monotonic()
        if self._remembered is None:
            self._remembered = self._link.remembered()
        self._link.refresh(self._detector)
        for one in self._rules:
            files = self._link.changed_rules(one.kind)
            if files is not None:
                one.begin(files)
        changed = [one for one in self._rules if one.finished(wait=not self._loaded)]
        self._loaded = True
        if not changed:
            return
        for one in changed:
            if one.current is not None:
                self._restore(one.current.engine)
                if one.current.missing:
                    self._troubles.append(_missing(one.current.missing, one.kind.value, now=self._clock()))
        made = [one.current for one in self._rules if one.current is not None]
        scopes = {rule: tenant for one in made for rule, tenant in one.scopes.items()}
        self._detector.replace([*self._of_hosts, *(one.engine for one in made)], scopes)

    def _restore(self, engine: EventEngine) -> None:
        """Have a new engine go on from what the one before it remembered, or what was kept before a restart."""
        restore = getattr(engine, "restore", None)
        if restore is None:
            return
        state = (self._remembered or {}).get(engine.technology.value)
        try:
            if state is not None:
                restore(state)
        except WireError as error:
            log.warning("engine=%s begins anew, what it remembered cannot be read: %s", engine.technology, error)


def _missing(rules: Sequence[str], kind: str, *, now: Micros) -> NewAlert:
    return NewAlert(
        tenant=TENANT,
        technology=Technology.HEALTH,
        rule=MISSING,
        title=f"{len(rules)} {kind} rules in use cannot be used any more: check them with `vedette rules check`",
        severity=Severity.HIGH,
        chain=kind,
        why={"rules": ", ".join(rules[:50])},
        first=now,
        last=now,
    )
