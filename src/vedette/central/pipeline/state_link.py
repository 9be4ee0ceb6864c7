"""What the pipeline asks the state and tells it. Everything raises StoreError."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from sqlalchemy import Connection

from vedette.central.detection.detector import Detected, Detector
from vedette.central.detection.exclude import Exclusions
from vedette.runtime.clock import DAY, Clock
from vedette.schema.rules import RuleFile, RuleKind
from vedette.store.segment import Record
from vedette.store.state import (
    State,
    agents,
    alerts,
    claims,
    engine_states,
    exclusions,
    findings,
    ledger,
    rollouts,
    rules,
    tasks,
    versions,
)
from vedette.store.state.claims import Claim
from vedette.store.state.ledger import StreamCount
from vedette.store.state.tasks import TaskUpdate

FORGET_SECONDS = 3600.0
"""Between looks for settled segments that are gone from the spool."""
KEPT = 30 * DAY
"""How long a segment that came by a bus is known as settled."""


class StateLink:
    """The state as one pipeline process uses it; `share`: which of them it is."""

    def __init__(self, state: State, spool: Path, *, clock: Clock, shared: bool = False, share: int = 0) -> None:
        """`shared`: segments come from several nodes, by a bus."""
        self._state, self._spool, self._clock, self._shared, self._share = state, spool, clock, shared, share
        self._tenants: dict[str, str] = {}
        self._version = self._exclusions = -1
        self._rules: dict[RuleKind, int] = {}
        self._forgot = time.monotonic()

    def tenants(self) -> Mapping[str, str]:
        """Tenants of all agents; read again when an agent was enrolled or moved."""
        with self._state.read() as db:
            version = agents.identity_version(db)
            if version != self._version:
                self._tenants = {identity.id: identity.tenant for identity in agents.identities(db)}
                self._version = version
        return self._tenants

    def refresh(self, detector: Detector) -> None:
        """Give a detector the exclusions of now, when they have changed."""
        with self._state.read() as db:
            version = versions.current(db).get(exclusions.VERSION, 0)
            if version != self._exclusions:
                detector.exclusions = Exclusions(exclusions.alive(db, now=self._clock()))
                self._exclusions = version

    def changed_rules(self, kind: RuleKind) -> Sequence[RuleFile] | None:
        """Give the rule files of a kind that are in use; None if they are those given before."""
        with self._state.read() as db:
            version = versions.current(db).get(rules.version_name(kind), 0)
            if version == self._rules.get(kind):
                return None
            found = rules.enabled(db, kind)
        self._rules[kind] = version
        return found

    def remembered(self) -> dict[str, bytes]:
        """Give what the engines of this share remembered after the last segment that is settled."""
        with self._state.read() as db:
            return engine_states.of_share(db, self._share)

    def settle(self, number: int, counts: tuple[StreamCount, ...], detected: Detected) -> None:
        """Count a segment in the ledger and keep what was detected in it: all of it, once."""
        now = self._clock()
        with self._state.write() as db:
            if ledger.settle_segment(db, number, counts, now=now):
                findings.keep(db, detected.findings, now=now)
                exclusions.count_hits(db, detected.hits, now=now)
                engine_states.keep(db, detected.states, share=self._share, segment=number)
                for trouble in detected.troubles:
                    alerts.raise_alert(db, trouble, now=now)
            if self._shared:
                claims.release(db, number)
            if time.monotonic() - self._forgot > FORGET_SECONDS:
                self._forgot = time.monotonic()
                self._forget(db, number)

    def claim(self, number: int, records: list[Record]) -> Claim:
        """Take the records of a segment that no other has."""
        with self._state.write() as db:
            return claims.claim(db, number, records)

    def update_tasks(self, updates: tuple[TaskUpdate, ...]) -> None:
        """Take what hosts reported of their tasks, and pause roll-outs that go wrong."""
        with self._state.write() as db:
            for rollout in tasks.reported(db, updates):
                rollouts.judge(db, rollout, now=self._clock())

    def _forget(self, db: Connection, number: int) -> None:
        if self._shared:
            ledger.forget_old_segments(db, self._clock() - KEPT)
        else:
            present = [int(path.stem) for path in self._spool.glob("*.seg")]
            ledger.forget_segments(db, min([number, *present]))
