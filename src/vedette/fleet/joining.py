"""Gets identities for a fleet: each member enrols with the token, or has enrolled in an earlier run."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from vedette.agent.core.batches import Facts
from vedette.agent.core.enrolment import enrol
from vedette.agent.core.identity import Identity, IdentityStore
from vedette.fleet.member import OS, facts

ENROLLING = 8
"""Members that enrol at the same time."""


class Place:
    """Where the fleet's identities are, and the server for which they are."""

    def __init__(self, folder: Path, server: str) -> None:
        self._folder, self.server = folder, server
        self._ca: str | None = None
        self._lock = threading.Lock()

    def store(self, number: int) -> IdentityStore:
        """Give the files of one member."""
        return IdentityStore(self._folder / f"{number:06d}")

    def missing(self, agents: int) -> int:
        """Say how many of the first `agents` members have no identity at this server yet."""
        return sum(self._identity(number) is None for number in range(agents))

    def join(
        self, agents: int, token: str, *, stop: threading.Event, progress: Callable[[int], None]
    ) -> list[tuple[IdentityStore, Identity]]:
        """Give an identity to each member; fewer when told to stop. Raises VedetteError at the first that fails."""
        found: list[tuple[IdentityStore, Identity]] = []
        with ThreadPoolExecutor(ENROLLING) as pool:
            waiting = [pool.submit(self._one, number, token, stop) for number in range(agents)]
            try:
                for done in waiting:
                    if (member := done.result()) is not None:
                        found.append(member)
                        progress(len(found))
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return found

    def _one(self, number: int, token: str, stop: threading.Event) -> tuple[IdentityStore, Identity] | None:
        store = self.store(number)
        if (identity := self._identity(number)) is not None:
            return store, identity
        if stop.is_set():
            return None
        made = enrol(store, server=self.server, token=token, facts=Facts(facts(number), OS), ca=self._pinned())
        with self._lock:
            self._ca = made.ca
        return store, made

    def _pinned(self) -> str | None:
        """Give the CA that the first member has checked against the token, so that the others need not fetch it."""
        with self._lock:
            return self._ca

    def _identity(self, number: int) -> Identity | None:
        store = self.store(number)
        if not store.exists():
            return None
        identity = store.load()
        return identity if identity.server == self.server else None
