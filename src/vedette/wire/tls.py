"""TLS as every Vedette client speaks it: 1.3 only, one pinned CA, and the fingerprint that pins it."""

import hashlib
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from vedette.runtime.errors import IdentityError

FINGERPRINT_DIGITS = 32
"""Of the SHA-256 of the CA's DER in an enrolment token: 128 bits."""


def client_context(ca: str | None, *, client: Path | None = None) -> ssl.SSLContext:
    """Make a context that trusts `ca` (PEM) only and shows the key and certificate in `client`.

    Without `ca` nothing is verified: only for fetching the CA whose fingerprint is then checked.
    Raises IdentityError when the CA, key or certificate cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        if ca is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context.load_verify_locations(cadata=ca)
        if client is not None:
            context.load_cert_chain(client)
    except (ssl.SSLError, ValueError, OSError) as error:
        raise IdentityError(f"cannot use {client or 'the CA'}: {error}", reason="bad_certificate") from error
    return context


def fingerprint(pem: str) -> str:
    """Give the SHA-256 of the certificate's DER, 64 hex digits. Raises IdentityError."""
    try:
        der = x509.load_pem_x509_certificate(pem.encode()).public_bytes(Encoding.DER)
    except ValueError as error:
        raise IdentityError(f"not a certificate: {error}", reason="bad_certificate") from error
    return hashlib.sha256(der).hexdigest()
