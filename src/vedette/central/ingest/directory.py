"""Which certificates count, which settings are current: the state as of at most a second ago."""

from collections.abc import Iterable

from vedette.central.ingest.peer import Peer
from vedette.central.ingest.refusal import Refused
from vedette.runtime.clock import SECOND
from vedette.runtime.errors import IdentityError
from vedette.schema.fields import Micros
from vedette.schema.policies import SignedSettings
from vedette.store.state.agents import AgentIdentity
from vedette.store.state.settings import SettingsDocument
from vedette.store.state.tasks import Waiting

STALE = 5 * SECOND
"""When the state could not be asked for so long, nobody is let in: a revocation might have been missed."""


class Directory:
    """Identities and settings documents in memory, replaced whole about every half second."""

    def __init__(self) -> None:
        self._identities: dict[str, AgentIdentity] = {}
        self._documents: dict[tuple[str, str], SettingsDocument] = {}
        self._tasks: dict[str, Waiting] = {}
        self._fresh: Micros | None = None

    def replace_identities(self, identities: Iterable[AgentIdentity]) -> None:
        """Take over what the state has."""
        self._identities = {identity.id: identity for identity in identities}

    def replace_documents(self, documents: Iterable[SettingsDocument]) -> None:
        """Take over the current settings document of every group."""
        self._documents = {(document.tenant, document.group): document for document in documents}

    def replace_tasks(self, waiting: Iterable[Waiting]) -> None:
        """Take over for which agents there are tasks."""
        self._tasks = {one.agent: one for one in waiting}

    def put(self, identity: AgentIdentity) -> None:
        """Take over one identity that this process has just changed."""
        self._identities[identity.id] = identity

    def freshen(self, now: Micros) -> None:
        """Note that everything here was compared with the state at `now`."""
        self._fresh = now

    def identify(self, peer: Peer | None, *, now: Micros, renewing: bool = False) -> AgentIdentity:
        """Give the agent that `peer` is. An expired certificate may renew.

        Raises IdentityError with the reason, Refused when the state could not be asked lately.
        """
        if peer is None:
            raise IdentityError("this route needs a client certificate", reason="certificate_missing")
        if self._fresh is None or now - self._fresh > STALE:
            raise Refused("state_unavailable", retry_after=5)
        identity = self._identities.get(peer.agent)
        if identity is None:
            raise IdentityError(f"agent {peer.agent} is not known here", reason="agent_unknown")
        if identity.tenant != peer.tenant:
            raise IdentityError(f"agent {peer.agent} is not of tenant {peer.tenant}", reason="tenant_mismatch")
        if identity.revoked:
            raise IdentityError(f"agent {peer.agent} was revoked", reason="agent_revoked")
        if not peer.serial or peer.serial not in (identity.serial, identity.next_serial):
            raise IdentityError(f"a newer certificate of agent {peer.agent} is in use", reason="certificate_replaced")
        if not renewing:
            _check_dates(peer, now)
        return identity

    def settings_version(self, identity: AgentIdentity) -> int:
        """Give the version of the current document for the agent's group; 0 = none."""
        document = self._documents.get((identity.tenant, identity.group))
        return 0 if document is None else document.version

    def tasks(self, identity: AgentIdentity, *, now: Micros) -> int:
        """Give the number of the newest task that waits for the agent; 0 = none."""
        waiting = self._tasks.get(identity.id)
        return 0 if waiting is None or waiting.expires <= now else waiting.number

    def settings(self, identity: AgentIdentity) -> SignedSettings | None:
        """Give the current document for the agent's group; None when there is none."""
        document = self._documents.get((identity.tenant, identity.group))
        return None if document is None else document.signed()


def _check_dates(peer: Peer, now: Micros) -> None:
    if now > peer.ends:
        raise IdentityError("the certificate has expired: it may only renew", reason="certificate_expired")
    if now < peer.begins:
        raise IdentityError("the certificate is not valid yet", reason="certificate_early")
