"""The deployment's own certificate authority: its keys, the server's certificate, certificates of agents.

The CA is made at the first start and signs for this deployment only. Nothing that a request says about
identity is believed: the server puts tenant and agent id into the certificate.
"""

import datetime as dt
import hashlib
import ipaddress
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from vedette.runtime.clock import DAY
from vedette.runtime.errors import ConfigError, IdentityError
from vedette.runtime.files import write_atomic
from vedette.schema.fields import Micros
from vedette.schema.signed import PinnedKeys

CA_LIFE = 3650 * DAY
LEAF_LIFE = 180 * DAY
RENEW_LEFT = 60 * DAY
"""A certificate with less than this left is renewed."""
BACKDATE = DAY
"""Certificates begin this long before they are made: clocks of hosts differ."""
ALWAYS_NAMED = ("localhost", "127.0.0.1")

_URI = "urn:vedette:tenant:{tenant}:agent:{agent}"
_LOG = logging.getLogger(__name__)


class IssuedCertificate(msgspec.Struct, frozen=True, kw_only=True):
    """A certificate for an agent; `serial` as lower-case hex, `not_after` in microseconds UTC."""

    pem: str
    serial: str
    not_after: Micros


class Authority:
    """The CA's key and certificate; signs leaf certificates."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key, self.certificate = key, certificate

    @property
    def pem(self) -> str:
        """The CA's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate's DER, 64 hex digits; enrolment tokens pin its first 32."""
        return hashlib.sha256(self.certificate.public_bytes(serialization.Encoding.DER)).hexdigest()

    def issue_agent(
        self, public: ec.EllipticCurvePublicKey, *, tenant: str, agent: str, now: Micros
    ) -> IssuedCertificate:
        """Sign a client certificate whose only identity is the URI of tenant and agent."""
        uri = x509.UniformResourceIdentifier(_URI.format(tenant=tenant, agent=agent))
        leaf = self._issue(public, [uri], ExtendedKeyUsageOID.CLIENT_AUTH, name=f"agent {agent}", now=now)
        return IssuedCertificate(
            pem=leaf.public_bytes(serialization.Encoding.PEM).decode(),
            serial=format(leaf.serial_number, "x"),
            not_after=_micros(leaf.not_valid_after_utc),
        )

    def issue_server(self, public: ec.EllipticCurvePublicKey, names: Iterable[str], *, now: Micros) -> x509.Certificate:
        """Sign a server certificate for DNS names and IP addresses."""
        alternatives = [_general_name(name) for name in names]
        return self._issue(public, alternatives, ExtendedKeyUsageOID.SERVER_AUTH, name="Vedette Central Node", now=now)

    def _issue(
        self,
        public: ec.EllipticCurvePublicKey,
        alternatives: Sequence[x509.GeneralName],
        usage: x509.ObjectIdentifier,
        *,
        name: str,
        now: Micros,
    ) -> x509.Certificate:
        ca_key_id = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        return (
            _dated(now, LEAF_LIFE)
            .subject_name(_name(name))
            .issuer_name(self.certificate.subject)
            .public_key(public)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(ca_key_id, critical=False)
            .sign(self._key, hashes.SHA256())
        )


def ensure_authority(key_file: Path, certificate_file: Path, *, now: Micros) -> Authority:
    """Load the CA, or make it when `key_file` is absent; keeps the public copy in `certificate_file`.

    Key and certificate are one file that is whole or absent. Raises ConfigError when it cannot be read.
    """
    if not key_file.exists():
        write_atomic(key_file, _make_authority(now))
        _LOG.info("made the deployment's certificate authority")
    authority = load_authority(key_file)
    pem = authority.pem.encode()
    if not certificate_file.exists() or certificate_file.read_bytes() != pem:
        write_atomic(certificate_file, pem, mode=0o644)
    return authority


def load_authority(key_file: Path) -> Authority:
    """Load the CA from its file. Raises ConfigError when it is absent or cannot be read."""
    key, certificate = _load_pair(key_file)
    return Authority(key, certificate)


def ensure_signing_key(path: Path) -> None:
    """Make an Ed25519 key for one purpose unless it is there."""
    if not path.exists():
        write_atomic(path, _private_pem(ed25519.Ed25519PrivateKey.generate()))


def ensure_secret(path: Path, size: int) -> None:
    """Make a file of random bytes for one purpose unless it is there."""
    if not path.exists():
        write_atomic(path, os.urandom(size))


def load_signing_key(path: Path) -> ed25519.Ed25519PrivateKey:
    """Load the key of one purpose. Raises ConfigError."""
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: not a usable key: {error}") from error
    if not isinstance(key, ed25519.Ed25519PrivateKey):
        raise ConfigError(f"{path}: not an Ed25519 key")
    return key


def public_pem(key: ed25519.Ed25519PrivateKey) -> str:
    """Give the public half, as agents pin it."""
    encoding, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(encoding, form).decode()


def pinned_keys(keys: Mapping[str, Path]) -> PinnedKeys:
    """Give the public halves of the keys of these purposes, as agents pin them. Raises ConfigError."""
    return {purpose: public_pem(load_signing_key(path)) for purpose, path in keys.items()}


def ensure_server_certificate(path: Path, authority: Authority, names: Sequence[str], *, now: Micros) -> bool:
    """Keep the server's certificate and key in `path` fit for use; gives whether a new one was made.

    It is made anew when it is absent or unreadable, has less than 60 days left, lacks one of `names`, or
    another CA signed it. Names that it had stay.
    """
    wanted = [*ALWAYS_NAMED, *names]
    try:
        _, certificate = _load_pair(path)
    except ConfigError:
        held: list[str] = []
    else:
        held = server_names(certificate)
        ends = _micros(certificate.not_valid_after_utc)
        if ends - now > RENEW_LEFT and set(wanted) <= set(held) and _signed_by(certificate, authority):
            return False
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = authority.issue_server(key.public_key(), dict.fromkeys([*wanted, *held]), now=now)
    write_atomic(path, leaf.public_bytes(serialization.Encoding.PEM) + _private_pem(key))
    _LOG.info("made a server certificate for %s", ", ".join(server_names(leaf)))
    return True


def server_names(certificate: x509.Certificate) -> list[str]:
    """Give the DNS names and addresses that a server certificate speaks for."""
    extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [str(name.value) for name in extension]


def read_agent_uri(certificate: x509.Certificate) -> tuple[str, str]:
    """Give tenant and agent id of an agent's certificate. Raises IdentityError (`certificate_malformed`)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        (uri,) = names.get_values_for_type(x509.UniformResourceIdentifier)
        scheme, product, tenant_word, tenant, agent_word, agent = uri.split(":")
    except (x509.ExtensionNotFound, ValueError) as error:
        raise IdentityError("the certificate names no agent", reason="certificate_malformed") from error
    if (scheme, product, tenant_word, agent_word) != ("urn", "vedette", "tenant", "agent"):
        raise IdentityError("the certificate names no agent", reason="certificate_malformed")
    return tenant, agent


def _make_authority(now: Micros) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    public = key.public_key()
    name = _name(f"Vedette deployment CA {now // 1_000_000:x}")
    certificate = (
        _dated(now, CA_LIFE)
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _private_pem(key) + certificate.public_bytes(serialization.Encoding.PEM)


def _dated(now: Micros, life: Micros) -> x509.CertificateBuilder:
    begin = dt.datetime.fromtimestamp((now - BACKDATE) // 1_000_000, dt.UTC)
    end = dt.datetime.fromtimestamp((now + life) // 1_000_000, dt.UTC)
    number = x509.random_serial_number()
    return x509.CertificateBuilder().serial_number(number).not_valid_before(begin).not_valid_after(end)


def _load_pair(path: Path) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    try:
        data = path.read_bytes()
        key = serialization.load_pem_private_key(data, password=None)
        certificate = x509.load_pem_x509_certificate(data)
    except (OSError, ValueError, TypeError) as error:
        raise ConfigError(f"{path}: no usable key and certificate: {error}") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise ConfigError(f"{path}: the key does not belong to the certificate")
    return key, certificate


def _signed_by(certificate: x509.Certificate, authority: Authority) -> bool:
    try:
        certificate.verify_directly_issued_by(authority.certificate)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _private_pem(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, plain)


def _micros(moment: dt.datetime) -> Micros:
    return int(moment.timestamp()) * 1_000_000
