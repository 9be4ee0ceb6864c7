"""The way from the event loop to the state database: short transactions on two threads.

Reading has a thread of its own: a writer that waits for its turn must not delay the news of a revocation.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import NamedTuple, TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from sqlalchemy import Connection

from vedette.central.ingest.bookkeeping import Entries
from vedette.central.ingest.directory import Directory
from vedette.central.pki import Authority, IssuedCertificate
from vedette.runtime.clock import Clock
from vedette.runtime.errors import IdentityError
from vedette.schema.fields import Micros
from vedette.schema.tasks import SignedTask
from vedette.store.state import State, agents, ledger, refusals, settings, tasks
from vedette.store.state.agents import AgentIdentity
from vedette.store.state.settings import SettingsDocument
from vedette.store.streams import StreamKey
from vedette.wire import limits

T = TypeVar("T")


class Changes(NamedTuple):
    """What is another one than at the last look; None: nothing of it."""

    identities: list[AgentIdentity] | None
    documents: list[SettingsDocument] | None
    waiting: list[tasks.Waiting] | None


class StateLink:
    """What ingest asks the state and tells it. Raises StoreError when the database refuses."""

    def __init__(  # noqa: PLR0913 - the parts of ingest meet here
        self,
        state: State,
        directory: Directory,
        *,
        reader: Executor,
        writer: Executor,
        authority: Authority,
        clock: Clock,
        node: int = 0,
    ) -> None:
        """`node`: the number of this node when there are several."""
        self._state, self._directory = state, directory
        self._reader, self._writer = reader, writer
        self._authority, self._clock, self._node = authority, clock, node
        self._identity_version = -1
        self._settings_versions: dict[tuple[str, str], int] = {}
        self._tasks_version = -1

    async def refresh(self) -> None:
        """Bring the directory up to date; what has not changed is not read again."""
        now = self._clock()
        identities, documents, waiting = await self._read(self._changes)
        if identities is not None:
            self._directory.replace_identities(identities)
        if documents is not None:
            self._directory.replace_documents(documents)
        if waiting is not None:
            self._directory.replace_tasks(waiting)
        self._directory.freshen(now)

    def may_be_news(self, error: IdentityError) -> bool:
        """Whether another ingest node may have done a moment ago what would let this caller in."""
        return bool(self._node) and error.reason in {"agent_unknown", "certificate_replaced"}

    async def enrol(
        self, public: EllipticCurvePublicKey, token_sha256: str, *, hostname: str, os: str
    ) -> tuple[AgentIdentity, IssuedCertificate]:
        """Use an enrolment token: a new identity and its certificate. Raises IdentityError."""

        def work(db: Connection) -> tuple[AgentIdentity, IssuedCertificate]:
            now = self._clock()
            agent = agents.enrol(db, token_sha256, hostname=hostname, os=os, now=now)
            certificate = self._authority.issue_agent(public, tenant=agent.tenant, agent=agent.id, now=now)
            agents.set_certificate(db, agent.id, certificate.serial, certificate.not_after)
            identity = AgentIdentity(
                id=agent.id,
                tenant=agent.tenant,
                group=agent.group,
                serial=certificate.serial,
                next_serial="",
                revoked=False,
            )
            return identity, certificate

        identity, certificate = await self._write(work)
        self._directory.put(identity)
        return identity, certificate

    async def renew(self, identity: AgentIdentity, public: EllipticCurvePublicKey) -> IssuedCertificate:
        """Issue a further certificate; the one before counts until this one was used."""

        def work(db: Connection) -> IssuedCertificate:
            certificate = self._authority.issue_agent(
                public, tenant=identity.tenant, agent=identity.id, now=self._clock()
            )
            agents.offer_certificate(db, identity.id, certificate.serial)
            return certificate

        certificate = await self._write(work)
        await self.refresh()
        return certificate

    async def promote(self, identity: AgentIdentity, not_after: Micros) -> None:
        """Make the renewed certificate, which was just used, the only one that counts."""
        await self._write(lambda db: agents.set_certificate(db, identity.id, identity.next_serial, not_after))
        await self.refresh()

    async def hand_over(self, identity: AgentIdentity) -> list[SignedTask]:
        """Give the tasks that wait for an agent, and note that it was sent them."""
        return await self._write(lambda db: tasks.hand_over(db, identity.id, now=self._clock(), limit=limits.TASKS))

    async def record(self, entries: Entries) -> None:
        """Write ledger rows, last contacts and refusals in one transaction."""

        def work(db: Connection) -> None:
            now = self._clock()
            ledger.record_streams(db, entries.streams, now=now, node=self._node)
            agents.seen(db, entries.seen)
            for (reason, agent), times in entries.refused.items():
                refusals.count(db, reason, agent or None, times, now=now)

        await self._write(work)

    async def highest(self, key: StreamKey) -> tuple[int, int] | None:
        """Give the last range that any node has of a stream of which this one has nothing."""
        if not self._node:
            return None
        ranges = await self._read(lambda db: ledger.ranges_of(db, key.agent, key.epoch))
        return ranges[-1] if ranges else None

    def _changes(self, db: Connection) -> Changes:
        identities = documents = waiting = None
        version = agents.identity_version(db)
        if version != self._identity_version:
            identities = agents.identities(db)
            self._identity_version = version
        versions = settings.versions(db)
        if versions != self._settings_versions:
            documents = settings.all_current(db)
            self._settings_versions = versions
        number = tasks.version(db)
        if number != self._tasks_version:
            waiting = tasks.waiting(db, now=self._clock())
            self._tasks_version = number
        return Changes(identities, documents, waiting)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._state.read() as db:
                return work(db)

        return await asyncio.get_running_loop().run_in_executor(self._reader, run)

    async def _write(self, work: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._state.write() as db:
                return work(db)

        return await asyncio.get_running_loop().run_in_executor(self._writer, run)
