"""Who is at the other end: what a client certificate says, read once for each connection."""

import msgspec
from cryptography import x509

from vedette.central.pki import read_agent_uri
from vedette.runtime.errors import IdentityError
from vedette.schema.fields import Micros


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate that our CA signed. Whether it still counts is asked at every request."""

    agent: str
    tenant: str
    serial: str
    begins: Micros
    ends: Micros


def read_peer(der: bytes) -> Peer:
    """Read a certificate that TLS has verified. Raises IdentityError (`certificate_malformed`)."""
    try:
        certificate = x509.load_der_x509_certificate(der)
        tenant, agent = read_agent_uri(certificate)
    except ValueError as error:
        raise IdentityError("the client certificate cannot be read", reason="certificate_malformed") from error
    return Peer(
        agent=agent,
        tenant=tenant,
        serial=format(certificate.serial_number, "x"),
        begins=int(certificate.not_valid_before_utc.timestamp()) * 1_000_000,
        ends=int(certificate.not_valid_after_utc.timestamp()) * 1_000_000,
    )
