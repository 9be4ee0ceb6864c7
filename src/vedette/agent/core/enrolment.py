"""How a host gets its identity: the token pins the CA, the CA vouches for the Central Node, which names the host."""

import hmac

import urllib3

from vedette.agent.core.buffer import Facts
from vedette.agent.core.identity import Identity, IdentityStore, check_certificate
from vedette.agent.core.proxy import Proxy
from vedette.agent.core.transport import RefusedError, Transport, UnreachableError
from vedette.runtime.errors import ConfigError, IdentityError
from vedette.wire.csr import make_csr, make_key
from vedette.wire.messages import EnrolRequest
from vedette.wire.tls import FINGERPRINT_DIGITS, client_context, fingerprint
from vedette.wire.token import read_token


def enrol(  # noqa: PLR0913 - all that an operator may say of it
    store: IdentityStore,
    *,
    server: str,
    token: str,
    facts: Facts,
    ca: str | None = None,
    ca_fingerprint: str = "",
    proxy: Proxy | None = None,
) -> Identity:
    """Get an identity from `server` and save it.

    The CA is `ca` (PEM), or what the server shows; either way it must be the one that the token names, and have
    `ca_fingerprint` (32 to 64 hex digits) if one is given.
    Raises IdentityError (wrong CA, bad token), RefusedError (used or expired token), UnreachableError.
    """
    parts = read_token(token)
    store.prepare()
    pem = _fetch_ca(server, proxy) if ca is None else ca
    for expected in (parts.ca_fingerprint, ca_fingerprint.replace(":", "").lower()):
        _check_ca(pem, expected, server=server, fetched=ca is None)
    key = make_key()
    transport = Transport(server, client_context(pem), proxy)
    request = EnrolRequest(token=token.strip(), csr=make_csr(key), hostname=facts.host.name or "", os=facts.os)
    try:
        reply = transport.enrol(request)
    finally:
        transport.close()
    if fingerprint(reply.ca) != fingerprint(pem):
        raise IdentityError(f"{server} answers for another CA than the token pins", reason="wrong_ca")
    check_certificate(reply.certificate, key, tenant=reply.tenant, agent=reply.agent)
    identity = Identity(
        server=transport.server,
        agent=reply.agent,
        tenant=reply.tenant,
        group=reply.group,
        ca=pem,
        settings_key=reply.settings_key,
        keys=reply.keys,
    )
    store.save(identity, key, reply.certificate)
    return identity


def _fetch_ca(server: str, proxy: Proxy | None) -> str:
    transport = Transport(server, client_context(None), proxy)
    try:
        # Not verified on purpose: the CA that this gives is checked against the token's fingerprint. Said for good, as
        # a filter that is put back (`catch_warnings`) is put back for all threads.
        urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        return transport.ca()
    except RefusedError as error:
        raise UnreachableError(f"{server} is no Central Node's ingest port (it answered {error.status})") from error
    finally:
        transport.close()


def _check_ca(pem: str, expected: str, *, server: str, fetched: bool) -> None:
    if not expected:
        return
    if len(expected) < FINGERPRINT_DIGITS:
        raise ConfigError(f"a CA fingerprint has at least {FINGERPRINT_DIGITS} hex digits")
    found = fingerprint(pem)
    if not hmac.compare_digest(found[: len(expected)].encode(), expected.encode()):
        whose = f"the CA of {server}" if fetched else "the given CA"
        hint = (
            "wrong server or token, or someone is between this host and the Central Node" if fetched else "wrong file"
        )
        raise IdentityError(
            f"wrong CA: {whose} has fingerprint {found[: len(expected)]}, expected {expected} ({hint})",
            reason="wrong_ca",
        )
