"""A version on trial confirms itself; one that was taken back is reported by the version before."""

import logging

from vedette.agent.core.tasks import TaskDesk
from vedette.agent.core.upgrade.versions import Versions

log = logging.getLogger(__name__)


class TrialKeeper:
    """Looked at with each tick of the agent, in its main thread."""

    def __init__(self, versions: Versions, desk: TaskDesk) -> None:
        self._versions, self._desk = versions, desk
        self._blind_since: int | None = None
        trial = versions.on_trial()
        self._trial = trial if trial is not None and trial.version == versions.running else None

    def begin(self) -> None:
        """Report what the launcher did while no agent ran, and remove what no version needs."""
        taken_back = self._versions.taken_back()
        if taken_back is not None:
            log.warning("version %s was taken back: %s", taken_back.version, taken_back.reason)
            self._desk.end(taken_back.task, "rolled_back", taken_back.reason)
            self._versions.reported()
            self._blind_since = taken_back.left
        elif self._trial is not None:
            self._blind_since = self._trial.left
        self._versions.tidy()

    def seeing(self) -> int | None:
        """Say once, when the kernel is observed again, since when it was not: for a change of versions."""
        since, self._blind_since = self._blind_since, None
        return since

    def look(self, *, online: bool, kernel_runs: bool) -> None:
        """Confirm this version once it works: events are kept, a receipt came, the kernel source runs if it did before.

        That the buffer is open is given: there is no agent without it.
        """
        trial = self._trial
        if trial is None or not online or (trial.kernel and not kernel_runs):
            return
        self._versions.confirm()
        self._trial = None
        log.info("version %s confirmed", trial.version)
        self._desk.end(trial.task, "done")
        self._versions.tidy()
