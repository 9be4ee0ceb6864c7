"""The silence watcher's edge: asks the state, judges, writes alerts; in ingest, which alone knows what it heard."""

import logging

from vedette.central.alerts import silence
from vedette.central.alerts.silence import FORGOTTEN, HOST, MANY, limits
from vedette.runtime.clock import SECOND, Clock
from vedette.runtime.errors import StoreError
from vedette.schema.policies import Settings
from vedette.store.state import State, alerts, groups, settings
from vedette.store.state import silence as hosts

EVERY_SECONDS = 15.0
"""Between two looks."""
STALL = 4 * int(EVERY_SECONDS) * SECOND
"""A look so late, or so early, means that this process slept or that its clock was set: nobody is to blame."""

_LOG = logging.getLogger(__name__)


class SilenceWatch:
    """Looks every `EVERY_SECONDS`. Keeps nothing that the state does not have, but since when it listens."""

    def __init__(self, state: State, clock: Clock) -> None:
        self._state, self._clock = state, clock
        self._listening = self._looked = clock()

    def look(self) -> None:
        """Raise and close what is due. A failure of the state begins the listening anew: agents were refused."""
        now = self._clock()
        if not 0 <= now - self._looked < STALL:
            self._listening = now
        self._looked = now
        try:
            self._judge(now)
        except StoreError as error:
            self._listening = now
            _LOG.error("silent hosts could not be looked for: %s", error)

    def _judge(self, now: int) -> None:
        with self._state.read() as db:
            documents = {(one.tenant, one.group): one.settings() for one in settings.all_current(db)}
            verdict = silence.judge(
                hosts.watched(db, rule=HOST, since=now - FORGOTTEN),
                of_group={group: limits(documents.get(group, Settings())) for group in groups.all_names(db)},
                open_hosts=alerts.open_of_rule(db, HOST),
                latest_many=alerts.latest_of_rule(db, MANY),
                listening=self._listening,
                now=now,
            )
        if not verdict.raised and not verdict.closed:
            return
        with self._state.write() as db:
            for alert, note in verdict.closed:
                alerts.close_by_itself(db, alert, note, now=now)
            for found in verdict.raised:
                alerts.raise_alert(db, found, now=now)
                _LOG.warning("%s", found.title)
