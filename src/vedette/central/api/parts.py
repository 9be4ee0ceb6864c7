"""What the API is built of; `app.py` hands it down, tests replace pieces."""

from collections.abc import Callable
from pathlib import Path
from threading import BoundedSemaphore

import msgspec

from vedette.central.api.statements import Stop
from vedette.central.api.throttle import Throttle
from vedette.query.search import Ask
from vedette.runtime.clock import SECOND, Clock
from vedette.schema.signed import PinnedKeys
from vedette.store.objects import ObjectFiles
from vedette.store.releases import ReleaseFiles
from vedette.store.retention import Policy
from vedette.store.state import State, accounts, tasks
from vedette.store.state.settings import Sign
from vedette.wire.release import SignedManifest


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much callers may ask of the server."""

    body: int = 2 << 20
    """Bytes of a request."""
    searches: int = 4
    """Searches at the same time; more are told to come back."""
    search_seconds: float = 30.0
    """Time for one search; what it found until then is given as partial."""
    hashes: int = 2
    """Passwords checked at the same time: each takes 32 MiB."""
    logins: int = 10
    """Logins at once from one address, then one each 6 seconds."""
    uploads: int = 4
    """Objects that are put into Storage at the same time."""
    streams: int = 64
    """Callers that are told of alerts as they come."""
    search_memory: int = 1_000_000_000
    """Bytes that a statement may take in the event store."""
    exports: int = 2
    """Exports at the same time, so that two places are left for searches."""
    export_seconds: float = 120.0
    """Time for each page of an export."""
    stalled_seconds: float = 60.0
    """How long an export waits for a reader that takes nothing."""


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """What the API signs and seals with. `ca_fingerprint`: the 32 hex digits that enrolment tokens carry."""

    audit: bytes
    sign: Sign
    sign_task: tasks.Sign
    sign_release: Callable[[bytes], SignedManifest]
    pinned: PinnedKeys
    """Public halves that every settings document carries."""
    ca_fingerprint: str


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """The disk that events are on, in bytes; `free`: what the store may still take."""

    free: int
    size: int


PortOfIngest = Callable[[], int | None]
"""Gives the port to which agents connect, None while ingest does not serve."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """What the API tells of this node: where agents connect, the disk, how long events stay."""

    agents_port: PortOfIngest = lambda: None
    disk: Callable[[], Disk] = lambda: Disk(free=1 << 62, size=1 << 62)
    policy: Policy = Policy()
    dead_letters: Path = Path("dead-letter")


class Parts:
    """The open state, the keys, the clock and the limits of this process."""

    def __init__(  # noqa: PLR0913 - the parts of the API meet here
        self,
        *,
        state: State,
        keys: Keys,
        events: Ask,
        releases: ReleaseFiles,
        objects: ObjectFiles,
        clock: Clock,
        stop: Stop = lambda _query_id: None,
        limits: Limits | None = None,
        node: Node | None = None,
    ) -> None:
        self.state, self.keys, self.events, self.releases, self.clock = state, keys, events, releases, clock
        self.objects = objects
        self.stop = stop
        self.node = node or Node()
        self.limits = limits or Limits()
        self.logins = Throttle(clock, burst=self.limits.logins, interval=6 * SECOND)
        self.denials = Throttle(clock, burst=10, interval=6 * SECOND)
        self.unknown_names = Throttle(clock, burst=accounts.FREE_FAILURES, interval=accounts.FIRST_WAIT)
        """Makes a name that no account has wait as an account does, so that waiting tells nothing."""
        self.hashing = BoundedSemaphore(self.limits.hashes)
        self.storing = BoundedSemaphore(self.limits.uploads)
        self.uploading = BoundedSemaphore(1)
        self.searching = BoundedSemaphore(self.limits.searches)
        self.checking = BoundedSemaphore(2)
        """Requests whose rules are being checked: YARA is compiled in processes of their own."""
        self.streaming = BoundedSemaphore(self.limits.streams)
        self.exporting = BoundedSemaphore(self.limits.exports)
