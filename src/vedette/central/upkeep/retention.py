"""Old events go: day by day, noted before and after, so that whatever a crash leaves is finished."""

import logging
from collections.abc import Callable
from typing import Any

from vedette.central.upkeep.reserve import Reserve
from vedette.runtime.clock import Clock
from vedette.runtime.errors import StoreError
from vedette.store.events import EventStore, EventStoreError
from vedette.store.retention import Drop, Policy, day_of, due
from vedette.store.state import State, audit, ledger_days, retention

NOT_ENOUGH_SPACE = 243
"""ClickHouse's number."""

log = logging.getLogger(__name__)
Do = Callable[[Callable[[EventStore], Any]], Any]


class Retention:
    """Removes what the policy has no room for."""

    def __init__(
        self, store: Do, state: State, reserve: Reserve, *, audit_key: bytes, policy: Policy, clock: Clock
    ) -> None:
        self._store, self._state, self._reserve, self._key = store, state, reserve, audit_key
        self._policy, self._clock = policy, clock

    def run(self) -> None:
        """Finish what was begun, then remove what is due, oldest first. Raises StoreError."""
        self._reserve.fill()
        with self._state.read() as db:
            begun = retention.begun_removals(db)
            policy = retention.with_rules(self._policy, retention.rules(db))
        for removal in begun:
            drop = Drop(**{name: getattr(removal, name) for name in Drop.__struct_fields__})
            self._remove(drop, removal.number)
        parts = self._store(lambda store: store.parts())
        for drop in due(parts, policy, today=day_of(self._clock())):
            self._remove(drop, self._begun(drop))

    def _begun(self, drop: Drop) -> int | None:
        """Note the removal; None when a full disk does not even take that: then it makes room first."""
        try:
            with self._state.write() as db:
                return retention.begin_removal(db, drop, now=self._clock())
        except StoreError as error:
            log.warning("removing %s of %s before it is noted: %s", drop.day, drop.tenant, error)
            return None

    def _remove(self, drop: Drop, number: int | None) -> None:
        self._drop(drop)
        log.warning(
            "removed tenant=%s day=%s rows=%d bytes=%d reason=%s",
            drop.tenant, drop.day, drop.rows, drop.size, drop.reason,
        )  # fmt: skip
        with self._state.write() as db:
            now = self._clock()
            if number is None:
                number = retention.begin_removal(db, drop, now=now)
            if retention.end_removal(db, number, now=now):
                ledger_days.note_removed(db, drop.tenant, drop.day)
                audit.append(db, self._key, _entry(drop), now=now)

    def _drop(self, drop: Drop) -> None:
        try:
            self._store(lambda store: store.drop_day(drop.tenant, drop.day))
        except EventStoreError as error:
            if error.code != NOT_ENOUGH_SPACE:
                raise
            with self._reserve.given():
                self._store(lambda store: store.drop_day(drop.tenant, drop.day))


def _entry(drop: Drop) -> audit.NewEntry:
    detail = {"rows": str(drop.rows), "bytes": str(drop.size), "reason": drop.reason}
    return audit.NewEntry(
        actor="central", via="upkeep", action="storage.remove", target=drop.day, tenant=drop.tenant, detail=detail
    )
