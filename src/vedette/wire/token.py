"""Enrolment tokens: `vde_<secret>.<first 32 hex digits of the SHA-256 of the CA's DER>`.

The token pins the CA, so that an agent needs nothing else to know whom it talks to.
"""

import hashlib
import re
import secrets
from typing import NamedTuple

from vedette.runtime.errors import IdentityError
from vedette.wire.tls import FINGERPRINT_DIGITS

_TOKEN = re.compile(r"vde_([A-Za-z0-9_-]{16,128})\.([0-9a-f]{32})")


class Token(NamedTuple):
    """The parts of a token text."""

    secret: str
    ca_fingerprint: str


def make_token(ca_fingerprint: str) -> str:
    """Draw a token for the deployment whose CA has this fingerprint (32 or more hex digits)."""
    return f"vde_{secrets.token_urlsafe(32)}.{ca_fingerprint[:FINGERPRINT_DIGITS]}"


def read_token(text: str) -> Token:
    """Take a token apart. Raises IdentityError (reason `bad_token`)."""
    match = _TOKEN.fullmatch(text.strip())
    if match is None:
        raise IdentityError("this is not an enrolment token (vde_<secret>.<fingerprint>)", reason="bad_token")
    return Token(*match.groups())


def token_digest(text: str) -> str:
    """Give what the Central Node keeps of a token: the SHA-256, hex, of what stands before the dot."""
    return hashlib.sha256(text.strip().partition(".")[0].encode()).hexdigest()
