"""Who this agent is: key and certificate, the pinned CA and settings key, in the agent's data directory.

`client.pem` holds key and certificate in one file, so that a renewal replaces both or neither.
"""

import ssl
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from vedette.runtime.errors import ConfigError, IdentityError
from vedette.runtime.files import write_atomic
from vedette.schema.signed import PinnedKeys
from vedette.wire.names import agent_name
from vedette.wire.tls import client_context

RENEW_BEFORE_DAYS = 60


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """What enrolment gave."""

    server: str
    """`https://host:port`."""
    agent: str
    tenant: str
    group: str
    ca: str
    """PEM; the only CA that the agent trusts."""
    settings_key: str
    """PEM; the only key whose settings the agent takes."""
    keys: PinnedKeys = {}
    """Keys of other purposes, pinned like it."""


class IdentityStore:
    """The identity's files, 0600 in a directory of mode 0700."""

    def __init__(self, data: Path) -> None:
        self._identity, self.client = data / "identity.json", data / "client.pem"

    def exists(self) -> bool:
        """Say whether this host is enrolled."""
        return self._identity.exists()

    def prepare(self) -> None:
        """Make the directory, before a token is spent. Raises ConfigError when it cannot be written."""
        folder = self._identity.parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = folder / ".writable"
            probe.touch(mode=0o600)
            probe.unlink()
        except OSError as error:
            raise ConfigError(f"{folder} cannot be written ({error.strerror}): become root, or give --data") from error

    def save(self, identity: Identity, key: bytes, certificate: str) -> None:
        """Write a new identity; it counts once `identity.json` is there."""
        self.prepare()
        self.replace_certificate(key, certificate)
        self._write(identity)

    def pin(self, identity: Identity, offered: PinnedKeys) -> Identity:
        """Pin keys of purposes that have none yet; what is pinned never changes. Gives the identity with them."""
        keys = offered | identity.keys
        if keys != identity.keys:
            identity = msgspec.structs.replace(identity, keys=keys)
            self._write(identity)
        return identity

    def _write(self, identity: Identity) -> None:
        write_atomic(self._identity, msgspec.json.format(msgspec.json.encode(identity), indent=2))

    def replace_certificate(self, key: bytes, certificate: str) -> None:
        """Write key and certificate, both or neither."""
        write_atomic(self.client, key.rstrip() + b"\n" + certificate.encode())

    def load(self) -> Identity:
        """Read the identity. Raises ConfigError when the host is not enrolled or the file is damaged."""
        try:
            return msgspec.json.decode(self._identity.read_bytes(), type=Identity)
        except FileNotFoundError as error:
            problem = f"{self._identity.parent}: this host is not enrolled; run `vedette agent enrol` first"
            raise ConfigError(problem) from error
        except (msgspec.DecodeError, OSError) as error:
            raise ConfigError(f"{self._identity}: {error}") from error

    def expires(self) -> int:
        """Give the end of the certificate, microseconds UTC. Raises IdentityError."""
        try:
            certificate = x509.load_pem_x509_certificate(self.client.read_bytes())
        except (ValueError, OSError) as error:
            raise IdentityError(f"{self.client}: {error}", reason="bad_certificate") from error
        return int(certificate.not_valid_after_utc.timestamp() * 1_000_000)

    def context(self, identity: Identity) -> ssl.SSLContext:
        """Make the TLS context of this agent."""
        return client_context(identity.ca, client=self.client)


def check_certificate(certificate: str, key: bytes, *, tenant: str, agent: str) -> None:
    """Refuse a certificate that is not for this key and name. Raises IdentityError."""
    try:
        issued = x509.load_pem_x509_certificate(certificate.encode())
        ours = load_pem_private_key(key, password=None).public_key()
    except ValueError as error:
        raise IdentityError(f"the Central Node sent no certificate: {error}", reason="bad_certificate") from error
    if agent_name(issued) != (tenant, agent):
        raise IdentityError("the Central Node sent a certificate for another agent", reason="other_agent")
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if issued.public_key().public_bytes(*form) != ours.public_bytes(*form):
        raise IdentityError("the Central Node sent a certificate for another key", reason="other_key")
