"""Renews the certificate 60 days before its end, and also after: an expired one may do nothing but renew."""

import logging
from collections.abc import Callable

from vedette.agent.core.identity import RENEW_BEFORE_DAYS, Identity, IdentityStore, check_certificate
from vedette.agent.core.transport import RefusedError, Transport, UnreachableError
from vedette.runtime.clock import DAY, HOUR, Clock
from vedette.runtime.errors import IdentityError
from vedette.wire.csr import make_csr, make_key
from vedette.wire.messages import RenewRequest

log = logging.getLogger(__name__)

PAUSE = HOUR
"""Between attempts while the old certificate still serves."""


class Renewal:
    """Knows when the certificate ends and gets the next one."""

    def __init__(
        self, store: IdentityStore, identity: Identity, clock: Clock, *, make_key: Callable[[], bytes] = make_key
    ) -> None:
        self._store, self._identity, self._clock, self._make_key = store, identity, clock, make_key
        self.expires = store.expires()
        self._not_before = 0

    def due(self) -> bool:
        """Say whether to renew now."""
        now = self._clock()
        return now >= self.expires - RENEW_BEFORE_DAYS * DAY and (now >= self.expires or now >= self._not_before)

    def renew(self, transport: Transport) -> bool:
        """Get and write the next certificate, with a new key; True: use a new connection now.

        Raises what the transport raises, but only when the certificate has expired: until then there is time.
        """
        self._not_before = self._clock() + PAUSE
        key = self._make_key()
        try:
            reply = transport.renew(RenewRequest(csr=make_csr(key)))
            check_certificate(reply.certificate, key, tenant=self._identity.tenant, agent=self._identity.agent)
        except (RefusedError, UnreachableError, IdentityError) as error:
            log.warning("certificate not renewed problem=%s", error)
            if self._clock() >= self.expires:
                raise
            return False
        self._store.replace_certificate(key, reply.certificate)
        self.expires = self._store.expires()
        log.info("certificate renewed")
        return True
